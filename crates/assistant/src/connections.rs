//! A stored channel becomes one that requests can be made of: its secrets opened, its limits known
//! to the engine, its requests made by the client that may make them.

use std::time::Duration;

use channels::{
    Audience, Begun, Connection, HttpAnswer, HttpRequest, Platform, channel as adapter,
};
use db::TenantTx;
use domain::Content;
use jobs::control;
use secrets::row_context;
use serde_json::Value;
use store::channels::{self as stored, Channel};

use crate::channel_health::resume;
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

/// The id of the app that a channel of these secrets belongs to, where it is known: the platform's,
/// unless posts are signed by an app of the tenant's own.
pub(crate) fn app_id<'a>(assistant: &'a Assistant, secrets: Option<&Value>) -> Option<&'a str> {
    let own = secrets.and_then(|secrets| secrets.get("app_secret"));
    let is_own = own.is_some_and(|own| !own.is_null());
    assistant
        .settings
        .meta
        .app_id
        .as_deref()
        .filter(|_| !is_own)
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
        app_id: app_id(assistant, secrets.as_ref()).map(str::to_owned),
    };
    adapter(channel.kind)
        .connect(&channel.config, secrets.as_ref(), &platform)
        .map_err(|error| Error::broken(format!("channel {}", channel.id), error))
}

/// Has the engine keep to what a channel's new settings say of its sends, where they say another than
/// the old ones: their rate, and under another key their pause, which was another number's or page's,
/// or that of a channel that was deleted.
///
/// # Errors
/// Those of the database.
pub async fn follow_limit(
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
    let Some(new) = limit(new).filter(|new| old.as_ref() != Some(new)) else {
        return Ok(());
    };
    control::change_rate(tx, &new.key, new.rate_per_second(), new.burst_after(0)).await?;
    if old.is_none_or(|old| old.key != new.key) {
        resume(tx, &new.key).await?;
    }
    Ok(())
}

/// How long a request may take that nothing depends on.
const PATIENCE: Duration = Duration::from_secs(5);

/// Makes requests, one after the other, that nothing depends on and nobody waits for: what goes wrong
/// is only logged.
pub(crate) fn perform_aside(assistant: &Assistant, requests: Vec<HttpRequest>) {
    if requests.is_empty() {
        return;
    }
    let assistant = assistant.clone();
    tokio::spawn(async move {
        for request in &requests {
            match tokio::time::timeout(PATIENCE, perform(&assistant, request)).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => tracing::debug!(%error, "a contact could not be shown something"),
                Err(_) => tracing::debug!("a contact could not be shown something in time"),
            }
        }
    });
}

/// Makes a request by the client that may make it.
///
/// # Errors
/// Those of `outbound`.
pub(crate) async fn perform(
    assistant: &Assistant,
    request: &HttpRequest,
) -> Result<HttpAnswer, outbound::Error> {
    channels::perform(client_of(assistant, request), request).await
}

/// Makes a request by the client that may make it, and reads the head of its answer.
///
/// # Errors
/// Those of `outbound`.
pub(crate) async fn begin(
    assistant: &Assistant,
    request: &HttpRequest,
) -> Result<Begun, outbound::Error> {
    channels::begin(client_of(assistant, request), request).await
}

fn client_of<'a>(assistant: &'a Assistant, request: &HttpRequest) -> &'a outbound::Client {
    match request.audience {
        Audience::Operator => &assistant.trusted,
        Audience::Stranger => &assistant.guarded,
    }
}
