//! Streams of Chat Completions, cut wherever a network may cut them.

use std::time::Duration;

use llm::{
    Completion, Error, FinishReason, Image, ImageFormat, Message, OutputSchema, Phase, Request,
    Timeouts, Tool, ToolCall, ToolChoice, Usage,
};
use serde_json::json;
use testkit::raw::{SSE, Server, Step};

use crate::provider::{compatible as model, request};

const TEXT: &str = include_str!("fixtures/openai_text.sse");
const TOOLS: &str = include_str!("fixtures/openai_tools.sse");
const COMPATIBLE: &str = include_str!("fixtures/compatible_tools.sse");

async fn answer(body: &str, size: usize) -> Result<Completion, Error> {
    let server = Server::start(vec![Server::stream(body, size)]).await;
    model(&server, "", Timeouts::default())
        .complete(request())
        .await
}

#[tokio::test]
async fn text_is_whole_wherever_the_network_cuts_it() {
    // One byte at a time cuts every character and every line.
    for size in [1, 2, 3, 7, 64, 100_000] {
        let completion = answer(TEXT, size).await.unwrap();
        assert_eq!(completion.text, "Grüße aus 東京 🎉!");
        assert_eq!(
            completion.usage,
            Some(Usage {
                input: 120,
                output: 9,
                cached: 100,
                ..Usage::default()
            })
        );
        assert_eq!(completion.finish_reason, FinishReason::Stop);
    }
}

#[tokio::test]
async fn tool_calls_are_joined_by_their_index() {
    for size in [1, 11, 100_000] {
        let completion = answer(TOOLS, size).await.unwrap();
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
    }
}

#[tokio::test]
async fn compatible_servers_may_leave_out_indexes_ids_and_ends() {
    let completion = answer(COMPATIBLE, 100_000).await.unwrap();
    let calls = completion.tool_calls.iter();
    let calls: Vec<_> = calls
        .map(|call| (&*call.id, &*call.name, &*call.arguments))
        .collect();
    assert_eq!(
        calls,
        [
            ("call_0", "first", r#"{"a":1}"#),
            ("call_1", "second", r#"{"b":2}"#),
            ("call_x", "third", "{}"),
        ]
    );
    assert_eq!(completion.finish_reason, FinishReason::ToolCalls);
    assert_eq!(
        completion.usage,
        Some(Usage {
            input: 3,
            output: 4,
            ..Usage::default()
        })
    );
}

#[tokio::test]
async fn the_body_is_what_the_server_expects() {
    let mut server = Server::start(vec![Server::stream(TEXT, 64), Server::stream(TEXT, 64)]).await;
    let call = ToolCall {
        id: "c1".to_owned(),
        name: "find".to_owned(),
        arguments: "{}".to_owned(),
    };
    let asked = Request {
        messages: vec![
            Message::user("Hi"),
            Message::calling("", vec![call]),
            Message::tool("c1", "nothing"),
        ],
        tools: vec![Tool {
            name: "find".to_owned(),
            description: "Finds.".to_owned(),
            parameters: json!({"type": "object"}),
        }],
        ..request()
    };
    model(&server, "m1", Timeouts::default())
        .complete(asked.clone())
        .await
        .unwrap();
    let (head, body) = server.request().await;
    assert!(
        head.starts_with("post /v1/chat/completions http/1.1"),
        "{head}"
    );
    assert!(
        head.contains("authorization: bearer sk-secret-key"),
        "{head}"
    );
    assert_eq!(
        body,
        json!({
            "model": "m1",
            "messages": [
                {"role": "user", "content": "Hi"},
                {"role": "assistant", "content": null, "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "find", "arguments": "{}"}},
                ]},
                {"role": "tool", "tool_call_id": "c1", "content": "nothing"},
            ],
            "stream": true,
            "stream_options": {"include_usage": true},
            "max_tokens": 100,
            "temperature": 0.5,
            "tools": [{"type": "function", "function": {
                "name": "find", "description": "Finds.", "parameters": {"type": "object"},
            }}],
        })
    );
    model(&server, "gpt-6-luna", Timeouts::default())
        .complete(asked)
        .await
        .unwrap();
    let (_, body) = server.request().await;
    assert_eq!(body["reasoning_effort"], "none");
    assert_eq!(body.get("temperature"), None);
}

#[tokio::test]
async fn pictures_schemas_and_a_tool_that_has_to_be_called_are_asked_for_in_its_words() {
    let mut server = Server::start(vec![Server::stream(TEXT, 100_000)]).await;
    let image = Image {
        format: ImageFormat::Png,
        bytes: "PNG".into(),
    };
    let asked = Request {
        messages: vec![
            Message::system("Be brief."),
            Message::system("Nothing was found."),
            Message::showing("What is it?", vec![image]),
        ],
        tools: vec![Tool {
            name: "find".to_owned(),
            description: "Finds.".to_owned(),
            parameters: json!({"type": "object"}),
        }],
        tool_choice: ToolChoice::Named("find".to_owned()),
        output_schema: Some(OutputSchema {
            name: "answer".to_owned(),
            schema: json!({"type": "object"}),
            strict: true,
        }),
        ..request()
    };
    let model = model(&server, "m1", Timeouts::default());
    model.complete(asked).await.unwrap();
    let (_, body) = server.request().await;
    // Templates of many models know one system message, which has to be the first.
    assert_eq!(
        body["messages"],
        json!([
            {"role": "system", "content": "Be brief.\n\nNothing was found."},
            {"role": "user", "content": [
                {"type": "text", "text": "What is it?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,UE5H"}},
            ]},
        ])
    );
    assert_eq!(
        body["tool_choice"],
        json!({"type": "function", "function": {"name": "find"}})
    );
    assert_eq!(
        body["response_format"],
        json!({"type": "json_schema", "json_schema": {
            "name": "answer", "schema": {"type": "object"}, "strict": true,
        }})
    );
}

