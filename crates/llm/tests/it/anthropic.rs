//! Messages: what is asked, and events cut wherever a network may cut them.

use llm::{
    Completion, Error, FinishReason, Image, ImageFormat, Message, OutputSchema, Request, Timeouts,
    ToolCall, ToolChoice, Usage,
};
use serde_json::json;
use testkit::raw::Server;

use crate::provider::{KEY, Wire, model, request, request_with_tool};

const TEXT: &str = include_str!("fixtures/anthropic_text.sse");
const TOOLS: &str = include_str!("fixtures/anthropic_tools.sse");

async fn answer(body: &str, size: usize) -> Result<Completion, Error> {
    let server = Server::start(vec![Server::stream(body, size)]).await;
    model(Wire::Anthropic, &server, Timeouts::default())
        .complete(request_with_tool())
        .await
}

#[tokio::test]
async fn text_is_whole_wherever_the_network_cuts_it() {
    for size in [1, 3, 64, 100_000] {
        let completion = answer(TEXT, size).await.unwrap();
        assert_eq!(completion.text, "Grüße aus 東京 🎉!");
        assert_eq!(completion.finish_reason, FinishReason::Stop);
    }
}

#[tokio::test]
async fn usage_is_the_last_of_its_cumulative_counts_with_the_caches_in_it() {
    let usage = Usage {
        input: 25 + 100 + 900,
        output: 9,
        cached: 900,
        cache_written: 100,
    };
    assert_eq!(answer(TEXT, 64).await.unwrap().usage, Some(usage));
}

#[tokio::test]
async fn what_no_row_can_hold_is_replaced_in_a_text() {
    let rest = "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":\
                {\"type\":\"text_delta\",\"text\":\"a\\u0000b\"}}\n\n\
                data: {\"type\":\"message_stop\"}\n\n";
    let completion = ended(rest).await.unwrap();
    assert!(
        completion.text.ends_with("a\u{fffd}b"),
        "{}",
        completion.text
    );
}

#[tokio::test]
async fn counts_that_cannot_be_are_not_believed() {
    let most = u64::MAX;
    let rest = format!(
        "data: {{\"type\":\"message_delta\",\"delta\":{{\"stop_reason\":\"end_turn\"}},\
         \"usage\":{{\"input_tokens\":{most},\"cache_read_input_tokens\":{most},\
         \"cache_creation_input_tokens\":{most},\"output_tokens\":3}}}}\n\n\
         data: {{\"type\":\"message_stop\"}}\n\n"
    );
    let completion = ended(&rest).await.unwrap();
    assert_eq!(completion.usage, None);
    assert_eq!(completion.finish_reason, FinishReason::Stop);
}

#[tokio::test]
async fn calls_come_with_the_thinking_the_provider_wants_back() {
    let mut server = Server::start(vec![
        Server::stream(TOOLS, 11),
        Server::stream(TEXT, 100_000),
        Server::stream(TEXT, 100_000),
    ])
    .await;
    let model = model(Wire::Anthropic, &server, Timeouts::default());
    let completion = model.complete(request_with_tool()).await.unwrap();
    assert_eq!(completion.text, "Let me look.");
    let call = |id: &str, name: &str, arguments: &str| ToolCall {
        id: id.to_owned(),
        name: name.to_owned(),
        arguments: arguments.to_owned(),
    };
    assert_eq!(
        completion.tool_calls,
        [
            call(
                "toolu_01",
                "search_knowledge_base",
                r#"{"query": "Rückgabe"}"#
            ),
            call("toolu_02", "hand_off", "{}"),
        ]
    );
    assert_eq!(completion.finish_reason, FinishReason::ToolCalls);
    server.request().await;

    let mut next = request_with_tool();
    next.messages.push(completion.into_message());
    next.messages.push(Message::tool("toolu_01", "30 days"));
    next.messages.push(Message::tool("toolu_02", "done"));
    model.complete(next.clone()).await.unwrap();
    let (_, body) = server.request().await;
    assert_eq!(
        body["messages"][1]["content"],
        json!([
            {"type": "thinking", "thinking": "The customer asks about returns.",
             "signature": "EqQBsealed"},
            {"type": "text", "text": "Let me look."},
            {"type": "tool_use", "id": "toolu_01", "name": "search_knowledge_base",
             "input": {"query": "Rückgabe"}},
            {"type": "tool_use", "id": "toolu_02", "name": "hand_off", "input": {}},
        ])
    );
    assert_eq!(
        body["messages"][2],
        json!({"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "toolu_01", "content": "30 days"},
            {"type": "tool_result", "tool_use_id": "toolu_02", "content": "done"},
        ]})
    );
    // Another model cannot read the thinking: the turn is rebuilt without it.
    next.model = "claude-sonnet-5-5".to_owned();
    model.complete(next).await.unwrap();
    let (_, body) = server.request().await;
    assert_eq!(body["messages"][1]["content"][0]["type"], "text");
}

