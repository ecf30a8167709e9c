use ::channels::{Action, Delivery, HttpRequest, channel as adapter};

use super::turn::Turn;
use crate::connections::{connect, perform_aside};
use crate::{Assistant, Error};

/// Shows the contact that its message was read and an answer is being written, where the channel can.
/// Nothing depends on it: what goes wrong is only logged.
pub(super) fn show(assistant: &Assistant, turn: &Turn) {
    match requests(assistant, turn) {
        Ok(requests) => perform_aside(assistant, requests),
        Err(error) => tracing::debug!(%error, "typing could not be shown"),
    }
}

fn requests(assistant: &Assistant, turn: &Turn) -> Result<Vec<HttpRequest>, Error> {
    let channel = &turn.channel;
    let can = adapter(channel.kind).capabilities();
    if !can.has_typing || can.delivery != Delivery::Request || !channel.enabled {
        return Ok(Vec::new());
    }
    let newest = turn.asked.last().and_then(|it| it.external_id.as_deref());
    let (Some(message), Some(connection)) = (newest, connect(assistant, channel)?) else {
        return Ok(Vec::new());
    };
    let to = turn.contact.send_to();
    Ok(connection.act(Action::Typing { to, message }))
}
