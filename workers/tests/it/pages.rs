//! A web site on loopback that says what a test wants.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// One answer.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Page {
    pub(crate) fn text(body: &str) -> Self {
        Self::of(200, body.as_bytes()).with("content-type", "text/plain; charset=utf-8")
    }

    pub(crate) fn status(status: u16) -> Self {
        Self::of(status, b"")
    }

    pub(crate) fn of(status: u16, body: &[u8]) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.to_vec(),
        }
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

#[derive(Default)]
struct Script {
    pages: VecDeque<Page>,
    requests: Vec<String>,
}

/// The site; its last page is its answer to all further requests.
pub(crate) struct Site {
    address: String,
    script: Arc<Mutex<Script>>,
    serving: JoinHandle<()>,
}

impl Site {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let script = Arc::new(Mutex::new(Script::default()));
        let shared = Arc::clone(&script);
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serve(stream, &shared).await;
            }
        });
        Self {
            address,
            script,
            serving,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.address)
    }

    /// What it says from now on, one page after the other.
    pub(crate) fn says(&self, pages: impl IntoIterator<Item = Page>) {
        self.script.lock().unwrap().pages = pages.into_iter().collect();
    }

    /// The heads of the requests so far, in lower case.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.script.lock().unwrap().requests.clone()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(stream: TcpStream, script: &Mutex<Script>) {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let page = {
        let mut script = script.lock().unwrap();
        script.requests.push(head.to_lowercase());
        match script.pages.len() {
            0 => Page::status(500),
            1 => script.pages[0].clone(),
            _ => script.pages.pop_front().unwrap(),
        }
    };
    let mut answer = format!("HTTP/1.1 {} As said\r\n", page.status);
    for (name, value) in &page.headers {
        write!(answer, "{name}: {value}\r\n").unwrap();
    }
    let length = page.body.len();
    write!(
        answer,
        "content-length: {length}\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let whole = [answer.as_bytes(), &page.body].concat();
    // A reader that has enough hangs up.
    drop(stream.write_all(&whole).await);
    drop(stream.shutdown().await);
}
