use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};

use url::Url;

/// A listener that answers each connection with fixed bytes and tells what it was asked.
pub(crate) struct Server {
    port: u16,
    requests: Receiver<String>,
}

impl Server {
    pub(crate) fn answering(answer: impl Into<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let answer = answer.into();
        let (told, requests) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(request) = serve(stream.unwrap(), &answer) else {
                    continue;
                };
                if told.send(request).is_err() {
                    return;
                }
            }
        });
        Self { port, requests }
    }

    pub(crate) fn url(&self, host: &str) -> Url {
        Url::parse(&format!("http://{host}:{}/path", self.port)).unwrap()
    }

    /// The first line of every connection so far; a connection without a request counts as empty.
    ///
    /// Connections are served in order, so one of our own marks the end of those before it.
    pub(crate) fn seen(&self) -> Vec<String> {
        let mut last = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        last.write_all(b"LAST\r\n\r\n").unwrap();
        self.requests
            .iter()
            .take_while(|line| line != "LAST")
            .collect()
    }
}

fn serve(mut stream: TcpStream, answer: &[u8]) -> std::io::Result<String> {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while !request.windows(4).any(|four| four == b"\r\n\r\n") {
        match stream.read(&mut buffer)? {
            0 => break,
            count => request.extend_from_slice(&buffer[..count]),
        }
    }
    let text = String::from_utf8_lossy(&request);
    let line = text.lines().next().unwrap_or_default().to_owned();
    // The other side may hang up first: that is some tests' point.
    drop(stream.write_all(answer));
    drop(stream.shutdown(Shutdown::Both));
    Ok(line)
}