#[tokio::test]
async fn the_body_is_what_the_server_expects() {
    let mut server = Server::start(vec![Server::stream(TEXT, 100_000)]).await;
    let image = Image {
        format: ImageFormat::Jpeg,
        bytes: "JPG".into(),
    };
    let asked = Request {
        messages: vec![
            Message::system("Be brief."),
            Message::showing("What is it?", vec![image]),
        ],
        tool_choice: ToolChoice::Required,
        output_schema: Some(OutputSchema {
            name: "answer".to_owned(),
            schema: json!({"type": "object"}),
            strict: true,
        }),
        ..request_with_tool()
    };
    let model = model(Wire::Anthropic, &server, Timeouts::default());
    model.complete(asked).await.unwrap();
    let (head, body) = server.request().await;
    assert!(head.starts_with("post /v1/messages http/1.1"), "{head}");
    assert!(head.contains("anthropic-version: 2026-10-21"), "{head}");
    assert!(head.contains(&format!("x-api-key: {KEY}")), "{head}");
    assert!(!head.contains("authorization"), "{head}");
    // The temperature of the request is left out.
    assert_eq!(
        body,
        json!({
            "model": "claude-haiku-5-5",
            "max_tokens": 100 + 4096,
            "stream": true,
            "system": [{"type": "text", "text": "Be brief."}],
            "messages": [{"role": "user", "content": [
                {"type": "image", "source": {
                    "type": "base64", "media_type": "image/jpeg", "data": "SlBH",
                }},
                {"type": "text", "text": "What is it?"},
            ]}],
            "tools": [{
                "name": "search_knowledge_base", "description": "Finds.",
                "input_schema": {"type": "object"},
            }],
            "tool_choice": {"type": "any"},
            "output_config": {
                "effort": "low",
                "format": {"type": "json_schema", "schema": {"type": "object"}},
            },
        })
    );
}

/// What a stream comes to that goes on with `rest` after its first text.
async fn ended(rest: &str) -> Result<Completion, Error> {
    let begun = TEXT.find("event: content_block_stop").unwrap();
    answer(&format!("{}{rest}", &TEXT[..begun]), 70).await
}

#[tokio::test]
async fn every_end_has_its_reason() {
    for (stop_reason, reason) in [
        ("stop_sequence", FinishReason::Stop),
        ("max_tokens", FinishReason::Length),
        ("model_context_window_exceeded", FinishReason::Length),
        ("refusal", FinishReason::Refusal),
        ("pause_turn", FinishReason::Other),
    ] {
        let rest = format!(
            "data: {{\"type\":\"message_delta\",\"delta\":{{\"stop_reason\":\"{stop_reason}\"}},\
             \"usage\":{{\"output_tokens\":3}}}}\n\ndata: {{\"type\":\"message_stop\"}}\n\n"
        );
        let completion = ended(&rest).await.unwrap();
        assert_eq!(completion.finish_reason, reason, "{stop_reason}");
        assert_eq!(completion.usage.unwrap().output, 3);
    }
}

#[tokio::test]
async fn an_error_in_the_stream_is_what_it_would_be_outside_of_it() {
    let event = |kind: &str| {
        let error = format!(
            r#"{{"type":"error","error":{{"type":"{kind}","message":"why"}},"request_id":"req_1"}}"#
        );
        format!("event: error\ndata: {error}\n\n")
    };
    for kind in ["overloaded_error", "api_error", "timeout_error"] {
        let got = ended(&event(kind)).await.unwrap_err();
        assert!(matches!(got, Error::Unavailable { .. }), "{got:?}");
    }
    let got = ended(&event("rate_limit_error")).await.unwrap_err();
    assert!(matches!(got, Error::RateLimited { .. }), "{got:?}");
    let got = ended(&event("a_later_error")).await.unwrap_err();
    assert!(matches!(got, Error::BrokenStream { .. }), "{got:?}");
}

#[tokio::test]
async fn an_answer_without_its_end_is_broken_in_the_middle_of_a_call_too() {
    let middle = TOOLS.find("gabe\\\"}").unwrap();
    for body in [&TOOLS[..middle], &TEXT[..TEXT.len() / 2]] {
        let got = answer(body, 64).await.unwrap_err();
        assert!(matches!(got, Error::BrokenStream { .. }), "{got:?}");
    }
    // All was said but the last word.
    let but_stop = TEXT.find("event: message_stop").unwrap();
    let completion = answer(&TEXT[..but_stop], 64).await.unwrap();
    assert_eq!(completion.text, "Grüße aus 東京 🎉!");
}

