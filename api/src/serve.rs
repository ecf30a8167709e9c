use std::io;
use std::sync::Arc;
use std::time::Duration;

use domain::ChannelKind;
use poem::listener::TcpAcceptor;
use poem::{Endpoint, EndpointExt as _, Response, Route, Server, get};
use tokio::net::TcpListener;

use crate::routes::channel_posts;
use crate::{AppState, auth, idempotency, live, metrics, observe, openapi};

/// How long open requests may take to finish once the process is to end.
const DRAIN: Duration = Duration::from_secs(20);

/// The whole of HTTP as one endpoint.
///
/// From outside in: request id, trace, log, metrics and problems; keys and their limits; idempotency; routes. Channels
/// and open web chats have proofs of their own, and come by neither keys nor their limits.
pub fn server(state: Arc<AppState>) -> impl Endpoint<Output = Response> + 'static {
    let keyed = Route::new()
        .at("/api/openapi.json", openapi::json_endpoint())
        .at("/api/docs", openapi::docs_endpoint())
        .at(metrics::PATH, get(metrics::for_operators))
        .nest("/", openapi::service())
        .boxed()
        .around(idempotency::replay)
        .around(auth::authenticate)
        .around(live::cors::webchat)
        .boxed();
    Route::new()
        .nest(
            "/webhooks/whatsapp",
            channel_posts::shared(ChannelKind::Whatsapp),
        )
        .nest(
            "/webhooks/messenger",
            channel_posts::shared(ChannelKind::Messenger),
        )
        .nest("/webhooks/http", channel_posts::own(ChannelKind::Http))
        .nest_no_strip(live::PATH, state.live.endpoint())
        .nest_no_strip("/", keyed)
        .boxed()
        .around(observe::observe)
        .data(state)
        .map_to_response()
        .boxed()
}

/// Serves HTTP on a socket until `shutdown` resolves, then lets open requests finish for 20 seconds.
///
/// # Errors
/// If the socket cannot be listened on.
pub async fn serve(
    listener: TcpListener,
    state: Arc<AppState>,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let open = Arc::clone(&state);
    // Open web chats and watchers of queues wait for ever; they are told first.
    let shutdown = async move {
        shutdown.await;
        open.queue_feed.close();
        open.live.close().await;
    };
    Server::new_with_acceptor(TcpAcceptor::from_tokio(listener)?)
        .run_with_graceful_shutdown(server(state), shutdown, Some(DRAIN))
        .await
}
