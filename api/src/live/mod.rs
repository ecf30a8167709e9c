//! Web chat as it happens: Socket.IO at `/socket.io/`, namespace `/webchat`, and what browsers of
//! other origins need.
//!
//! Nothing rests on the protocol's own recovery: a client says how far it has read, and is told
//! everything after that from the table of messages.

mod address;
mod bridge;
pub(crate) mod cors;
mod events;
mod line;
mod schema;
mod slots;
mod socket;

use std::sync::Arc;
use std::time::Duration;

use assistant::webchat::Webchat;
use poem::endpoint::{BoxEndpoint, TowerCompatExt as _};
use poem::{Endpoint, EndpointExt as _, Response};
use socketioxide::SocketIo;
use socketioxide::handler::ConnectHandler as _;
use tokio_util::sync::CancellationToken;

pub(crate) use address::client_address;
pub use schema::webchat_events_json;

use bridge::Bridge;
use slots::Slots;

/// The most bytes of a packet or a polling request.
const MAX_PAYLOAD_BYTES: u32 = 100_000;

/// Packets that wait for a slow client.
const BUFFERED_PACKETS: usize = 128;

/// How long a connection may take to show its token.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long clients may take to see that the server ends.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Where Socket.IO is served.
pub(crate) const PATH: &str = "/socket.io";

/// The open web chats of this process; clones share everything.
#[derive(Clone)]
pub struct Live {
    endpoint: Arc<BoxEndpoint<'static, Response>>,
    io: SocketIo,
    closing: CancellationToken,
}

impl Live {
    /// Makes ready to serve web chats.
    pub fn new(webchat: &Webchat) -> Self {
        let (service, io) = SocketIo::builder()
            .req_path(PATH)
            .max_payload(MAX_PAYLOAD_BYTES.into())
            .ws_max_message_size(MAX_PAYLOAD_BYTES as usize)
            .ws_max_frame_size(MAX_PAYLOAD_BYTES as usize)
            .max_buffer_size(BUFFERED_PACKETS)
            .connect_timeout(CONNECT_TIMEOUT)
            .build_svc();
        let chats = socket::Chats {
            webchat: webchat.clone(),
            slots: Arc::new(Slots::default()),
        };
        io.ns(
            socket::NAMESPACE,
            socket::begin.with(socket::admission(chats)),
        );
        let bridge = Bridge::new(service.clone(), service.compat());
        Self {
            endpoint: Arc::new(cors::socket_io(bridge).boxed()),
            io,
            closing: CancellationToken::new(),
        }
    }

    /// What answers under [`PATH`], path and all.
    pub(crate) fn endpoint(&self) -> impl Endpoint<Output = Response> + 'static {
        Arc::clone(&self.endpoint)
    }

    /// Resolves once the process is to end, so that nothing waits any longer.
    pub(crate) async fn closing(&self) {
        self.closing.cancelled().await;
    }

    /// Ends every wait and closes every connection, taking two seconds at most; clients come back to
    /// another process.
    pub async fn close(&self) {
        self.closing.cancel();
        let closed = tokio::time::timeout(CLOSE_TIMEOUT, self.io.close()).await;
        if closed.is_err() {
            tracing::debug!("some web chats did not take their leave");
        }
    }
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live").finish_non_exhaustive()
    }
}
