use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use poem::http::{HeaderValue, Request as HttpRequest, StatusCode, header};
use poem::{Endpoint, Request, Response, Upgraded};
use sha1::{Digest as _, Sha1};
use tower::Service;

/// Source: <https://www.rfc-editor.org/rfc/rfc6455#section-1.3>.
const WEBSOCKET_GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Hands requests to the Socket.IO service.
///
/// The framework's own adapter is enough for polling, but takes the connection's upgrade away, so
/// the handshake of a WebSocket is done here and the service gets the open stream.
pub(super) struct Bridge<S, P> {
    service: S,
    polling: P,
}

impl<S, P> Bridge<S, P> {
    pub(super) const fn new(service: S, polling: P) -> Self {
        Self { service, polling }
    }
}

impl<S, P> Endpoint for Bridge<S, P>
where
    S: Service<(Upgraded, HttpRequest<()>)> + Clone + Send + Sync + 'static,
    S::Future: Send,
    P: Endpoint<Output = Response>,
{
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        if !is_websocket(&request) {
            return self.polling.call(request).await;
        }
        let (Some(accept), Ok(upgrade)) = (accept(&request), request.take_upgrade()) else {
            return Err(StatusCode::BAD_REQUEST.into());
        };
        let handshake = handshake(&request)?;
        let mut service = self.service.clone();
        tokio::spawn(async move {
            match upgrade.await {
                // A session that is not known closes the stream, which tells the client.
                Ok(stream) => drop(service.call((stream, handshake)).await),
                Err(error) => tracing::debug!(%error, "the connection was not upgraded"),
            }
        });
        Ok(Response::builder()
            .status(StatusCode::SWITCHING_PROTOCOLS)
            .header(header::UPGRADE, "websocket")
            .header(header::CONNECTION, "Upgrade")
            .header(header::SEC_WEBSOCKET_ACCEPT, accept)
            .finish())
    }
}

/// What the service keeps of the request for as long as the connection lasts: the address, and the
/// page that asks. Copied, because what is not copied keeps the whole buffer it was read into.
fn handshake(request: &Request) -> Result<HttpRequest<()>, StatusCode> {
    let mut handshake = HttpRequest::new(());
    let uri = request.original_uri().to_string();
    *handshake.uri_mut() = uri.parse().map_err(|_| StatusCode::BAD_REQUEST)?;
    if let Some(origin) = request.headers().get(header::ORIGIN) {
        let copy =
            HeaderValue::from_bytes(origin.as_bytes()).map_err(|_| StatusCode::BAD_REQUEST)?;
        handshake.headers_mut().insert(header::ORIGIN, copy);
    }
    Ok(handshake)
}

fn is_websocket(request: &Request) -> bool {
    request
        .header(header::UPGRADE)
        .is_some_and(|protocol| protocol.eq_ignore_ascii_case("websocket"))
}

/// The proof that the handshake was understood; `None` unless it is one of version 13.
fn accept(request: &Request) -> Option<String> {
    if request.header(header::SEC_WEBSOCKET_VERSION)? != "13" {
        return None;
    }
    let key = request.headers().get(header::SEC_WEBSOCKET_KEY)?;
    let hash = Sha1::new()
        .chain_update(key.as_bytes())
        .chain_update(WEBSOCKET_GUID)
        .finalize();
    Some(STANDARD.encode(hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_handshake_is_proved_as_in_the_standard() {
        // Source: https://www.rfc-editor.org/rfc/rfc6455#section-1.3.
        let request = Request::builder()
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .finish();
        let proof = accept(&request);
        assert_eq!(proof.as_deref(), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        assert_eq!(accept(&Request::builder().finish()), None);
    }
}
