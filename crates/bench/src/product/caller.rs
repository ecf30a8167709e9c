use anyhow::{Context as _, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use testkit::standin::SignedPost;
use tokio::net::TcpStream;
use url::Url;

/// One connection that posts what was signed before: whoever measures a server has to cost little
/// beside it.
pub(super) struct Caller {
    sender: SendRequest<Full<Bytes>>,
    host: String,
    path: String,
}

impl Caller {
    /// Connects to the server of an address.
    pub(super) async fn connect(url: &str) -> anyhow::Result<Self> {
        let url: Url = url.parse()?;
        let host = url.authority().to_owned();
        let stream = TcpStream::connect(&host).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self {
            sender,
            host,
            path: url.path().to_owned(),
        })
    }

    /// Posts and waits for the 200.
    pub(super) async fn post(&mut self, post: SignedPost) -> anyhow::Result<()> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(&self.path)
            .header("host", &self.host)
            .header("content-type", "application/json")
            .header("x-hub-signature-256", post.signature)
            .body(Full::new(post.body))?;
        self.sender.ready().await.context("the server hung up")?;
        let answer = self.sender.send_request(request).await?;
        let status = answer.status();
        answer.into_body().collect().await?;
        ensure!(status == StatusCode::OK, "the webhook answered {status}");
        Ok(())
    }
}
