//! Where channels' operators post what happens on their channels. Not part of the specification:
//! the operators wrote it, and for the generic channel `docs/channels-http.md`.

use std::sync::Arc;

use assistant::receive::posts;
use channels::{Handshake, MAX_BODY_BYTES, Post};
use domain::{ChannelId, ChannelKind};
use poem::http::StatusCode;
use poem::web::{Data, Path, Query};
use poem::{Body, EndpointExt as _, IntoResponse, Request, Response, Route, get, handler, post};
use serde::Deserialize;

use crate::{AppState, Problem};

/// The address that all channels of a kind share, and one for each channel.
pub(crate) fn shared(kind: ChannelKind) -> impl poem::Endpoint<Output = Response> + 'static {
    Route::new()
        .at("/", get(verify_shared).post(receive_shared))
        .at("/:channel_id", get(verify_own).post(receive_own))
        .data(kind)
        .map_to_response()
}

/// An address for each channel of a kind whose posts name none.
pub(crate) fn own(kind: ChannelKind) -> impl poem::Endpoint<Output = Response> + 'static {
    Route::new()
        .at("/:channel_id", post(receive_own))
        .data(kind)
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
    Data(kind): Data<&ChannelKind>,
    Query(subscription): Query<Subscription>,
) -> poem::Result<Response> {
    verify(state, *kind, None, &subscription).await
}

#[handler]
async fn verify_own(
    Data(state): Data<&Arc<AppState>>,
    Data(kind): Data<&ChannelKind>,
    Path(channel): Path<String>,
    Query(subscription): Query<Subscription>,
) -> poem::Result<Response> {
    verify(state, *kind, Some(channel_id(&channel)?), &subscription).await
}

async fn verify(
    state: &AppState,
    kind: ChannelKind,
    channel: Option<ChannelId>,
    subscription: &Subscription,
) -> poem::Result<Response> {
    let handshake = Handshake {
        mode: subscription.mode.as_deref(),
        token: subscription.token.as_deref(),
        challenge: subscription.challenge.as_deref(),
    };
    match posts::verify(&state.assistant, kind, channel, handshake).await {
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
    Data(kind): Data<&ChannelKind>,
    request: &Request,
    body: Body,
) -> poem::Result<StatusCode> {
    let body = read(request, body).await?;
    let post = as_posted(state, request, &body);
    posts::receive(&state.assistant, *kind, &post)
        .await
        .map_err(|error| refusal(*kind, error))?;
    Ok(StatusCode::OK)
}

#[handler]
async fn receive_own(
    Data(state): Data<&Arc<AppState>>,
    Data(kind): Data<&ChannelKind>,
    Path(channel): Path<String>,
    request: &Request,
    body: Body,
) -> poem::Result<StatusCode> {
    let channel = channel_id(&channel)?;
    let body = read(request, body).await?;
    let post = as_posted(state, request, &body);
    posts::receive_for(&state.assistant, *kind, channel, &post)
        .await
        .map_err(|error| refusal(*kind, error))?;
    Ok(StatusCode::OK)
}

fn as_posted<'a>(state: &AppState, request: &'a Request, body: &'a [u8]) -> Post<'a> {
    Post {
        headers: request.headers(),
        body,
        received_at: state.assistant.clock.now(),
    }
}

/// A post is known by its signature, not by a key.
fn refusal(kind: ChannelKind, error: assistant::Error) -> Problem {
    match error {
        assistant::Error::Unauthenticated => {
            let header = channels::channel(kind).capabilities().signature_header;
            Problem::new(
                StatusCode::UNAUTHORIZED,
                "signature_mismatch",
                format!(
                    "{} is missing, too old, or not that of a secret this address takes.",
                    header.unwrap_or("The signature")
                ),
            )
        }
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
