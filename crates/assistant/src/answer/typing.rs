use std::time::Duration;

use ::channels::{Action, Delivery, channel as adapter};
use domain::TenantId;
use store::conversations::Conversation;
use store::messages::Message;
use store::{channels, contacts};

use crate::connections::{connect, perform};
use crate::{Assistant, Error};

/// How long the request may take; the answer never waits for it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Shows the contact that its message was read and an answer is being written, where the channel can.
/// Nothing depends on it: what goes wrong is only logged.
pub(super) fn show(
    assistant: &Assistant,
    tenant: TenantId,
    conversation: &Conversation,
    asked: &[Message],
) {
    let Some(message) = asked.last().and_then(|it| it.external_id.clone()) else {
        return;
    };
    let (assistant, conversation) = (assistant.clone(), conversation.clone());
    tokio::spawn(async move {
        let shown = tell(&assistant, tenant, &conversation, &message);
        match tokio::time::timeout(PATIENCE, shown).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "typing could not be shown"),
            Err(_) => tracing::debug!("typing could not be shown in time"),
        }
    });
}

async fn tell(
    assistant: &Assistant,
    tenant: TenantId,
    conversation: &Conversation,
    message: &str,
) -> Result<(), Error> {
    let mut tx = assistant.db.tenant(tenant).await?;
    let channel = channels::get(&mut tx, conversation.channel_id).await?;
    let can = adapter(channel.kind).capabilities();
    if !can.has_typing || can.delivery != Delivery::Request || !channel.enabled {
        return Ok(());
    }
    let contact = contacts::get(&mut tx, conversation.contact_id).await?;
    drop(tx);
    let to = contact.address.unwrap_or(contact.external_id);
    let Some(connection) = connect(assistant, &channel)? else {
        return Ok(());
    };
    if let Some(request) = connection.act(Action::Typing { to: &to, message }) {
        let answer = perform(assistant, &request).await;
        answer.map_err(|error| Error::broken("a typing indicator", error))?;
    }
    Ok(())
}
