//! The Responses API: what is asked, and typed events cut wherever a network may cut them.

use llm::{
    Completion, Error, FinishReason, Image, ImageFormat, Message, OutputSchema, Request, Timeouts,
    ToolCall, ToolChoice, Usage,
};
use serde_json::{Value, json};
use testkit::raw::Server;

use crate::provider::{KEY, Wire, model, request, request_with_tool};

const TEXT: &str = include_str!("fixtures/responses_text.sse");
const TOOLS: &str = include_str!("fixtures/responses_tools.sse");

async fn answer(body: &str, size: usize) -> Result<Completion, Error> {
    let server = Server::start(vec![Server::stream(body, size)]).await;
    model(Wire::Responses, &server, Timeouts::default())
        .complete(request_with_tool())
        .await
}

#[tokio::test]
async fn text_is_whole_wherever_the_network_cuts_it() {
    for size in [1, 3, 64, 100_000] {
        let completion = answer(TEXT, size).await.unwrap();
        assert_eq!(completion.text, "Grüße aus 東京 🎉!");
        let usage = Usage {
            input: 1500,
            output: 40,
            cached: 1024,
            cache_written: 256,
        };
        assert_eq!(completion.usage, Some(usage));
        assert_eq!(completion.finish_reason, FinishReason::Stop);
        assert_eq!(completion.replay, None);
    }
}

