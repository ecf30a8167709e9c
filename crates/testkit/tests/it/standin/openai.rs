use std::time::{Duration, Instant};

use reqwest::Response;
use serde_json::{Value, json};
use testkit::standin::{OpenAiBehaviour, OpenAiFault, OpenAiOptions, OpenAiReply, OpenAiServer};

use super::{PATIENCE, client};

async fn openai() -> OpenAiServer {
    OpenAiServer::start(OpenAiOptions::default()).await.unwrap()
}

async fn post(server: &OpenAiServer, path: &str, body: &Value) -> Response {
    client()
        .post(format!("{}/{path}", server.base_url()))
        .bearer_auth("sk-test")
        .json(body)
        .timeout(PATIENCE)
        .send()
        .await
        .unwrap()
}

fn question(stream: bool) -> Value {
    json!({
        "model": "gpt-4o-mini", "stream": stream, "stream_options": {"include_usage": true},
        "messages": [
            {"role": "system", "content": "Answer from these:\n[1] We open at nine.\n[2] Closed on Sunday."},
            {"role": "user", "content": "When do you open?"},
        ],
    })
}

/// Reads a stream to its end: its events, and whether it ended as it should on the level of HTTP.
async fn events(mut response: Response) -> (Vec<String>, bool) {
    let mut bytes = Vec::new();
    let whole = loop {
        match response.chunk().await {
            Ok(Some(chunk)) => bytes.extend(chunk),
            Ok(None) => break true,
            Err(_) => break false,
        }
    };
    let text = String::from_utf8(bytes).unwrap();
    let events = text
        .split_terminator("\n\n")
        .map(|event| event.strip_prefix("data: ").unwrap().to_owned());
    (events.collect(), whole)
}

fn parsed(events: &[String]) -> Vec<Value> {
    events
        .iter()
        .map(|event| serde_json::from_str(event).unwrap())
        .collect()
}

fn content(events: &[Value]) -> String {
    events
        .iter()
        .filter_map(|event| event["choices"][0]["delta"]["content"].as_str())
        .collect()
}

#[tokio::test]
async fn answers_from_the_first_source_of_the_prompt() {
    let server = openai().await;
    let response = post(&server, "chat/completions", &question(false)).await;
    assert!(response.headers().contains_key("x-request-id"));
    let answer: Value = response.json().await.unwrap();
    assert_eq!(answer["object"], "chat.completion");
    assert_eq!(
        answer["choices"][0]["message"]["content"],
        "Answer from the sources: We open at nine."
    );
    assert_eq!(answer["choices"][0]["finish_reason"], "stop");
    assert_eq!(answer["usage"]["completion_tokens"], 8);

    let calls = server.wait_for(1, PATIENCE).await.unwrap();
    assert_eq!(calls[0].path, "/v1/chat/completions");
    assert_eq!(calls[0].api_key.as_deref(), Some("sk-test"));
    assert_eq!(calls[0].body, question(false));
}

#[tokio::test]
async fn streams_the_answer_with_usage_before_done() {
    let server = openai().await;
    let response = post(&server, "chat/completions", &question(true)).await;
    assert!(
        response.headers()["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/event-stream")
    );
    let (events, whole) = events(response).await;
    assert!(whole);
    let (done, chunks) = events.split_last().unwrap();
    assert_eq!(done, "[DONE]");
    let chunks = parsed(chunks);
    assert_eq!(
        content(&chunks),
        "Answer from the sources: We open at nine."
    );
    let [.., finish, usage] = &chunks[..] else {
        panic!("{chunks:?}")
    };
    assert_eq!(finish["choices"][0]["finish_reason"], "stop");
    assert_eq!(finish["usage"], Value::Null);
    assert_eq!(
        (&usage["choices"], &usage["usage"]["completion_tokens"]),
        (&json!([]), &json!(8))
    );
}

