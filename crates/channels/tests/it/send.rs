use std::time::Duration;

use channels::whatsapp::{Graph, SendClass, SendError, Sent};
use channels::{
    Connection, HttpAnswer, HttpRequest, Outgoing, Permit, Platform, Upload, channel, parse,
    perform,
};
use chrono::DateTime;
use domain::{Author, ChannelKind, Content, MediaKind};
use outbound::{Client, Timeouts};
use secrets::WebhookSecret;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Sends one message to a stand-in that answers with `answer`; an empty one leaves it waiting.
async fn send_to(answer: &'static str) -> (Result<Sent, SendError>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let request = read_request(&mut stream).await;
        stream.write_all(answer.as_bytes()).await.unwrap();
        (stream, request)
    };
    let (result, (stream, request)) = tokio::join!(send_once(port), server);
    drop(stream);
    (result, request)
}

async fn send_once(port: u16) -> Result<Sent, SendError> {
    let client = Client::trusted(Timeouts {
        total: Some(Duration::from_millis(500)),
        ..Timeouts::default()
    })
    .unwrap();
    let config = json!({"phone_number_id": "200000000000001", "access_token": "EAAG-token"});
    let number = connect(ChannelKind::Whatsapp, port, config);
    let outgoing = Outgoing {
        content: &Content::text("We open at **nine**."),
        to: "15550002222",
        tag: "m-1",
        reply_to: None,
        author: Author::Assistant,
        permit: &Permit::Free,
        now: DateTime::UNIX_EPOCH,
    };
    let request = number.encode(&outgoing).unwrap();
    let answer = perform(&client, &request).await;
    answer
        .map_err(SendError::of_connection)
        .and_then(|answer| number.read_sent("m-1", &answer))
}

async fn read_request(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let length = stream.read(&mut piece).await.unwrap();
        request.extend_from_slice(&piece[..length]);
        let text = String::from_utf8_lossy(&request);
        if length == 0 || is_whole(&text) {
            return text.into_owned();
        }
    }
}

fn is_whole(request: &str) -> bool {
    let Some((head, body)) = request.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|line| {
        line.to_ascii_lowercase()
            .strip_prefix("content-length: ")?
            .parse()
            .ok()
    });
    body.len() >= length.unwrap_or(0)
}

#[tokio::test]
async fn a_text_goes_out_with_its_token_and_tag() {
    let (sent, request) = send_to(
        "HTTP/1.1 200 OK\r\ncontent-length: 78\r\n\r\n{\"messaging_product\":\"whatsapp\",\
         \"contacts\":[],\"messages\":[{\"id\":\"wamid.OUT\"}]}",
    )
    .await;
    assert_eq!(sent.unwrap().external_id, "wamid.OUT");
    assert!(request.starts_with("POST /v25.0/200000000000001/messages HTTP/1.1\r\n"));
    assert!(request.contains("authorization: Bearer EAAG-token\r\n"));
    let body: Value = serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(body["to"], "+15550002222");
    assert_eq!(body["text"]["body"], "We open at *nine*.");
    assert_eq!(body["biz_opaque_callback_data"], "m-1");
}

#[tokio::test]
async fn a_refused_connection_was_surely_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = send_once(port).await.unwrap_err();
    assert_eq!(error.class, SendClass::Retry { after: None });
}

#[tokio::test]
async fn silence_or_a_broken_answer_after_the_send_is_unknown() {
    for answer in [
        "",
        "HTTP/1.1 200 OK\r\ncontent-length: 77\r\n\r\n{\"mess",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
        "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n{",
    ] {
        let (result, _) = send_to(answer).await;
        assert_eq!(result.unwrap_err().class, SendClass::Unknown, "{answer}");
    }
}

