//! A server that says exactly the bytes it is told to, piece by piece, and sees when its client
//! closes the connection.

use std::io;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use url::Url;

/// The head of an answer in pieces, whatever its format.
pub const SSE: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
    transfer-encoding: chunked\r\n\r\n";

/// How long something that has to happen may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the server does once it has read a request.
#[derive(Clone, Debug)]
pub enum Step {
    /// Writes bytes as they are.
    Raw(Vec<u8>),
    /// Writes one chunk of the transfer encoding.
    Chunk(Vec<u8>),
    /// Ends the transfer encoding.
    End,
    /// Takes its time, as a server that loads a model.
    Pause(Duration),
    /// Waits until the client closes, and reports it.
    AwaitClose,
}

/// What happened at the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Head, in small letters, and body of a request.
    Request(String, String),
    /// The client closed the connection.
    Closed,
}

/// A server of bytes on a loopback port of its own.
#[derive(Debug)]
pub struct Server {
    /// Its address with the path `/v1`.
    pub url: Url,
    seen: UnboundedReceiver<Seen>,
}

#[expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]
impl Server {
    /// Serves one connection for each list of steps, each once the one before is over; then refuses.
    ///
    /// # Panics
    /// If it cannot listen.
    pub async fn start(connections: Vec<Vec<Step>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let (tell, seen) = unbounded_channel();
        tokio::spawn(async move {
            for steps in connections {
                if serve(&listener, steps, &tell).await.is_err() {
                    // The test finds that the next thing does not happen.
                    return;
                }
            }
        });
        Self {
            url: url.parse().unwrap(),
            seen,
        }
    }

    /// A whole response with that status; `headers` are lines.
    pub fn response(status: &str, headers: &str, body: &str) -> Vec<Step> {
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n",
            body.len()
        );
        vec![Step::Raw((head + body).into_bytes())]
    }

    /// A whole stream in pieces of `size_bytes`, each its own chunk.
    pub fn stream(body: &str, size_bytes: usize) -> Vec<Step> {
        let pieces = body.as_bytes().chunks(size_bytes);
        let pieces = pieces.map(|piece| Step::Chunk(piece.to_vec()));
        let mut steps = vec![Step::Raw(SSE.into())];
        steps.extend(pieces);
        steps.push(Step::End);
        steps
    }

    /// What happened next.
    ///
    /// # Panics
    /// If nothing does for 20 seconds.
    pub async fn seen(&mut self) -> Seen {
        let seen = tokio::time::timeout(PATIENCE, self.seen.recv()).await;
        seen.unwrap().unwrap()
    }

    /// Head and body of the next request, as they came.
    ///
    /// # Panics
    /// If something else happens next.
    pub async fn head(&mut self) -> (String, String) {
        match self.seen().await {
            Seen::Request(head, body) => (head, body),
            Seen::Closed => panic!("the client closed"),
        }
    }

    /// The head of the next request, and its body as JSON.
    ///
    /// # Panics
    /// If something else happens next.
    pub async fn request(&mut self) -> (String, Value) {
        let (head, body) = self.head().await;
        (head, serde_json::from_str(&body).unwrap())
    }
}

async fn serve(
    listener: &TcpListener,
    steps: Vec<Step>,
    tell: &UnboundedSender<Seen>,
) -> io::Result<()> {
    let (mut stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    let (head, body) = read_request(&mut stream).await?;
    tell.send(Seen::Request(head, body)).ok();
    for step in steps {
        // A client that went away is part of some tests.
        play(&mut stream, step, tell).await.ok();
    }
    Ok(())
}

async fn play(stream: &mut TcpStream, step: Step, tell: &UnboundedSender<Seen>) -> io::Result<()> {
    match step {
        Step::Raw(bytes) => stream.write_all(&bytes).await?,
        Step::Chunk(bytes) => {
            let head = format!("{:x}\r\n", bytes.len());
            let chunk = [head.as_bytes(), &bytes, b"\r\n"].concat();
            stream.write_all(&chunk).await?;
        }
        Step::End => stream.write_all(b"0\r\n\r\n").await?,
        Step::Pause(time) => tokio::time::sleep(time).await,
        Step::AwaitClose => {
            let mut byte = [0];
            while matches!(stream.read(&mut byte).await, Ok(1)) {}
            tell.send(Seen::Closed).ok();
        }
    }
    stream.flush().await
}

async fn read_request(stream: &mut TcpStream) -> io::Result<(String, String)> {
    let mut bytes = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let count = stream.read(&mut piece).await?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(&piece[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let head = head.to_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .and_then(|length| length.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            return Ok((head, body.to_owned()));
        }
    }
}
