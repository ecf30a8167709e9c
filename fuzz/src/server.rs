use std::io::{self, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What a [`Server`] answers with.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// Its media type.
    pub content_type: &'static str,
    /// Its body. Each piece is one chunk on the wire, and so one piece to the client.
    pub pieces: Vec<Vec<u8>>,
}

/// A server on loopback that gives every request the same answer, piece by piece.
pub struct Server {
    address: SocketAddr,
    answer: Arc<Mutex<Answer>>,
}

impl Server {
    /// Starts it; it ends with the process.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let answer = Arc::new(Mutex::new(Answer::default()));
        let shared = Arc::clone(&answer);
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let answer = Arc::clone(&shared);
                // A client that goes away in the middle of an answer is none of our concern.
                thread::spawn(move || serve(&connection, &answer).ok());
            }
        });
        Self { address, answer }
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Sets what it answers with from here on.
    pub fn set(&self, answer: Answer) {
        *self.answer.lock().expect("nobody panics with it") = answer;
    }
}

fn serve(connection: &TcpStream, answer: &Mutex<Answer>) -> io::Result<()> {
    connection.set_nodelay(true)?;
    let mut requests = BufReader::new(connection);
    while skip_request(&mut requests)? {
        let answer = answer.lock().expect("nobody panics with it").clone();
        let mut wire = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: {}\r\ntransfer-encoding: chunked\r\n\r\n",
            answer.content_type
        )
        .into_bytes();
        for piece in answer.pieces.iter().filter(|piece| !piece.is_empty()) {
            write!(wire, "{:x}\r\n", piece.len())?;
            wire.extend_from_slice(piece);
            wire.extend_from_slice(b"\r\n");
        }
        wire.extend_from_slice(b"0\r\n\r\n");
        let mut out = connection;
        out.write_all(&wire)?;
    }
    Ok(())
}

/// Reads one request to its end; false where there is none.
fn skip_request(requests: &mut impl io::BufRead) -> io::Result<bool> {
    let (mut length, mut line) = (0_u64, String::new());
    loop {
        line.clear();
        if requests.read_line(&mut line)? == 0 {
            return Ok(false);
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
    }
    io::copy(&mut requests.take(length), &mut io::sink())?;
    Ok(true)
}
