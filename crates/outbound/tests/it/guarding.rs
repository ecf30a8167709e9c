use http::Method;
use outbound::{Client, Error, Guard, Refusal, Timeouts};
use url::Url;

use crate::server::Server;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

// All of these reach a listener on 127.0.0.1 when nothing guards it.
const SPELLINGS: [&str; 8] = [
    "127.0.0.1",
    "127.1",
    "0177.0.0.1",
    "0x7f000001",
    "2130706433",
    "0",
    "0.0.0.0",
    "localhost",
];

async fn get(client: &Client, url: &Url) -> Result<u16, Error> {
    let response = client.request(Method::GET, url)?.send().await?;
    Ok(response.status().as_u16())
}

#[tokio::test]
async fn every_spelling_of_loopback_is_refused_before_a_connection() {
    let server = Server::answering(OK);
    let client = Client::guarded(&Guard::default()).unwrap();
    let others = ["[::ffff:127.0.0.1]", "[::1]", "[::]", "localhost."];
    for host in SPELLINGS.into_iter().chain(others) {
        let refused = get(&client, &server.url(host)).await;
        assert!(
            matches!(refused, Err(Error::Refused(_))),
            "{host}: {refused:?}"
        );
    }
    assert_eq!(server.seen(), Vec::<String>::new());
}

#[tokio::test]
async fn a_trusted_client_reaches_the_same_listener_by_those_spellings() {
    let server = Server::answering(OK);
    let client = Client::trusted(Timeouts::default()).unwrap();
    for host in SPELLINGS {
        assert_eq!(
            get(&client, &server.url(host)).await.unwrap(),
            200,
            "{host}"
        );
    }
    assert_eq!(server.seen().len(), SPELLINGS.len());
}

#[tokio::test]
async fn an_allowed_network_is_reached_by_address_and_by_name() {
    let server = Server::answering(OK);
    let guard = Guard::new(["127.0.0.1/32".parse().unwrap(), "::1".parse().unwrap()]);
    let client = Client::guarded(&guard).unwrap();
    assert_eq!(get(&client, &server.url("127.0.0.1")).await.unwrap(), 200);
    assert_eq!(get(&client, &server.url("localhost")).await.unwrap(), 200);
    let refused = get(&client, &server.url("127.0.0.2")).await;
    assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn an_allowed_name_is_reached_by_that_name_alone() {
    let server = Server::answering(OK);
    let guard = Guard::new(["localhost".parse().unwrap()]);
    let client = Client::guarded(&guard).unwrap();
    assert_eq!(get(&client, &server.url("localhost")).await.unwrap(), 200);
    let refused = get(&client, &server.url("127.0.0.1")).await;
    assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let inside = Server::answering(OK);
    let outside = Server::answering(format!(
        "HTTP/1.1 302 Found\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n",
        inside.url("127.0.0.1")
    ));
    for client in [
        Client::trusted(Timeouts::default()).unwrap(),
        Client::guarded(&Guard::new(["127.0.0.0/8".parse().unwrap()])).unwrap(),
    ] {
        assert_eq!(get(&client, &outside.url("127.0.0.1")).await.unwrap(), 302);
    }
    assert_eq!(inside.seen(), Vec::<String>::new());
}

#[tokio::test]
async fn a_trusted_client_speaks_only_plain_http() {
    let client = Client::trusted(Timeouts::default()).unwrap();
    for (url, reason) in [
        ("ftp://127.0.0.1/", Refusal::Scheme),
        ("http://a:b@127.0.0.1/", Refusal::UserInfo),
    ] {
        let refused = get(&client, &Url::parse(url).unwrap()).await;
        assert!(
            matches!(refused, Err(Error::Refused(r)) if r == reason),
            "{url}"
        );
    }
}
