use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;
use url::Url;

/// What a proxy lets through. Connections are numbered in the order in which they came.
#[derive(Clone, Copy, Debug)]
struct Flow {
    is_open: bool,
    /// Older connections never pass anything again, and do not close either.
    dead_below: u64,
    /// Older connections are closed.
    closed_below: u64,
    /// The next connection's number.
    next: u64,
}

/// Stands between one worker and Postgres, and can go silent without closing anything.
pub(crate) struct Proxy {
    port: u16,
    flow: Arc<watch::Sender<Flow>>,
    _accepting: AbortOnDropHandle<()>,
}

/// Where Postgres listens.
#[derive(Clone, Debug)]
enum Upstream {
    Socket(PathBuf),
    Address(String),
}

trait Stream: AsyncRead + AsyncWrite + Send {}
impl<S: AsyncRead + AsyncWrite + Send> Stream for S {}

impl Upstream {
    fn of(url: &Url) -> anyhow::Result<Self> {
        let port = url.port().unwrap_or(5432);
        let folder = url.query_pairs().find(|(name, _)| name == "host");
        if let Some((_, folder)) = folder {
            let name = format!(".s.PGSQL.{port}");
            return Ok(Self::Socket(PathBuf::from(folder.into_owned()).join(name)));
        }
        let host = url.host_str().context("an address without a host")?;
        Ok(Self::Address(format!("{host}:{port}")))
    }

    async fn connect(&self) -> std::io::Result<Pin<Box<dyn Stream>>> {
        Ok(match self {
            Self::Socket(path) => Box::pin(UnixStream::connect(path).await?),
            Self::Address(address) => Box::pin(TcpStream::connect(address).await?),
        })
    }
}

impl Proxy {
    /// Listens on a port of its own for connections to the server of `url`.
    ///
    /// # Errors
    /// When there is no port.
    pub(crate) async fn start(url: &Url) -> anyhow::Result<Self> {
        let upstream = Upstream::of(url)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let flow = Flow {
            is_open: true,
            dead_below: 0,
            closed_below: 0,
            next: 0,
        };
        let flow = Arc::new(watch::Sender::new(flow));
        let accepting = tokio::spawn(accept(listener, upstream, Arc::clone(&flow)));
        Ok(Self {
            port,
            flow,
            _accepting: AbortOnDropHandle::new(accepting),
        })
    }

    /// The address of the same database through this proxy.
    ///
    /// # Errors
    /// When it is not one.
    pub(crate) fn url(&self, url: &Url) -> anyhow::Result<Url> {
        let mut through = url.clone();
        through.set_query(Some("sslmode=disable"));
        through.set_host(Some("127.0.0.1"))?;
        through.set_port(Some(self.port)).ok().context("no port")?;
        Ok(through)
    }

    /// Lets nothing through any more, or everything that has waited and what comes.
    pub(crate) fn set_open(&self, is_open: bool) {
        self.flow.send_modify(|flow| flow.is_open = is_open);
    }

    /// Makes the connections there are silent for ever; later ones are not touched.
    pub(crate) fn deaden(&self) {
        self.flow.send_modify(|flow| flow.dead_below = flow.next);
    }

    /// Closes the silent connections.
    pub(crate) fn close_dead(&self) {
        self.flow
            .send_modify(|flow| flow.closed_below = flow.dead_below);
    }
}

async fn accept(listener: TcpListener, upstream: Upstream, flow: Arc<watch::Sender<Flow>>) {
    loop {
        let Ok((client, _)) = listener.accept().await else {
            continue;
        };
        client.set_nodelay(true).ok();
        let mut number = 0;
        flow.send_modify(|flow| {
            number = flow.next;
            flow.next += 1;
        });
        tokio::spawn(carry(client, upstream.clone(), flow.subscribe(), number));
    }
}

async fn carry(
    client: TcpStream,
    upstream: Upstream,
    mut flow: watch::Receiver<Flow>,
    number: u64,
) {
    if !passes(&mut flow, number).await {
        return;
    }
    let Ok(server) = upstream.connect().await else {
        return;
    };
    let (from_client, to_client) = tokio::io::split(client);
    let (from_server, to_server) = tokio::io::split(server);
    let mut closed = flow.clone();
    tokio::select! {
        () = copy(from_client, to_server, flow.clone(), number) => {}
        () = copy(from_server, to_client, flow, number) => {}
        _ = closed.wait_for(|flow| number < flow.closed_below) => {}
    }
}

/// Copies one direction. An end is news like others: it passes only when the way is open.
async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut flow: watch::Receiver<Flow>,
    number: u64,
) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer).await.unwrap_or(0);
        if !passes(&mut flow, number).await || read == 0 {
            return;
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

/// Waits until the way is open; false: the connection is closed.
async fn passes(flow: &mut watch::Receiver<Flow>, number: u64) -> bool {
    let decided = flow
        .wait_for(|flow| number < flow.closed_below || (flow.is_open && number >= flow.dead_below))
        .await;
    decided.is_ok_and(|flow| number >= flow.closed_below)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn echo_server() -> Url {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = tokio::io::split(stream);
                    tokio::io::copy(&mut from, &mut to).await.ok();
                });
            }
        });
        format!("postgres://u:p@127.0.0.1:{port}/d")
            .parse()
            .unwrap()
    }

    async fn client(proxy: &Proxy, url: &Url) -> TcpStream {
        let port = proxy.url(url).unwrap().port().unwrap();
        TcpStream::connect((Ipv4Addr::LOCALHOST, port))
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn a_silent_proxy_closes_nothing_and_passes_all_on_when_it_speaks_again() {
        let url = echo_server().await;
        let proxy = Proxy::start(&url).await.unwrap();
        let mut stream = client(&proxy, &url).await;
        let mut answer = [0; 2];
        stream.write_all(b"a").await.unwrap();
        stream.read_exact(&mut answer[..1]).await.unwrap();
        proxy.set_open(false);
        stream.write_all(b"b").await.unwrap();
        let silent = stream.read(&mut answer);
        let waited = tokio::time::timeout(std::time::Duration::from_millis(100), silent).await;
        assert!(waited.is_err(), "nothing comes, not even an end");
        proxy.set_open(true);
        stream.read_exact(&mut answer[..1]).await.unwrap();
        assert_eq!(&answer[..1], b"b");
    }

    #[tokio::test]
    async fn dead_connections_stay_dead_while_new_ones_live() {
        let url = echo_server().await;
        let proxy = Proxy::start(&url).await.unwrap();
        let mut old = client(&proxy, &url).await;
        let mut answer = [0; 1];
        old.write_all(b"a").await.unwrap();
        old.read_exact(&mut answer).await.unwrap();
        proxy.deaden();
        let mut new = client(&proxy, &url).await;
        new.write_all(b"n").await.unwrap();
        new.read_exact(&mut answer).await.unwrap();
        old.write_all(b"b").await.unwrap();
        let silent = old.read(&mut answer);
        let waited = tokio::time::timeout(std::time::Duration::from_millis(100), silent).await;
        assert!(waited.is_err());
        proxy.close_dead();
        assert_eq!(
            old.read(&mut answer).await.unwrap_or(0),
            0,
            "closed at last"
        );
    }
}
