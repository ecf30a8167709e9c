//! Where Meta posts what happens on WhatsApp. Not part of the specification: Meta wrote it.

use std::sync::Arc;

use assistant::receive::whatsapp;
use domain::ChannelId;
use poem::http::StatusCode;
use poem::web::{Data, Path, Query};
use poem::{Body, EndpointExt as _, IntoResponse, Request, Response, Route, get, handler};
use serde::Deserialize;

use crate::{AppState, Problem};

/// The longest body that is read: Meta's go up to 3 MB.
const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;

const SIGNATURE: &str = "x-hub-signature-256";

/// The address that all channels share, and one for each channel.
pub(crate) fn endpoint() -> impl poem::Endpoint<Output = Response> + 'static {
    Route::new()
        .at("/", get(verify_shared).post(receive_shared))
        .at("/:channel_id", get(verify_own).post(receive_own))
        .boxed()
        .map_to_response()
}

/// What Meta asks with before it posts.
#[derive(Deserialize)]
struct Subscription {
    #[serde(rename = "hub.mode")]
    mode: Option<String>,
    #[serde(rename = "hub.verify_token")]
    token: Option<String>,
    #[serde(rename = "hub.challenge")]
    challenge: Option<String>,
}

#[handler]
async fn verify_shared(
    Data(state): Data<&Arc<AppState>>,
    Query(subscription): Query<Subscription>,
) -> poem::Result<Response> {
    verify(state, None, &subscription).await
}

#[handler]
async fn verify_own(
    Data(state): Data<&Arc<AppState>>,
    Path(channel): Path<String>,
    Query(subscription): Query<Subscription>,
) -> poem::Result<Response> {
    verify(state, Some(channel_id(&channel)?), &subscription).await
}

async fn verify(
    state: &AppState,
    channel: Option<ChannelId>,
    subscription: &Subscription,
) -> poem::Result<Response> {
    let Subscription {
        mode,
        token,
        challenge,
    } = subscription;
    let (mode, token) = (mode.as_deref(), token.as_deref());
    let verified =
        whatsapp::verify(&state.assistant, channel, mode, token, challenge.as_deref()).await;
    match verified {
        // Verbatim, as plain text.
        Ok(challenge) => Ok(challenge.with_content_type("text/plain").into_response()),
        Err(assistant::Error::Unauthenticated) => Err(Problem::new(
            StatusCode::FORBIDDEN,
            "verify_token_refused",
            "The verify token is not that of a channel.",
        )
        .into()),
        Err(error) => Err(Problem::from(error).into()),
    }
}

#[handler]
async fn receive_shared(
    Data(state): Data<&Arc<AppState>>,
    request: &Request,
    body: Body,
) -> poem::Result<StatusCode> {
    let body = read(request, body).await?;
    let signature = request
        .headers()
        .get(SIGNATURE)
        .map(poem::http::HeaderValue::as_bytes);
    whatsapp::receive(&state.assistant, &body, signature)
        .await
        .map_err(refusal)?;
    Ok(StatusCode::OK)
}

#[handler]
async fn receive_own(
    Data(state): Data<&Arc<AppState>>,
    Path(channel): Path<String>,
    request: &Request,
    body: Body,
) -> poem::Result<StatusCode> {
    let channel = channel_id(&channel)?;
    let body = read(request, body).await?;
    let signature = request
        .headers()
        .get(SIGNATURE)
        .map(poem::http::HeaderValue::as_bytes);
    whatsapp::receive_for(&state.assistant, channel, &body, signature)
        .await
        .map_err(refusal)?;
    Ok(StatusCode::OK)
}

/// A post is known by its signature, not by a key.
fn refusal(error: assistant::Error) -> Problem {
    match error {
        assistant::Error::Unauthenticated => Problem::new(
            StatusCode::UNAUTHORIZED,
            "signature_mismatch",
            "X-Hub-Signature-256 is missing, or not that of a secret this address takes.",
        ),
        other => other.into(),
    }
}

fn channel_id(text: &str) -> Result<ChannelId, Problem> {
    text.parse().map_err(|_| Problem::not_found())
}

/// The body as it came, to the byte: that is what is signed.
async fn read(request: &Request, body: Body) -> Result<Vec<u8>, Problem> {
    let too_large = || Problem::too_large(MAX_BODY_BYTES as u64);
    let declared = request
        .header("content-length")
        .and_then(|length| length.parse::<u64>().ok());
    if declared.is_some_and(|length| length > MAX_BODY_BYTES as u64) {
        return Err(too_large());
    }
    body.into_bytes_limit(MAX_BODY_BYTES)
        .await
        .map(Vec::from)
        .map_err(|error| match error {
            poem::error::ReadBodyError::PayloadTooLarge => too_large(),
            _ => Problem::new(
                StatusCode::BAD_REQUEST,
                "body_unreadable",
                "The body broke off.",
            ),
        })
}