async fn refusal(status: &str, headers: &str, body: &str) -> Error {
    let server = Server::start(vec![Server::response(status, headers, body)]).await;
    model(Wire::Anthropic, &server, Timeouts::default())
        .complete(request())
        .await
        .unwrap_err()
}

fn error(kind: &str, message: &str, code: Option<&str>) -> String {
    let mut error = json!({"type": kind, "message": message});
    if let Some(code) = code {
        error["details"] = json!({"error_code": code});
    }
    json!({"type": "error", "error": error, "request_id": "req_1"}).to_string()
}

#[tokio::test]
async fn refusals_are_told_apart_by_what_the_caller_can_do() {
    let limits = "You have reached your specified API usage limits. You will regain access soon.";
    for (status, body) in [
        ("402 Payment Required", error("billing_error", "pay", None)),
        (
            "429 Too Many Requests",
            error(
                "rate_limit_error",
                "spent",
                Some("enforced_spend_limit_reached"),
            ),
        ),
        (
            "400 Bad Request",
            error("invalid_request_error", limits, None),
        ),
    ] {
        let got = refusal(status, "retry-after: 999\r\n", &body).await;
        assert!(matches!(got, Error::QuotaSpent { .. }), "{got:?}");
    }
    let long = "prompt is too long: 205351 tokens > 200000 maximum";
    let got = refusal(
        "400 Bad Request",
        "",
        &error("invalid_request_error", long, None),
    )
    .await;
    assert!(matches!(got, Error::ContextTooLong { .. }), "{got:?}");
    let got = refusal(
        "404 Not Found",
        "",
        &error("not_found_error", "model: claude-x", None),
    )
    .await;
    assert!(
        matches!(&got, Error::ModelMissing { detail, .. } if detail == "model: claude-x"),
        "{got:?}"
    );
    let got = refusal(
        "529 Overloaded",
        "retry-after: 300\r\n",
        &error("overloaded_error", "Overloaded", None),
    )
    .await;
    assert!(matches!(got, Error::Unavailable { .. }), "{got:?}");
    for (status, kind) in [
        ("401 Unauthorized", "authentication_error"),
        ("403 Forbidden", "permission_error"),
    ] {
        let got = refusal(status, "", &error(kind, KEY, None)).await;
        assert!(matches!(got, Error::KeyRefused { .. }), "{got:?}");
        assert!(!format!("{got} {got:?}").contains(KEY));
    }
}

#[tokio::test]
async fn a_gateway_may_answer_in_one_piece() {
    let body = json!({
        "type": "message", "role": "assistant", "stop_reason": "tool_use",
        "content": [
            {"type": "text", "text": "Let me look."},
            {"type": "tool_use", "id": "toolu_1", "name": "find", "input": {"query": "x"}},
        ],
        "usage": {"input_tokens": 7, "output_tokens": 3},
    });
    let json = "content-type: application/json\r\n";
    let server = Server::start(vec![Server::response("200 OK", json, &body.to_string())]).await;
    let model = model(Wire::Anthropic, &server, Timeouts::default());
    let completion = model.complete(request_with_tool()).await.unwrap();
    assert_eq!(completion.text, "Let me look.");
    assert_eq!(completion.tool_calls[0].arguments, r#"{"query":"x"}"#);
    assert_eq!(completion.finish_reason, FinishReason::ToolCalls);
    assert_eq!(completion.usage.unwrap().input, 7);
}

#[tokio::test]
async fn nonsense_in_the_right_places_does_no_harm() {
    let event = |event: &str| format!("data: {event}\n\n");
    for nonsense in [
        r#"{"type":"content_block_start","index":9,"content_block":"text"}"#,
        r#"{"type":"content_block_start","index":-1,"content_block":[]}"#,
        r#"{"type":"content_block_delta","index":9,"delta":{"type":"text_delta","text":7}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta"}}"#,
        r#"{"type":"message_delta","delta":null,"usage":[1]}"#,
        r#"{"type":7}"#,
        "[1,2]",
    ] {
        let end = event(r#"{"type":"message_stop"}"#);
        let completion = ended(&(event(nonsense) + &end)).await.unwrap();
        assert_eq!(completion.text, "Grüße aus 東京 🎉!", "{nonsense}");
    }
}
