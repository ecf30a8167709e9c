//! A server that says exactly the bytes it is told to, piece by piece.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use url::Url;

/// The head of an answer in pieces, whatever its format.
pub(crate) const SSE: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
    transfer-encoding: chunked\r\n\r\n";

/// What the server does once it has read a request.
#[derive(Clone)]
pub(crate) enum Step {
    /// Writes bytes as they are and flushes.
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

pub(crate) struct Server {
    pub(crate) url: Url,
    seen: mpsc::UnboundedReceiver<Seen>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// Head and body of a request.
    Request(String, String),
    /// The client closed the connection.
    Closed,
}

impl Server {
    /// Serves one connection for each list of steps, in order, then refuses.
    pub(crate) async fn start(connections: Vec<Vec<Step>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let (tell, seen) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            for steps in connections {
                let (mut stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let (head, body) = read_request(&mut stream).await;
                tell.send(Seen::Request(head, body)).unwrap();
                for step in steps {
                    play(&mut stream, step, &tell).await;
                }
            }
        });
        Self {
            url: url.parse().unwrap(),
            seen,
        }
    }

    /// A whole response with that status.
    pub(crate) fn response(status: &str, headers: &str, body: &str) -> Vec<Step> {
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n",
            body.len()
        );
        vec![Step::Raw((head + body).into_bytes())]
    }

    /// A whole stream in pieces of `size` bytes, each its own chunk.
    pub(crate) fn stream(body: &str, size: usize) -> Vec<Step> {
        let mut steps = vec![Step::Raw(SSE.into())];
        steps.extend(
            body.as_bytes()
                .chunks(size)
                .map(|piece| Step::Chunk(piece.to_vec())),
        );
        steps.push(Step::End);
        steps
    }

    /// What happened next, within ten seconds.
    pub(crate) async fn seen(&mut self) -> Seen {
        let seen = tokio::time::timeout(Duration::from_secs(10), self.seen.recv());
        seen.await.unwrap().unwrap()
    }

    /// Head and body of the next request, as they came.
    pub(crate) async fn head(&mut self) -> (String, String) {
        match self.seen().await {
            Seen::Request(head, body) => (head, body),
            Seen::Closed => panic!("the client closed"),
        }
    }

    pub(crate) async fn request(&mut self) -> (String, serde_json::Value) {
        match self.seen().await {
            Seen::Request(head, body) => (head, serde_json::from_str(&body).unwrap()),
            Seen::Closed => panic!("the client closed"),
        }
    }
}

async fn play(stream: &mut TcpStream, step: Step, tell: &mpsc::UnboundedSender<Seen>) {
    // A client that went away is part of some tests.
    match step {
        Step::Raw(bytes) => drop(stream.write_all(&bytes).await),
        Step::Chunk(bytes) => {
            let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
            chunk.extend(bytes);
            chunk.extend(b"\r\n");
            drop(stream.write_all(&chunk).await);
        }
        Step::End => drop(stream.write_all(b"0\r\n\r\n").await),
        Step::Pause(time) => tokio::time::sleep(time).await,
        Step::AwaitClose => {
            let mut byte = [0];
            while matches!(stream.read(&mut byte).await, Ok(1)) {}
            tell.send(Seen::Closed).ok();
        }
    }
    stream.flush().await.ok();
}

async fn read_request(stream: &mut TcpStream) -> (String, String) {
    let mut bytes = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let count = stream.read(&mut piece).await.unwrap();
        assert!(count > 0, "the request broke off");
        bytes.extend_from_slice(&piece[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let head = head.to_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
            return (head, body.to_owned());
        }
    }
}
