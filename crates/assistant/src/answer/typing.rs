use std::time::Duration;

use ::channels::{Action, Delivery, HttpRequest, channel as adapter};

use super::turn::Turn;
use crate::connections::{connect, perform};
use crate::{Assistant, Error};

/// How long the request may take; the answer never waits for it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Shows the contact that its message was read and an answer is being written, where the channel can.
/// Nothing depends on it: what goes wrong is only logged.
pub(super) fn show(assistant: &Assistant, turn: &Turn) {
    let request = match request(assistant, turn) {
        Ok(Some(request)) => request,
        Ok(None) => return,
        Err(error) => return tracing::debug!(%error, "typing could not be shown"),
    };
    let assistant = assistant.clone();
    tokio::spawn(async move {
        match tokio::time::timeout(PATIENCE, perform(&assistant, &request)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::debug!(%error, "typing could not be shown"),
            Err(_) => tracing::debug!("typing could not be shown in time"),
        }
    });
}

fn request(assistant: &Assistant, turn: &Turn) -> Result<Option<HttpRequest>, Error> {
    let channel = &turn.channel;
    let can = adapter(channel.kind).capabilities();
    if !can.has_typing || can.delivery != Delivery::Request || !channel.enabled {
        return Ok(None);
    }
    let newest = turn.asked.last().and_then(|it| it.external_id.as_deref());
    let (Some(message), Some(connection)) = (newest, connect(assistant, channel)?) else {
        return Ok(None);
    };
    let to = turn.contact.send_to();
    Ok(connection.act(Action::Typing { to, message }))
}
