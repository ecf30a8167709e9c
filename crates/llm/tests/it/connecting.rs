//! Servers that neither take a connection nor refuse it.

use std::time::{Duration, Instant};

use futures::future;
use llm::{Error, Phase, Timeouts};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::provider::{Wire, model_at, request};

/// Longer than a connection on the loopback takes, which is made before anybody accepts it.
const CLEARLY_LONG: Duration = Duration::from_millis(500);

/// A server whose queue of connections is full: the system drops whatever comes next, as a network
/// does in which nobody has the address.
struct Full {
    url: String,
    _listener: TcpListener,
    _waiting: Vec<TcpStream>,
}

impl Full {
    async fn start() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        // Systems take one or two more than they are told.
        while let Ok(connected) = timeout(CLEARLY_LONG, TcpStream::connect(address)).await {
            waiting.push(connected.unwrap());
            assert!(waiting.len() < 20, "the queue never fills");
        }
        Self {
            url: format!("http://{address}"),
            _listener: listener,
            _waiting: waiting,
        }
    }
}

#[tokio::test]
async fn a_server_that_does_not_take_the_connection_is_given_up_in_its_own_time() {
    let server = Full::start().await;
    let limits = Timeouts {
        connect: Duration::from_millis(100),
        ..Timeouts::default()
    };
    let asked = Wire::ALL.map(|wire| {
        let model = model_at(wire, &server.url, limits);
        async move {
            let begun = Instant::now();
            let error = model.complete(request()).await.unwrap_err();
            (wire, error, begun.elapsed())
        }
    });
    for (wire, error, took) in future::join_all(asked).await {
        assert!(
            matches!(
                error,
                Error::TimedOut {
                    phase: Phase::Connect,
                    ..
                }
            ),
            "{wire:?}: {error:?}"
        );
        let said = format!("{} took too long to connect", wire.provider());
        assert_eq!(error.to_string(), said);
        // Long before the first piece of an answer would be late, though it is tried three times.
        assert!(took < limits.first_token / 2, "{wire:?}: {took:?}");
        assert!(took > limits.connect * 3, "{wire:?}: {took:?}");
    }
}