#[tokio::test]
async fn a_refusal_is_sorted_and_says_how_long_to_wait() {
    let (result, _) =
        send_to("HTTP/1.1 429 Slow down\r\nretry-after: 17\r\ncontent-length: 0\r\n\r\n").await;
    let after = Some(Duration::from_secs(17));
    assert_eq!(result.unwrap_err().class, SendClass::Retry { after });
    let (result, _) = send_to(
        "HTTP/1.1 401 Unauthorized\r\ncontent-length: 65\r\n\r\n\
         {\"error\":{\"message\":\"Session has expired\",\"code\":190,\"type\":\"O\"}}",
    )
    .await;
    let error = result.unwrap_err();
    assert_eq!((error.class, error.code), (SendClass::TokenDead, Some(190)));
    assert!(!format!("{error:?}").contains("EAAG-token"));
}

/// Makes one request to a stand-in on `listener`, which answers with `answer`.
async fn perform_at(
    listener: &TcpListener,
    request: &HttpRequest,
    answer: &'static str,
) -> (Result<HttpAnswer, outbound::Error>, String) {
    let client = Client::trusted(Timeouts::default()).unwrap();
    let server = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let request = read_request(&mut stream).await;
        stream.write_all(answer.as_bytes()).await.unwrap();
        request
    };
    tokio::join!(perform(&client, request), server)
}

fn connect(kind: ChannelKind, port: u16, config: Value) -> Box<dyn Connection> {
    let platform = Platform {
        graph: Graph {
            url: format!("http://127.0.0.1:{port}/").parse().unwrap(),
            version: "v25.0".to_owned(),
        },
        app_id: None,
    };
    let parsed = parse(kind, config).unwrap();
    channel(kind)
        .connect(&parsed.public, parsed.secrets.as_ref(), &platform)
        .unwrap()
        .unwrap()
}

#[tokio::test]
async fn a_file_leaves_as_a_form_with_its_token() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let config = json!({"phone_number_id": "1", "access_token": "EAAG-token"});
    let number = connect(ChannelKind::Whatsapp, port, config);
    let file = Upload {
        media_kind: MediaKind::Audio,
        mime_type: "audio/ogg; codecs=opus",
        filename: "note.ogg",
        bytes: &b"the sound".as_slice().into(),
    };
    let request = number.upload(&file).unwrap().unwrap();
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n{\"id\":\"77\"}";
    let (answer, request) = perform_at(&listener, &request, answer).await;
    assert_eq!(number.read_uploaded(&answer.unwrap()).unwrap(), "77");
    assert!(
        request.starts_with("POST /v25.0/1/media HTTP/1.1\r\n"),
        "{request}"
    );
    for part in [
        "authorization: Bearer EAAG-token\r\n",
        "name=\"messaging_product\"\r\n\r\nwhatsapp\r\n",
        "name=\"file\"; filename=\"note.ogg\"\r\n",
        "audio/ogg; codecs=opus\r\n\r\nthe sound\r\n",
    ] {
        assert!(
            request.to_lowercase().contains(&part.to_lowercase()),
            "{part} in {request}"
        );
    }
}

#[tokio::test]
async fn a_signed_post_arrives_as_it_was_signed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let secret = WebhookSecret::generate();
    let text = secret.to_text();
    let config = json!({
        "send_url": format!("http://127.0.0.1:{port}/in"),
        "secret": secrecy::ExposeSecret::expose_secret(&text),
    });
    let system = connect(ChannelKind::Http, port, config);
    let content = Content::text("Grüße 👋");
    let request = system.encode(&crate::samples::outgoing(&content)).unwrap();
    let answer = "HTTP/1.1 429 Slow\r\nretry-after: 9\r\ncontent-length: 0\r\n\r\n";
    let (answer, request) = perform_at(&listener, &request, answer).await;
    let error = system.read_sent("m", &answer.unwrap()).unwrap_err();
    let after = Some(Duration::from_secs(9));
    assert_eq!(error.class, SendClass::Retry { after });
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let header = |name: &str| {
        let line = head
            .lines()
            .find(|line| line.starts_with(&format!("{name}: ")));
        line.unwrap().split_once(": ").unwrap().1
    };
    let at: i64 = header("webhook-timestamp").parse().unwrap();
    let verified = secret.verify(
        header("webhook-signature"),
        header("webhook-id"),
        at,
        body.as_bytes(),
        at,
    );
    assert_eq!(verified, Ok(()));
    assert_eq!(header("content-type"), "application/json");
}
