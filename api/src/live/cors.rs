//! What browsers ask before a page of another origin may use the web chat.

use std::sync::Arc;

use poem::http::{HeaderValue, Method, StatusCode, header};
use poem::{Endpoint, EndpointExt as _, IntoResponse as _, Request, Response};

use crate::AppState;

const PREFIX: &str = "/api/webchat/";

/// How long a browser may remember the answer, in seconds.
const MAX_AGE: &str = "600";

/// Lets pages of allowed origins use the routes of the web chat; other routes are for the same
/// origin only.
///
/// A route that refuses a page's origin answers 403, which the page then cannot read; every other
/// answer was made after that check, or tells nothing of anybody.
pub(crate) async fn webchat<E>(endpoint: Arc<E>, request: Request) -> poem::Result<Response>
where
    E: Endpoint<Output = Response>,
{
    let Some(origin) = origin_of(&request).filter(|_| request.uri().path().starts_with(PREFIX))
    else {
        return endpoint.call(request).await;
    };
    let mut response = if is_preflight(&request) {
        preflight(&request, &origin).await
    } else {
        endpoint.call(request).await?
    };
    if response.status() != StatusCode::FORBIDDEN {
        allow(&mut response, origin);
    }
    Ok(response)
}

/// Lets any page reach Socket.IO: whose chat it wants is only said inside the connection, where its
/// origin is checked. No cookie counts anywhere.
pub(super) fn socket_io<E>(endpoint: E) -> impl Endpoint<Output = Response> + 'static
where
    E: Endpoint<Output = Response> + 'static,
{
    endpoint.around(async |endpoint, request: Request| {
        let origin = origin_of(&request);
        let mut response = if is_preflight(&request) {
            permission()
        } else {
            match endpoint.call(request).await {
                Ok(response) => response,
                Err(error) => error.into_response(),
            }
        };
        if let Some(origin) = origin {
            allow(&mut response, origin);
        }
        Ok(response)
    })
}

fn origin_of(request: &Request) -> Option<HeaderValue> {
    request.headers().get(header::ORIGIN).cloned()
}

fn is_preflight(request: &Request) -> bool {
    request.method() == Method::OPTIONS
        && request
            .headers()
            .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// Answers for the page: where the path names the chat, by its list; else the request itself will
/// show whose chat it is.
async fn preflight(request: &Request, origin: &HeaderValue) -> Response {
    let path = request.uri().path().strip_prefix(PREFIX);
    let channel = path.and_then(|path| path.strip_suffix("/sessions"));
    let (Some(channel), Some(state)) = (channel, request.data::<Arc<AppState>>()) else {
        return permission();
    };
    let allowed = match (channel.parse(), origin.to_str()) {
        (Ok(channel), Ok(origin)) => state.webchat.check_origin(channel, origin).await,
        _ => Err(assistant::Error::NotFound),
    };
    match allowed {
        Ok(()) => permission(),
        Err(assistant::Error::Db(error)) => {
            tracing::warn!(%error, "an origin could not be checked");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
        Err(_) => StatusCode::FORBIDDEN.into_response(),
    }
}

fn permission() -> Response {
    Response::builder()
        .status(StatusCode::NO_CONTENT)
        .header(header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST")
        .header(
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "Authorization, Content-Type",
        )
        .header(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE)
        .finish()
}

fn allow(response: &mut Response, origin: HeaderValue) {
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("Retry-After, X-Request-Id"),
    );
}
