//! Embeddings over the wire.

use std::sync::Arc;

use llm::{Embedder, Error, Models, PlatformProviders, Timeouts};
use outbound::Guard;

use crate::server::Server;

fn embedder(server: &Server, dimensions: usize) -> Arc<dyn Embedder> {
    let platform = PlatformProviders {
        openai_api_key: Some("sk-secret-key".into()),
        openai_base_url: Some(server.url.clone()),
        ..PlatformProviders::default()
    };
    let models = Models::new(platform, &Guard::default(), Timeouts::default()).unwrap();
    models
        .embedder("openai", "text-embedding-3-small", dimensions)
        .unwrap()
}

fn texts(count: usize) -> Vec<String> {
    (0..count).map(|at| format!("text {at}")).collect()
}

#[tokio::test]
async fn vectors_come_back_in_the_order_of_the_texts() {
    let body =
        r#"{"data":[{"index":1,"embedding":[0.5,1]},{"index":0,"embedding":[0,-1]}],"usage":{}}"#;
    let mut server = Server::start(vec![Server::response("200 OK", "", body)]).await;
    let vectors = embedder(&server, 2)
        .embed(&[String::new(), "b".to_owned()])
        .await
        .unwrap();
    assert_eq!(vectors, [[0.0, -1.0], [0.5, 1.0]]);
    let (head, sent) = server.request().await;
    assert!(head.starts_with("post /v1/embeddings "), "{head}");
    assert_eq!(sent["input"], serde_json::json!([" ", "b"]));
    assert_eq!(sent["dimensions"], 2);
    assert_eq!(sent["encoding_format"], "float");
}

#[tokio::test]
async fn many_texts_go_in_several_requests() {
    let answer = |count: usize| {
        let data: Vec<_> = (0..count)
            .map(|at| serde_json::json!({"index": at, "embedding": [count]}))
            .collect();
        Server::response("200 OK", "", &serde_json::json!({"data": data}).to_string())
    };
    let server = Server::start(vec![answer(2048), answer(2)]).await;
    let vectors = embedder(&server, 1).embed(&texts(2050)).await.unwrap();
    assert_eq!(vectors.len(), 2050);
    assert_eq!((vectors[2047][0], vectors[2048][0]), (2048.0, 2.0));
}

#[tokio::test]
async fn an_answer_that_does_not_fit_the_texts_is_an_error() {
    for body in [
        r#"{"data":[]}"#,
        r#"{"data":[{"index":0,"embedding":[1,2,3]}]}"#,
        r#"{"data":[{"index":4,"embedding":[1,2]}]}"#,
        r#"{"object":"list"}"#,
    ] {
        let server = Server::start(vec![Server::response("200 OK", "", body)]).await;
        let got = embedder(&server, 2).embed(&texts(1)).await;
        assert!(
            matches!(got, Err(Error::BrokenStream { .. })),
            "{body}: {got:?}"
        );
    }
    let server = Server::start(vec![Server::response("401 Unauthorized", "", "{}")]).await;
    let got = embedder(&server, 2).embed(&texts(1)).await;
    assert!(matches!(got, Err(Error::KeyRefused { .. })), "{got:?}");
}

#[tokio::test]
async fn no_texts_need_no_request() {
    let server = Server::start(vec![]).await;
    assert!(embedder(&server, 2).embed(&[]).await.unwrap().is_empty());
}
