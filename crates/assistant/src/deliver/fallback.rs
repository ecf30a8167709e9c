//! The template that stands in for a message which comes too late for a free answer.

use db::TenantTx;
use domain::{Author, Content, Template};
use jobs::Failure;
use store::channels::Channel;
use store::messages::{self, Message};

/// The template that the tenant wants sent in a message's place; `None` where the tenant has none, or
/// the message is a further piece of an answer: the first alone is worth one.
pub(super) fn of(channel: &Channel, message: &Message) -> Option<Template> {
    let is_first = message.turn.is_some() || message.author == Author::Agent;
    if !is_first {
        return None;
    }
    let text = |name: &str| Some(channel.config.get(name)?.as_str()?.to_owned());
    Some(Template {
        name: text("fallback_template")?,
        language: text("fallback_template_language").unwrap_or_else(|| "en".to_owned()),
        header: None,
        body: Vec::new(),
        buttons: Vec::new(),
    })
}

/// Puts the template in a message's place, for its operator says that it comes too late. False where
/// there is none, or the message is a template already.
///
/// # Errors
/// Those of the database.
pub(super) async fn put(
    tx: &mut TenantTx,
    channel: &Channel,
    message: &Message,
) -> Result<bool, Failure> {
    let is_template = message
        .content
        .get("type")
        .is_some_and(|it| it == "template");
    let Some(template) = of(channel, message).filter(|_| !is_template) else {
        return Ok(false);
    };
    let content = serde_json::to_value(Content::Template(template)).map_err(Failure::retry)?;
    messages::replace_content(tx, message.id, &content).await?;
    Ok(true)
}
