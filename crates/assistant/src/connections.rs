//! A stored channel becomes one that requests can be made of: its secrets opened, its limits known
//! to the engine, its requests made by the client that may make them.

use channels::{Audience, Connection, HttpAnswer, HttpRequest, Platform, channel as adapter};
use db::TenantTx;
use domain::Content;
use jobs::control;
use secrets::row_context;
use serde_json::Value;
use store::channels::{self as stored, Channel};

use crate::{Assistant, Error};

/// Opens what a channel keeps secret; `None` where its kind has no secrets.
///
/// # Errors
/// `Broken` if it does not open.
pub fn open_secrets(assistant: &Assistant, channel: &Channel) -> Result<Option<Value>, Error> {
    let broken = |error| Error::broken(format!("the secrets of channel {}", channel.id), error);
    let Some(sealed) = channel.sealed_secrets.as_deref() else {
        return Ok(None);
    };
    let (table, column) = stored::SECRETS_COLUMN;
    let context = row_context(table, column, channel.id.as_uuid());
    let opened = assistant.keyring.open_json(&context, sealed);
    opened.map(Some).map_err(broken)
}

/// A channel, ready to send; `None` where nothing is sent by request.
///
/// # Errors
/// `Broken` if its settings or secrets are.
pub fn connect(
    assistant: &Assistant,
    channel: &Channel,
) -> Result<Option<Box<dyn Connection>>, Error> {
    let secrets = open_secrets(assistant, channel)?;
    let platform = Platform {
        graph: assistant.settings.meta.graph.clone(),
        app_id: assistant.settings.meta.app_id.clone(),
    };
    adapter(channel.kind)
        .connect(&channel.config, secrets.as_ref(), &platform)
        .map_err(|error| Error::broken(format!("channel {}", channel.id), error))
}

/// Has the engine count a channel's sends at the rate its new settings say, where they say another
/// than the old ones; a channel that is new may find the limit of one that had the same number.
///
/// # Errors
/// Those of the database.
pub async fn follow_rate(
    assistant: &Assistant,
    tx: &mut TenantTx,
    old: Option<&Channel>,
    new: &Channel,
) -> db::Result<()> {
    let limit = |channel: &Channel| {
        let connection = connect(assistant, channel).ok().flatten()?;
        connection.limits(&Content::text(""), "").into_iter().next()
    };
    let old = old.and_then(limit);
    match limit(new) {
        Some(new) if old.as_ref() != Some(&new) => {
            control::change_rate(tx, &new.key, new.rate_per_second(), new.burst_after(0)).await
        }
        _ => Ok(()),
    }
}

/// Makes a request by the client that may make it.
///
/// # Errors
/// Those of `outbound`.
pub(crate) async fn perform(
    assistant: &Assistant,
    request: &HttpRequest,
) -> Result<HttpAnswer, outbound::Error> {
    let client = match request.audience {
        Audience::Operator => &assistant.trusted,
        Audience::Stranger => &assistant.guarded,
    };
    channels::perform(client, request).await
}