#[tokio::test]
async fn scripted_texts_and_tool_calls_come_in_order() {
    let server = openai().await;
    let call = OpenAiReply::ToolCall {
        name: "search_knowledge_base".to_owned(),
        arguments: json!({"query": "opening hours"}),
    };
    server.script([
        OpenAiBehaviour::text("First."),
        call.clone().into(),
        call.into(),
    ]);
    let first: Value = post(&server, "chat/completions", &question(false))
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(first["choices"][0]["message"]["content"], "First.");

    let second: Value = post(&server, "chat/completions", &question(false))
        .await
        .json()
        .await
        .unwrap();
    let function = &second["choices"][0]["message"]["tool_calls"][0]["function"];
    assert_eq!(function["name"], "search_knowledge_base");
    assert_eq!(function["arguments"], r#"{"query":"opening hours"}"#);
    assert_eq!(second["choices"][0]["finish_reason"], "tool_calls");

    let (events, _) = events(post(&server, "chat/completions", &question(true)).await).await;
    let arguments: String = parsed(&events[..events.len() - 1])
        .iter()
        .filter_map(|chunk| {
            chunk["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"]
                .as_str()
                .map(str::to_owned)
        })
        .collect();
    assert_eq!(arguments, r#"{"query":"opening hours"}"#);
}

#[tokio::test]
async fn errors_have_their_status_code_and_headers() {
    let server = openai().await;
    server.script([
        OpenAiFault::Unauthorized,
        OpenAiFault::RateLimited {
            retry_after_seconds: 2,
        },
        OpenAiFault::QuotaExceeded,
        OpenAiFault::ServerError,
        OpenAiFault::ContextTooLong,
    ]);
    let mut seen = Vec::new();
    for _ in 0..5 {
        let response = post(&server, "chat/completions", &question(true)).await;
        let header = |name: &str| {
            response
                .headers()
                .get(name)
                .map(|value| value.to_str().unwrap().to_owned())
        };
        let headers = (header("retry-after"), header("x-ratelimit-reset-requests"));
        let status = response.status().as_u16();
        let body: Value = response.json().await.unwrap();
        seen.push((
            status,
            body["error"]["code"].as_str().map(str::to_owned),
            headers,
        ));
    }
    let code = |code: &str| Some(code.to_owned());
    assert_eq!(
        seen,
        [
            (401, code("invalid_api_key"), (None, None)),
            (429, code("rate_limit_exceeded"), (code("2"), code("2s"))),
            (429, code("insufficient_quota"), (None, None)),
            (500, None, (None, None)),
            (400, code("context_length_exceeded"), (None, None)),
        ]
    );
}

#[tokio::test]
async fn a_stream_is_cut_after_the_chunks_asked_for() {
    let server = openai().await;
    server.script([OpenAiFault::CutStream { after_chunks: 3 }]);
    let (events, whole) = events(post(&server, "chat/completions", &question(true)).await).await;
    assert!(!whole);
    assert_eq!(content(&parsed(&events)), "Answer from the");
}

#[tokio::test]
async fn an_error_object_comes_in_the_stream() {
    let server = openai().await;
    server.script([OpenAiFault::ErrorInStream { after_chunks: 2 }]);
    let (events, whole) = events(post(&server, "chat/completions", &question(true)).await).await;
    assert!(whole);
    let events = parsed(&events);
    assert_eq!(content(&events), "Answer from");
    assert_eq!(events.last().unwrap()["error"]["type"], "server_error");
}

#[tokio::test]
async fn the_first_token_waits_and_the_rest_keeps_the_pace() {
    let options = OpenAiOptions {
        tokens_per_second: std::num::NonZeroU32::new(50),
        ..OpenAiOptions::default()
    };
    let server = OpenAiServer::start(options).await.unwrap();
    server.script([OpenAiBehaviour {
        first_token_ms: 100,
        ..OpenAiBehaviour::text("one two three four")
    }]);
    let start = Instant::now();
    let response = post(&server, "chat/completions", &question(true)).await;
    assert!(start.elapsed() >= Duration::from_millis(100));
    events(response).await;
    assert!(start.elapsed() >= Duration::from_millis(160));
}

#[tokio::test]
async fn a_wrong_key_is_refused_and_takes_nothing_from_the_script() {
    let options = OpenAiOptions {
        api_key: Some("sk-right".to_owned()),
        ..OpenAiOptions::default()
    };
    let server = OpenAiServer::start(options).await.unwrap();
    for path in ["chat/completions", "embeddings"] {
        assert_eq!(post(&server, path, &question(false)).await.status(), 401);
    }
    assert_eq!(server.received().len(), 2);
}

#[tokio::test]
async fn embeddings_are_the_same_each_time_and_in_both_encodings() {
    let server = openai().await;
    let mut body = json!({"model": "text-embedding-3-small", "input": ["open at nine", "closed"], "dimensions": 8});
    let floats: Value = post(&server, "embeddings", &body)
        .await
        .json()
        .await
        .unwrap();
    let again: Value = post(&server, "embeddings", &body)
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(floats, again);
    assert_eq!(floats["data"][1]["index"], 1);
    let first: Vec<f32> = serde_json::from_value(floats["data"][0]["embedding"].clone()).unwrap();
    assert_eq!(first.len(), 8);

    body["encoding_format"] = json!("base64");
    let packed: Value = post(&server, "embeddings", &body)
        .await
        .json()
        .await
        .unwrap();
    let packed = packed["data"][0]["embedding"].as_str().unwrap();
    let bytes = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, packed).unwrap();
    let unpacked: Vec<f32> = bytes
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
        .collect();
    assert_eq!(unpacked, first);

    server.script_embeddings([OpenAiFault::ServerError]);
    assert_eq!(post(&server, "embeddings", &body).await.status(), 500);
    body["input"] = json!([""]);
    assert_eq!(post(&server, "embeddings", &body).await.status(), 400);
}

#[tokio::test]
async fn lists_models() {
    let server = openai().await;
    let response = client()
        .get(format!("{}/models", server.base_url()))
        .send()
        .await
        .unwrap();
    let models: Value = response.json().await.unwrap();
    assert_eq!(models["data"][0]["object"], "model");
}

#[tokio::test]
async fn responses_come_as_typed_events() {
    let server = openai().await;
    let body = json!({
        "model": "gpt-6-luna", "stream": true, "store": false,
        "instructions": "Answer from these:\n[1] We open at nine.",
        "input": [{"role": "user", "content": [{"type": "input_text", "text": "When?"}]}],
    });
    let text = post(&server, "responses", &body)
        .await
        .text()
        .await
        .unwrap();
    let events: Vec<Value> = text
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str(data).unwrap())
        .collect();
    let numbers: Vec<u64> = events
        .iter()
        .map(|event| event["sequence_number"].as_u64().unwrap())
        .collect();
    assert!(
        numbers.is_sorted_by(|one, other| one < other),
        "{numbers:?}"
    );
    let said: String = events
        .iter()
        .filter(|event| event["type"] == "response.output_text.delta")
        .map(|event| event["delta"].as_str().unwrap())
        .collect();
    assert_eq!(said, "Answer from the sources: We open at nine.");
    let last = events.last().unwrap();
    assert_eq!(last["type"], "response.completed");
    assert_eq!(last["response"]["output"][0]["content"][0]["text"], said);
    assert_eq!(last["response"]["store"], false);
}

#[tokio::test]
async fn responses_are_held_to_their_own_rules() {
    let server = openai().await;
    let orphan = json!({"type": "function_call_output", "call_id": "call_1", "output": "x"});
    for (name, value) in [
        ("input", json!([])),
        ("max_tokens", json!(5)),
        (
            "tools",
            json!([{"type": "function", "function": {"name": "nested"}}]),
        ),
        ("input", json!([orphan])),
    ] {
        let mut body = json!({"model": "m", "input": "Hi"});
        body[name] = value;
        let response = post(&server, "responses", &body).await;
        assert_eq!(response.status(), 400, "{body}");
    }
    let whole = json!({"model": "m", "input": "Hi"});
    let whole: Value = post(&server, "responses", &whole)
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(whole["status"], "completed");
}
