//! Embeddings over the wire.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::EmbeddingSettings;
use llm::{Embedder, Error, RetryEmbeddings};
use serde_json::{Value, json};
use testkit::raw::{Server, Step};

use crate::embedders::{embedders_at, openai};

fn embedder(server: &Server, dimensions: u32) -> Arc<dyn Embedder> {
    let settings = EmbeddingSettings {
        dimensions: dimensions.try_into().ok(),
        ..openai()
    };
    let embedders = embedders_at(Some(server.url.clone()));
    embedders.for_tenant(Some(&settings), None).unwrap()
}

fn texts(count: usize) -> Vec<String> {
    (0..count).map(|at| format!("text {at}")).collect()
}

fn answer(body: &Value) -> Vec<Step> {
    Server::response("200 OK", "", &body.to_string())
}

fn packed(numbers: &[f32]) -> String {
    let bytes: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
    STANDARD.encode(bytes)
}

#[tokio::test]
async fn vectors_come_back_in_the_order_of_the_texts() {
    let body = json!({
        "data": [
            {"index": 1, "embedding": packed(&[0.5, 1.0])},
            {"index": 0, "embedding": packed(&[0.0, -1.0])},
        ],
        "usage": {"prompt_tokens": 4, "total_tokens": 5},
    });
    let mut server = Server::start(vec![answer(&body)]).await;
    let embedder = embedder(&server, 2);
    let embedded = embedder.embed(&[String::new(), "b".to_owned()]).await;
    let embedded = embedded.unwrap();
    assert_eq!(embedded.vectors, [[0.0, -1.0], [0.5, 1.0]]);
    assert_eq!(embedded.tokens, Some(5));
    let (head, sent) = server.request().await;
    assert!(head.starts_with("post /v1/embeddings "), "{head}");
    assert_eq!(sent["input"], json!([" ", "b"]));
    assert_eq!(sent["dimensions"], 2);
    assert_eq!(sent["encoding_format"], "base64");
}

#[tokio::test]
async fn a_compatible_server_may_send_numbers_and_count_nothing() {
    let body = json!({"data": [{"embedding": [0.5, 1]}], "usage": {}});
    let server = Server::start(vec![answer(&body)]).await;
    let embedded = embedder(&server, 2).embed(&texts(1)).await.unwrap();
    assert_eq!(embedded.vectors, [[0.5, 1.0]]);
    assert_eq!(embedded.tokens, None);
}

#[tokio::test]
async fn a_count_that_cannot_be_is_not_believed() {
    let usage = json!({"prompt_tokens": u64::MAX, "total_tokens": u64::MAX});
    let body = json!({"data": [{"embedding": [0.5, 1]}], "usage": usage});
    let server = Server::start(vec![answer(&body)]).await;
    let embedded = embedder(&server, 2).embed(&texts(1)).await.unwrap();
    assert_eq!(embedded.tokens, None);
}

#[tokio::test]
async fn a_compatible_server_that_refuses_base64_is_asked_for_numbers_from_then_on() {
    let refused = Server::response(
        "400 Bad Request",
        "",
        r#"{"error":{"message":"encoding_format must be float"}}"#,
    );
    let numbers = answer(&json!({"data": [{"embedding": [1, 0]}]}));
    let mut server = Server::start(vec![refused, numbers.clone(), numbers]).await;
    let embedder = embedder(&server, 2);
    for _ in 0..2 {
        let embedded = embedder.embed(&texts(1)).await.unwrap();
        assert_eq!(embedded.vectors, [[1.0, 0.0]]);
    }
    let mut formats = Vec::new();
    for _ in 0..3 {
        formats.push(server.request().await.1["encoding_format"].clone());
    }
    assert_eq!(formats, ["base64", "float", "float"]);
}

#[tokio::test]
async fn many_texts_go_in_several_requests() {
    let batch = |count: usize| {
        let data: Vec<_> = (0..count)
            .map(|at| json!({"index": at, "embedding": [count]}))
            .collect();
        answer(&json!({"data": data, "usage": {"total_tokens": count}}))
    };
    let server = Server::start(vec![batch(2048), batch(2)]).await;
    let embedder = embedder(&server, 1);
    assert_eq!(embedder.batch_len(&texts(2050)), 2048);
    let embedded = embedder.embed(&texts(2050)).await.unwrap();
    assert_eq!(embedded.vectors.len(), 2050);
    assert_eq!(embedded.vectors[2047..2049], [[2048.0], [2.0]]);
    assert_eq!(embedded.tokens, Some(2050));
}

#[tokio::test]
async fn a_text_over_the_limit_is_cut() {
    let mut server = Server::start(vec![answer(&json!({"data": [{"embedding": [1]}]}))]).await;
    let long = ["word ".repeat(20_000)];
    embedder(&server, 1).embed(&long).await.unwrap();
    let (_, sent) = server.request().await;
    let sent = sent["input"][0].as_str().unwrap();
    // 8,192 tokens of three tenths each.
    assert_eq!(sent.len(), 27_306);
}

#[tokio::test]
async fn an_answer_that_does_not_fit_the_texts_is_an_error() {
    for body in [
        r#"{"data":[]}"#,
        r#"{"data":[{"index":0,"embedding":[1,2,3]}]}"#,
        r#"{"data":[{"index":4,"embedding":[1,2]}]}"#,
        r#"{"data":[{"index":0,"embedding":"no base64!"}]}"#,
        r#"{"data":[{"index":0,"embedding":"AADAfwAAgD8="}]}"#,
        r#"{"object":"list"}"#,
    ] {
        let response = Server::response("200 OK", "", body);
        // It may pass: the request is made three times.
        let server = Server::start(vec![response; 3]).await;
        let got = embedder(&server, 2).embed(&texts(1)).await;
        assert!(
            matches!(got, Err(Error::BrokenStream { .. })),
            "{body}: {got:?}"
        );
    }
}

#[tokio::test]
async fn a_key_that_is_refused_is_refused_once() {
    let refused = Server::response("401 Unauthorized", "", "{}");
    let server = Server::start(vec![refused]).await;
    let got = embedder(&server, 2).embed(&texts(1)).await;
    assert!(matches!(got, Err(Error::KeyRefused { .. })), "{got:?}");
}

#[tokio::test]
async fn the_wait_is_as_long_as_asked_and_too_long_a_one_is_left_to_the_caller() {
    let limited = |ms: u32| {
        let header = format!("retry-after-ms: {ms}\r\n");
        Server::response("429 Too Many Requests", &header, "{}")
    };
    let done = answer(&json!({"data": [{"embedding": [1]}]}));
    let server = Server::start(vec![limited(20), done]).await;
    let embedder_there = embedder(&server, 1);
    embedder_there.embed(&texts(1)).await.unwrap();

    let server = Server::start(vec![limited(10_001)]).await;
    let error = embedder(&server, 1).embed(&texts(1)).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_millis(10_001)));
    assert_eq!(
        RetryEmbeddings::POLICY.longest_retry_after,
        Duration::from_secs(10)
    );
}

#[tokio::test]
async fn no_texts_need_no_request() {
    let server = Server::start(vec![]).await;
    let embedded = embedder(&server, 2).embed(&[]).await.unwrap();
    assert!(embedded.vectors.is_empty());
}
