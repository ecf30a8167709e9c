//! A client of Socket.IO, protocol 5, over WebSocket alone: small enough to open thousands, and cut
//! off at any moment by dropping it.
//!
//! Source: <https://github.com/socketio/socket.io-protocol> (2026-11-26).

use std::error::Error;
use std::net::SocketAddr;

use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

/// What went wrong, in words.
pub type Failure = Box<dyn Error + Send + Sync>;

/// Buffers are small: a measurement opens thousands of clients.
const BUFFER_BYTES: usize = 4096;

/// A connection to a namespace of a server.
#[derive(Debug)]
pub struct SocketIo {
    stream: WebSocketStream<TcpStream>,
    namespace: String,
    last_ack: u64,
}

/// What a client hears.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// An event and its argument.
    Event(String, Value),
    /// The acknowledgement of what was emitted as that number.
    Ack(u64, Value),
    /// The server let go of the client.
    Disconnect,
}

impl SocketIo {
    /// Connects to a namespace such as `/webchat`, showing `auth`; the inner error is the text of the
    /// server's refusal.
    ///
    /// # Errors
    /// If the server does not speak the protocol, or is not there.
    pub async fn connect(
        server: SocketAddr,
        namespace: &str,
        auth: &Value,
    ) -> Result<Result<Self, String>, Failure> {
        let tcp = TcpStream::connect(server).await?;
        tcp.set_nodelay(true)?;
        let url = format!("ws://{server}/socket.io/?EIO=4&transport=websocket");
        let config = WebSocketConfig::default()
            .read_buffer_size(BUFFER_BYTES)
            .write_buffer_size(0);
        let (stream, _) =
            tokio_tungstenite::client_async_with_config(url, tcp, Some(config)).await?;
        let mut client = Self {
            stream,
            namespace: namespace.to_owned(),
            last_ack: 0,
        };
        let open = client.packet().await?.ok_or("the server closed at once")?;
        if !open.starts_with('0') {
            return Err(format!("no handshake: {open}").into());
        }
        client.send(format!("40{namespace},{auth}")).await?;
        let answer = client
            .packet()
            .await?
            .ok_or("the server closed before it answered")?;
        let body = |kind: &str| answer.strip_prefix(&format!("{kind}{namespace},"));
        if body("40").is_some() {
            return Ok(Ok(client));
        }
        let refusal = body("44").ok_or_else(|| format!("no answer to CONNECT: {answer}"))?;
        let refusal: Value = serde_json::from_str(refusal)?;
        Ok(Err(refusal["message"]
            .as_str()
            .unwrap_or_default()
            .to_owned()))
    }

    /// Emits an event and asks for its acknowledgement, whose number is returned.
    ///
    /// # Errors
    /// If the connection is gone.
    pub async fn emit(&mut self, event: &str, data: &Value) -> Result<u64, Failure> {
        self.last_ack += 1;
        let (namespace, id) = (&self.namespace, self.last_ack);
        let packet = format!("42{namespace},{id}{}", json!([event, data]));
        self.send(packet).await?;
        Ok(id)
    }

    /// Waits for what is heard next; `None` once the connection is gone.
    ///
    /// # Errors
    /// If the server does not speak the protocol, or the connection breaks.
    pub async fn next(&mut self) -> Result<Option<Heard>, Failure> {
        while let Some(packet) = self.packet().await? {
            let heard = |kind: &str| packet.strip_prefix(&format!("{kind}{},", self.namespace));
            if let Some(event) = heard("42") {
                let [name, data]: [Value; 2] = serde_json::from_str(event)?;
                let name = name.as_str().ok_or("an event without a name")?;
                return Ok(Some(Heard::Event(name.to_owned(), data)));
            }
            if let Some(ack) = heard("43") {
                let at = ack.find('[').ok_or("an acknowledgement of nothing")?;
                let [data]: [Value; 1] = serde_json::from_str(&ack[at..])?;
                return Ok(Some(Heard::Ack(ack[..at].parse()?, data)));
            }
            if heard("41").is_some() {
                return Ok(Some(Heard::Disconnect));
            }
        }
        Ok(None)
    }

    /// The next packet that is no heartbeat.
    async fn packet(&mut self) -> Result<Option<String>, Failure> {
        while let Some(message) = self.stream.next().await {
            match message? {
                Message::Text(text) if text.as_str() == "2" => self.send("3".to_owned()).await?,
                Message::Text(text) => return Ok(Some(text.as_str().to_owned())),
                Message::Close(_) => return Ok(None),
                _ => {}
            }
        }
        Ok(None)
    }

    async fn send(&mut self, packet: String) -> Result<(), Failure> {
        Ok(self.stream.send(Message::text(packet)).await?)
    }
}