async fn phase(steps: Vec<Step>, timeouts: Timeouts) -> Phase {
    let server = Server::start(vec![steps]).await;
    match model(&server, "", timeouts).complete(request()).await {
        Err(Error::TimedOut { phase, .. }) => phase,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn every_wait_has_its_limit() {
    let short = Duration::from_millis(150);
    let delta = || Step::Chunk(b"data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n".into());
    let limits = Timeouts {
        first_token: short,
        ..Timeouts::default()
    };
    assert_eq!(
        phase(vec![Step::AwaitClose], limits).await,
        Phase::FirstToken
    );
    // A head, a role and a keep-alive are no token.
    let role =
        b"data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n: hi\n\n";
    let steps = vec![
        Step::Raw(SSE.into()),
        Step::Chunk(role.into()),
        Step::AwaitClose,
    ];
    assert_eq!(phase(steps, limits).await, Phase::FirstToken);
    let limits = Timeouts {
        idle: short,
        ..Timeouts::default()
    };
    let steps = vec![Step::Raw(SSE.into()), delta(), Step::AwaitClose];
    assert_eq!(phase(steps.clone(), limits).await, Phase::Idle);
    let limits = Timeouts {
        total: short,
        ..Timeouts::default()
    };
    assert_eq!(phase(steps, limits).await, Phase::Total);
}

#[tokio::test]
async fn a_server_may_answer_in_one_piece() {
    let body = json!({
        "object": "chat.completion",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {
            "role": "assistant", "content": "All at once.",
        }}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3},
    });
    let json = "content-type: application/json; charset=utf-8\r\n";
    let server = Server::start(vec![Server::response("200 OK", json, &body.to_string())]).await;
    let completion = model(&server, "", Timeouts::default())
        .complete(request())
        .await
        .unwrap();
    assert_eq!(completion.text, "All at once.");
    assert_eq!(completion.usage.unwrap().input, 7);
}
