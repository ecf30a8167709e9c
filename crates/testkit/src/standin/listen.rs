use std::collections::HashSet;
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use poem::http::uri::Scheme;
use poem::http::{HeaderMap, Method, StatusCode, header};
use poem::listener::Acceptor;
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Request, Response, Server};
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};

/// A request that was read to its end.
pub(super) struct Exchange {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// When its head had arrived.
    pub(super) at: DateTime<Utc>,
    pub(super) connection: Connection,
}

/// The connection an exchange came over.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    peer: Option<SocketAddr>,
    broken: Broken,
}

impl Connection {
    /// Closes the connection in place of the next write.
    pub(super) fn cut(&self) {
        self.broken.mark(self.peer);
    }
}

impl Exchange {
    /// The number given for `name` in the query string.
    pub(super) fn query_number(&self, name: &str) -> Option<u64> {
        self.query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(key, _)| *key == name)
            .and_then(|(_, value)| value.parse().ok())
    }

    /// The token of the `Authorization: Bearer` header.
    pub(super) fn bearer(&self) -> Option<&str> {
        let value = self.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        value.strip_prefix("Bearer ")
    }
}

/// What becomes of an exchange.
pub(super) enum Reaction {
    /// This response is sent.
    Answer(Response),
    /// The connection is closed without a byte of a response.
    Drop,
}

/// A listening server; dropping it closes the listener and all its connections.
#[derive(Debug)]
pub(super) struct Listening {
    pub(super) url: String,
    _stop: DropGuard,
}

/// Listens on `127.0.0.1:port` (0 for any free one) and lets `handler` react to every request.
pub(super) async fn listen<F, Fut>(port: u16, handler: F) -> io::Result<Listening>
where
    F: Fn(Exchange) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Reaction> + Send,
{
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let address = listener.local_addr()?;
    let broken = Broken::default();
    let acceptor = BreakableAcceptor {
        listener,
        address,
        broken: broken.clone(),
    };
    let handler = Arc::new(handler);
    let endpoint = poem::endpoint::make(move |request| {
        let (handler, broken) = (Arc::clone(&handler), broken.clone());
        async move { react(&*handler, &broken, request).await }
    });
    let stop = CancellationToken::new();
    let stopped = stop.clone().cancelled_owned();
    tokio::spawn(async move {
        // It ends by `stop` alone, and then there is nobody left to tell.
        Server::new_with_acceptor(acceptor)
            .run_with_graceful_shutdown(endpoint, stopped, Some(Duration::ZERO))
            .await
            .ok();
    });
    Ok(Listening {
        url: format!("http://{address}"),
        _stop: stop.drop_guard(),
    })
}

async fn react<F, Fut>(handler: &F, broken: &Broken, mut request: Request) -> poem::Result<Response>
where
    F: Fn(Exchange) -> Fut + Sync,
    Fut: Future<Output = Reaction> + Send,
{
    let at = domain::Clock::system().now();
    let connection = Connection {
        peer: request.remote_addr().as_socket_addr().copied(),
        broken: broken.clone(),
    };
    let exchange = Exchange {
        method: request.method().clone(),
        path: request.uri().path().to_owned(),
        query: request.uri().query().unwrap_or_default().to_owned(),
        headers: request.headers().clone(),
        body: request.take_body().into_bytes().await?,
        at,
        connection: connection.clone(),
    };
    match handler(exchange).await {
        Reaction::Answer(response) => Ok(response),
        Reaction::Drop => {
            connection.cut();
            Ok(Response::default())
        }
    }
}

/// A response of `body` as JSON.
pub(super) fn json_response(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(bytes) => Response::builder()
            .status(status)
            .content_type("application/json")
            .body(bytes),
        Err(error) => Response::builder()
            .status(StatusCode::INTERNAL_SERVER_ERROR)
            .body(error.to_string()),
    }
}

/// The peers to whom nothing more is written.
#[derive(Clone, Debug, Default)]
struct Broken(Arc<Mutex<HashSet<SocketAddr>>>);

impl Broken {
    fn mark(&self, peer: Option<SocketAddr>) {
        self.peers().extend(peer);
    }

    fn peers(&self) -> std::sync::MutexGuard<'_, HashSet<SocketAddr>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct BreakableAcceptor {
    listener: TcpListener,
    address: SocketAddr,
    broken: Broken,
}

impl Acceptor for BreakableAcceptor {
    type Io = Breakable;

    fn local_addr(&self) -> Vec<LocalAddr> {
        vec![LocalAddr(self.address.into())]
    }

    async fn accept(&mut self) -> io::Result<(Self::Io, LocalAddr, RemoteAddr, Scheme)> {
        let (stream, peer) = self.listener.accept().await?;
        stream.set_nodelay(true)?;
        let io = Breakable {
            stream,
            peer,
            broken: self.broken.clone(),
        };
        let local = LocalAddr(self.address.into());
        Ok((io, local, RemoteAddr(peer.into()), Scheme::HTTP))
    }
}

/// A connection whose writes fail once its peer is marked, so that the server gives it up.
struct Breakable {
    stream: TcpStream,
    peer: SocketAddr,
    broken: Broken,
}

impl Drop for Breakable {
    fn drop(&mut self) {
        self.broken.peers().remove(&self.peer);
    }
}

impl AsyncRead for Breakable {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Breakable {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.broken.peers().contains(&self.peer) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
