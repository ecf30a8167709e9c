//! What every refusal and every break means to the caller.

use std::time::Duration;

use llm::{Error, FinishReason, Timeouts};
use testkit::raw::{SSE, Server, Step};

use crate::provider::{compatible as model, request};

const BEGUN: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"The answer\"}}]}\n\n";

fn error(kind: &str, code: &str, message: &str) -> String {
    serde_json::json!({"error": {"message": message, "type": kind, "param": null, "code": code}})
        .to_string()
}

async fn refusal(status: &str, headers: &str, body: &str) -> Error {
    let server = Server::start(vec![Server::response(status, headers, body)]).await;
    model(&server, "", Timeouts::default())
        .complete(request())
        .await
        .unwrap_err()
}

/// The error of a stream that says `rest` after it has begun.
async fn broken(rest: &str) -> Error {
    let server = Server::start(vec![Server::stream(&format!("{BEGUN}{rest}"), 50)]).await;
    model(&server, "", Timeouts::default())
        .complete(request())
        .await
        .unwrap_err()
}

#[tokio::test]
async fn refusals_are_told_apart_by_what_the_caller_can_do() {
    let got = refusal(
        "429 Too Many Requests",
        "",
        &error("insufficient_quota", "credit_balance_exhausted", "pay"),
    )
    .await;
    assert!(
        matches!(&got, Error::QuotaSpent { detail, .. } if detail == "pay"),
        "{got:?}"
    );
    let got = refusal(
        "429 Too Many Requests",
        "retry-after: 300\r\n",
        &error("requests", "rate_limit_exceeded", "slow"),
    )
    .await;
    assert_eq!(got.retry_after(), Some(Duration::from_mins(5)), "{got:?}");
    assert!(
        matches!(
            got,
            Error::RateLimited {
                provider: "openai",
                ..
            }
        ),
        "{got:?}"
    );
    let got = refusal(
        "400 Bad Request",
        "",
        &error(
            "invalid_request_error",
            "context_length_exceeded",
            "too long",
        ),
    )
    .await;
    assert!(matches!(got, Error::ContextTooLong { .. }), "{got:?}");
    let message =
        "This model's maximum context length is 65536 tokens. However, you requested 70000 tokens.";
    let got = refusal(
        "400 Bad Request",
        "",
        &error("invalid_request_error", "invalid_request_error", message),
    )
    .await;
    assert!(matches!(got, Error::ContextTooLong { .. }), "{got:?}");
}

#[tokio::test]
async fn a_bad_request_is_not_an_outage() {
    let got = refusal(
        "404 Not Found",
        "",
        &error("invalid_request_error", "model_not_found", "no such model"),
    )
    .await;
    assert!(
        matches!(&got, Error::ModelMissing { detail, .. } if detail == "no such model"),
        "{got:?}"
    );
    let got = refusal(
        "307 Temporary Redirect",
        "location: http://127.0.0.1:9/\r\n",
        "",
    )
    .await;
    assert!(matches!(got, Error::BadRequest { .. }), "{got:?}");
    let got = refusal(
        "503 Service Unavailable",
        "retry-after: 600\r\n",
        "<html>down</html>",
    )
    .await;
    assert_eq!(got.retry_after(), Some(Duration::from_mins(10)), "{got:?}");
    assert!(matches!(got, Error::Unavailable { .. }), "{got:?}");
}

#[tokio::test]
async fn no_error_shows_the_key() {
    let body = r#"{"error":{"message":"Incorrect API key provided: sk-secret-key."}}"#;
    for status in [
        "401 Unauthorized",
        "400 Bad Request",
        "429 Too Many Requests",
        "402 Payment Required",
    ] {
        let got = refusal(status, "retry-after: 999\r\n", body).await;
        let shown = format!("{got} {got:?}");
        assert!(!shown.contains("sk-secret-key"), "{shown}");
    }
    let got = refusal("401 Unauthorized", "", body).await;
    assert!(matches!(got, Error::KeyRefused { .. }), "{got:?}");
    let got = broken("data: {\"error\":{\"message\":\"key sk-secret-key\"}}\n\n").await;
    assert!(
        !format!("{got} {got:?}").contains("sk-secret-key"),
        "{got:?}"
    );
}

#[tokio::test]
async fn an_error_in_the_midst_of_a_stream_is_an_error() {
    let got = broken("data: {\"error\":{\"message\":\"overloaded\",\"type\":\"server_error\"}}\n\ndata: [DONE]\n\n").await;
    assert!(matches!(got, Error::Unavailable { .. }), "{got:?}");
    let got =
        broken("event: error\ndata: {\"message\":\"slow\",\"code\":\"rate_limit_exceeded\"}\n\n")
            .await;
    assert!(matches!(got, Error::RateLimited { .. }), "{got:?}");
    let got = broken("data: {\"error\":{\"message\":\"upstream\",\"code\":502}}\n\n").await;
    assert!(matches!(got, Error::Unavailable { .. }), "{got:?}");
    let got = broken("data: {\"error\":\"boom\"}\n\n").await;
    assert!(
        matches!(&got, Error::BrokenStream { detail, .. } if detail.contains("boom")),
        "{got:?}"
    );
}

#[tokio::test]
async fn an_answer_without_its_end_is_broken() {
    for rest in [
        "",
        "data: {\"choices\":[{\"delta\":{\"content\":\"x\"},\"finish_reason\":\"\"}]}\n\n",
        "data: {\"cho",
        "data: \u{fffd}\n\n",
    ] {
        let got = broken(rest).await;
        assert!(matches!(got, Error::BrokenStream { .. }), "{rest}: {got:?}");
    }
    // The connection goes in the midst of a chunk.
    let steps = vec![
        Step::Raw(SSE.into()),
        Step::Chunk(BEGUN.into()),
        Step::Raw(b"ff\r\ndata".into()),
    ];
    let server = Server::start(vec![steps]).await;
    let got = model(&server, "", Timeouts::default())
        .complete(request())
        .await
        .unwrap_err();
    assert!(matches!(got, Error::BrokenStream { .. }), "{got:?}");
}

#[tokio::test]
async fn an_answer_is_whole_once_the_model_said_why_it_stopped() {
    let rest = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"length\"}]}\n\n";
    for end in [Step::End, Step::Raw(b"ff\r\ndata".into())] {
        let body = format!("{BEGUN}{rest}");
        let steps = vec![Step::Raw(SSE.into()), Step::Chunk(body.into_bytes()), end];
        let server = Server::start(vec![steps]).await;
        let got = model(&server, "", Timeouts::default())
            .complete(request())
            .await
            .unwrap();
        assert_eq!(
            (got.text.as_str(), got.finish_reason),
            ("The answer", FinishReason::Length)
        );
    }
}

#[tokio::test]
async fn a_closed_port_is_unavailable() {
    let server = Server::start(vec![]).await;
    let model = model(&server, "", Timeouts::default());
    let got = model.complete(request()).await.unwrap_err();
    assert!(matches!(got, Error::Unavailable { .. }), "{got:?}");
}

#[tokio::test]
async fn a_start_that_failed_is_tried_again() {
    let mut server = Server::start(vec![
        Server::response("503 Service Unavailable", "retry-after-ms: 5\r\n", ""),
        Server::response("429 Too Many Requests", "retry-after-ms: 5\r\n", ""),
        Server::stream(&format!("{BEGUN}data: [DONE]\n\n"), 1000),
    ])
    .await;
    let got = model(&server, "", Timeouts::default())
        .complete(request())
        .await
        .unwrap();
    assert_eq!(got.text, "The answer");
    for _ in 0..3 {
        server.request().await;
    }
}