#[tokio::test]
async fn calls_come_with_what_the_provider_wants_back() {
    let mut server = Server::start(vec![
        Server::stream(TOOLS, 50),
        Server::stream(TEXT, 100_000),
    ])
    .await;
    let model = model(Wire::Responses, &server, Timeouts::default());
    let completion = model.complete(request_with_tool()).await.unwrap();
    let call = |id: &str, name: &str, arguments: &str| ToolCall {
        id: id.to_owned(),
        name: name.to_owned(),
        arguments: arguments.to_owned(),
    };
    assert_eq!(
        completion.tool_calls,
        [
            call("call_a", "search_knowledge_base", r#"{"query":"Rückgabe"}"#),
            call("call_b", "hand_off", "{}"),
        ]
    );
    assert_eq!(completion.finish_reason, FinishReason::ToolCalls);
    let (_, first) = server.request().await;
    assert_eq!(first["include"], json!(["reasoning.encrypted_content"]));

    let mut next = request_with_tool();
    next.messages.push(completion.into_message());
    next.messages.push(Message::tool("call_a", "30 days"));
    next.messages.push(Message::tool("call_b", "done"));
    model.complete(next).await.unwrap();
    let (_, second) = server.request().await;
    let items = second["input"].as_array().unwrap();
    let kinds: Vec<_> = items.iter().map(|item| item["type"].as_str()).collect();
    assert_eq!(
        kinds,
        [
            None,
            Some("reasoning"),
            Some("function_call"),
            Some("function_call"),
            Some("function_call_output"),
            Some("function_call_output"),
        ]
    );
    assert_eq!(items[1]["encrypted_content"], "gAAAAABsealed");
    assert_eq!(
        items[4],
        json!({"type": "function_call_output", "call_id": "call_a", "output": "30 days"})
    );
}

fn expected_input() -> Value {
    json!([
        {"role": "user", "content": [
            {"type": "input_text", "text": "What is it?"},
            {"type": "input_image", "detail": "auto",
             "image_url": "data:image/png;base64,UE5H"},
        ]},
        {"role": "assistant", "content": "Wait."},
        {"type": "function_call", "call_id": "c1", "name": "search_knowledge_base",
         "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "nothing"},
        {"role": "developer", "content": "Now answer."},
    ])
}

#[tokio::test]
async fn the_body_is_what_the_server_expects() {
    let mut server = Server::start(vec![Server::stream(TEXT, 100_000)]).await;
    let call = ToolCall {
        id: "c1".to_owned(),
        name: "search_knowledge_base".to_owned(),
        arguments: "{}".to_owned(),
    };
    let image = Image {
        format: ImageFormat::Png,
        bytes: "PNG".into(),
    };
    let asked = Request {
        messages: vec![
            Message::system("Be brief."),
            Message::system("Sources: none."),
            Message::showing("What is it?", vec![image]),
            Message::calling("Wait.", vec![call]),
            Message::tool("c1", "nothing"),
            Message::system("Now answer."),
        ],
        tool_choice: ToolChoice::Named("search_knowledge_base".to_owned()),
        output_schema: Some(OutputSchema {
            name: "answer".to_owned(),
            schema: json!({"type": "object"}),
            strict: true,
        }),
        ..request_with_tool()
    };
    let model = model(Wire::Responses, &server, Timeouts::default());
    model.complete(asked).await.unwrap();
    let (head, body) = server.request().await;
    assert!(head.starts_with("post /v1/responses http/1.1"), "{head}");
    let shown = format!("authorization: bearer {KEY}");
    assert!(head.contains(&shown), "{head}");
    assert_eq!(
        body,
        json!({
            "model": "gpt-6-luna",
            "instructions": "Be brief.\n\nSources: none.",
            "input": expected_input(),
            "stream": true,
            "store": false,
            "max_output_tokens": 100 + 4096,
            "reasoning": {"effort": "low"},
            "text": {"format": {
                "type": "json_schema", "name": "answer", "schema": {"type": "object"},
                "strict": true,
            }},
            "tools": [{
                "type": "function", "name": "search_knowledge_base", "description": "Finds.",
                "parameters": {"type": "object"}, "strict": false,
            }],
            "tool_choice": {"type": "function", "name": "search_knowledge_base"},
            "include": ["reasoning.encrypted_content"],
        })
    );
}

const BEGUN: &str = "event: response.output_text.delta\n\
    data: {\"type\":\"response.output_text.delta\",\"delta\":\"The answer\"}\n\n";

/// What a stream comes to that says `event` after it has begun.
async fn ended(event: &str) -> Result<Completion, Error> {
    answer(&format!("{BEGUN}data: {event}\n\n"), 70).await
}

#[tokio::test]
async fn every_end_has_its_reason() {
    let incomplete = |reason: &str| {
        format!(
            r#"{{"type":"response.incomplete","response":{{"status":"incomplete","incomplete_details":{{"reason":"{reason}"}},"usage":null}}}}"#
        )
    };
    for (event, reason) in [
        (incomplete("max_output_tokens"), FinishReason::Length),
        (incomplete("content_filter"), FinishReason::ContentFilter),
        (incomplete("steered"), FinishReason::Other),
    ] {
        let completion = ended(&event).await.unwrap();
        assert_eq!(completion.text, "The answer");
        assert_eq!(completion.finish_reason, reason, "{event}");
        assert_eq!(completion.usage, None);
    }
    let refusal = "{\"type\":\"response.refusal.delta\",\"delta\":\" is no.\"}\n\n\
        data: {\"type\":\"response.completed\",\"response\":{\"status\":\"completed\"}}";
    let completion = ended(refusal).await.unwrap();
    assert_eq!(completion.text, "The answer is no.");
    assert_eq!(completion.finish_reason, FinishReason::Refusal);
}

#[tokio::test]
async fn a_failure_in_the_stream_is_told_by_its_code() {
    let failed = |code: &str| {
        format!(
            r#"{{"type":"response.failed","response":{{"status":"failed","error":{{"code":"{code}","message":"why"}}}}}}"#
        )
    };
    let got = ended(&failed("server_error")).await.unwrap_err();
    assert!(matches!(got, Error::Unavailable { .. }), "{got:?}");
    let got = ended(&failed("rate_limit_exceeded")).await.unwrap_err();
    assert!(matches!(got, Error::RateLimited { .. }), "{got:?}");
    let got = ended(&failed("invalid_prompt")).await.unwrap_err();
    assert!(
        matches!(&got, Error::BadRequest { detail, .. } if detail == "why"),
        "{got:?}"
    );
    let event = r#"{"type":"error","code":"server_error","message":"boom","param":null}"#;
    let got = ended(event).await.unwrap_err();
    assert!(matches!(got, Error::Unavailable { .. }), "{got:?}");
}

#[tokio::test]
async fn an_answer_without_its_end_is_broken_in_the_middle_of_a_call_too() {
    let middle = TOOLS.find("response.function_call_arguments.done").unwrap();
    let body = format!("{BEGUN}{}", &TOOLS[..middle]);
    let got = answer(&body, 64).await.unwrap_err();
    assert!(matches!(got, Error::BrokenStream { .. }), "{got:?}");
    let got = ended(r#"{"type":"response.out"#).await.unwrap_err();
    assert!(matches!(got, Error::BrokenStream { .. }), "{got:?}");
}

#[tokio::test]
async fn each_model_gets_the_format_in_which_it_does_most() {
    let mut server = Server::start(vec![
        Server::stream(TEXT, 100_000),
        Server::stream("data: [DONE]\n\n", 100),
    ])
    .await;
    let client = model(Wire::Responses, &server, Timeouts::default());
    client.complete(request()).await.unwrap();
    let (head, _) = server.request().await;
    assert!(head.starts_with("post /v1/responses "), "{head}");
    // A request may name another model than the client was made for.
    let other = Request {
        model: "gpt-4o-mini".to_owned(),
        ..request()
    };
    client.complete(other).await.unwrap();
    let (head, body) = server.request().await;
    assert!(head.starts_with("post /v1/chat/completions "), "{head}");
    assert_eq!(body["temperature"], 0.5);
}
