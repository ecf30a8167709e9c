//! A reranker over the wire.

use llm::{Error, RerankClient};
use outbound::{Client, Guard, Timeouts};
use testkit::raw::Server;

fn client(server: &Server, key: Option<&str>) -> RerankClient {
    let trusted = Client::trusted(Timeouts::default()).unwrap();
    let key = key.map(Into::into);
    RerankClient::new(trusted, server.url.clone(), "rerank-v3.5", key)
}

#[tokio::test]
async fn scores_come_back_in_the_order_of_the_documents() {
    let body = r#"{"id":"1","results":[{"index":2,"relevance_score":0.9},
        {"index":0,"relevance_score":0.4,"document":{"text":"a"}},{"index":1,"relevance_score":0}]}"#;
    let mut server = Server::start(vec![Server::response("200 OK", "", body)]).await;
    let scores = client(&server, Some("rk-secret"))
        .rerank("which?", &["a", "b", "c"])
        .await
        .unwrap();
    assert_eq!(scores, [0.4, 0.0, 0.9]);
    let (head, sent) = server.request().await;
    assert!(head.starts_with("post /v1/rerank "), "{head}");
    assert!(head.contains("authorization: bearer rk-secret"), "{head}");
    assert_eq!(sent["query"], "which?");
    assert_eq!(sent["documents"], serde_json::json!(["a", "b", "c"]));
    assert_eq!(
        (&sent["model"], &sent["top_n"]),
        (&"rerank-v3.5".into(), &3.into())
    );
}

#[tokio::test]
async fn an_answer_that_does_not_fit_the_documents_is_an_error() {
    for body in [
        r#"{"results":[]}"#,
        r#"{"results":[{"index":5,"relevance_score":1}]}"#,
        r#"{"scores":[1]}"#,
    ] {
        let server = Server::start(vec![Server::response("200 OK", "", body)]).await;
        let got = client(&server, None).rerank("which?", &["a"]).await;
        assert!(
            matches!(got, Err(Error::BrokenStream { .. })),
            "{body}: {got:?}"
        );
    }
    let server = Server::start(vec![Server::response("401 Unauthorized", "", "{}")]).await;
    let got = client(&server, Some("rk-secret"))
        .rerank("which?", &["a"])
        .await;
    assert!(matches!(got, Err(Error::KeyRefused { .. })), "{got:?}");
}

#[tokio::test]
async fn an_address_of_the_inner_network_is_not_called() {
    let server = Server::start(vec![]).await;
    let guarded = Client::guarded(&Guard::default()).unwrap();
    let client = RerankClient::new(guarded, server.url.clone(), "m", Some("rk-secret".into()));
    let got = client.rerank("which?", &["a"]).await;
    assert!(matches!(got, Err(Error::Misconfigured { .. })), "{got:?}");
    assert!(!format!("{client:?} {got:?}").contains("rk-secret"));
}
