use std::net::TcpListener;
use std::time::Duration;

use http::Method;
use outbound::{Client, Error, Timeouts, read_capped, read_prefix};
use reqwest::Response;
use url::Url;

use crate::server::Server;

const CHUNKED: &str =
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n";

async fn answer_of(url: Url) -> Response {
    let client = Client::trusted(Timeouts::default()).unwrap();
    let request = client.request(Method::GET, &url);
    request.unwrap().send().await.unwrap()
}

#[tokio::test]
async fn a_body_of_just_the_allowed_length_is_read_whole() {
    let server = Server::answering(CHUNKED);
    let body = read_capped(answer_of(server.url("127.0.0.1")).await, 10)
        .await
        .unwrap();
    assert_eq!(&body[..], b"helloworld");
}

#[tokio::test]
async fn a_longer_body_is_refused_whether_announced_or_not() {
    let announced = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhelloworld";
    for answer in [CHUNKED, announced] {
        let server = Server::answering(answer);
        let refused = read_capped(answer_of(server.url("127.0.0.1")).await, 9).await;
        assert!(
            matches!(refused, Err(Error::TooLarge { max_bytes: 9 })),
            "{refused:?}"
        );
    }
}

#[tokio::test]
async fn a_prefix_stops_where_it_is_told() {
    let server = Server::answering(CHUNKED);
    let body = read_prefix(answer_of(server.url("127.0.0.1")).await, 7)
        .await
        .unwrap();
    assert_eq!(&body[..], b"hellowo");
}

#[tokio::test]
async fn a_connection_that_breaks_midway_may_have_been_acted_on() {
    let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhel");
    let broken = read_capped(answer_of(server.url("127.0.0.1")).await, 100)
        .await
        .unwrap_err();
    assert!(matches!(broken, Error::Interrupted(_)), "{broken:?}");
    assert!(!broken.was_not_sent());
}

#[tokio::test]
async fn a_port_nobody_listens_on_was_certainly_not_called() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/?token=hidden", listener.local_addr().unwrap());
    drop(listener);
    let client = Client::trusted(Timeouts::default()).unwrap();
    let request = client.request(Method::GET, &Url::parse(&url).unwrap());
    let error = Error::from(request.unwrap().send().await.unwrap_err());
    assert!(error.was_not_sent(), "{error:?}");
    assert!(!format!("{error:?}").contains("hidden"), "{error:?}");
}

#[tokio::test]
async fn a_silent_server_times_out_by_the_requests_own_limit() {
    // The kernel accepts for the listener; nobody ever answers.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let client = Client::trusted(Timeouts::default()).unwrap();
    let request = client.request(Method::GET, &Url::parse(&url).unwrap());
    let sent = request.unwrap().timeout(Duration::from_millis(50)).send();
    let error = Error::from(sent.await.unwrap_err());
    assert!(matches!(error, Error::TimedOut(_)), "{error:?}");
}
