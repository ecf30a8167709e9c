use reqwest::Response;
use serde_json::{Value, json};
use testkit::standin::{AnthropicServer, ModelFault, ModelOptions, ModelReply};

use super::{PATIENCE, client};

async fn anthropic() -> AnthropicServer {
    AnthropicServer::start(ModelOptions::default())
        .await
        .unwrap()
}

async fn post(server: &AnthropicServer, body: &Value) -> Response {
    client()
        .post(format!("{}/v1/messages", server.base_url()))
        .header("anthropic-version", "2026-10-21")
        .header("x-api-key", "sk-test")
        .json(body)
        .timeout(PATIENCE)
        .send()
        .await
        .unwrap()
}

fn question(stream: bool) -> Value {
    json!({
        "model": "claude-haiku-5-5", "max_tokens": 100, "stream": stream,
        "system": [{"type": "text", "text": "Answer from these:\n[1] We open at nine."}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "When do you open?"}]}],
    })
}

/// The names and the data of a stream's events.
async fn events(response: Response) -> Vec<(String, Value)> {
    let text = response.text().await.unwrap();
    let events = text.split_terminator("\n\n").map(|event| {
        let (name, data) = event.split_once('\n').unwrap();
        let data = data.strip_prefix("data: ").unwrap();
        (
            name.strip_prefix("event: ").unwrap().to_owned(),
            serde_json::from_str(data).unwrap(),
        )
    });
    events.collect()
}

#[tokio::test]
async fn answers_whole_and_in_events() {
    let server = anthropic().await;
    let whole: Value = post(&server, &question(false)).await.json().await.unwrap();
    let said = "Answer from the sources: We open at nine.";
    assert_eq!(whole["content"][0]["text"], said);
    assert_eq!(whole["stop_reason"], "end_turn");
    let events = events(post(&server, &question(true)).await).await;
    let text: String = events
        .iter()
        .filter_map(|(_, data)| data["delta"]["text"].as_str())
        .collect();
    assert_eq!(text, said);
    assert!(events.iter().all(|(name, data)| data["type"] == *name));
    let names: Vec<&str> = events.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names[..3], ["message_start", "content_block_start", "ping"]);
    assert_eq!(
        names[names.len() - 3..],
        ["content_block_stop", "message_delta", "message_stop"]
    );
    let calls = server.received();
    assert_eq!(calls[0].api_key.as_deref(), Some("sk-test"));
    assert_eq!(calls[0].headers["anthropic-version"], "2026-10-21");
    assert_eq!(calls[0].headers.get("x-api-key"), None);
}

#[tokio::test]
async fn a_call_comes_as_pieces_of_json() {
    let server = anthropic().await;
    server.script([ModelReply::ToolCall {
        name: "find".to_owned(),
        arguments: json!({"query": "opening hours"}),
    }]);
    let events = events(post(&server, &question(true)).await).await;
    let pieces: Vec<&str> = events
        .iter()
        .filter_map(|(_, data)| data["delta"]["partial_json"].as_str())
        .collect();
    assert!(pieces.len() > 1, "{pieces:?}");
    assert_eq!(pieces.concat(), r#"{"query":"opening hours"}"#);
    assert_eq!(events[1].1["content_block"]["input"], json!({}));
}

#[tokio::test]
async fn it_holds_requests_to_the_rules_of_its_version() {
    let server = anthropic().await;
    let wrong = |change: &dyn Fn(&mut Value)| {
        let mut body = question(false);
        change(&mut body);
        body
    };
    for (body, said) in [
        (
            wrong(&|body| body["temperature"] = json!(1.0)),
            "temperature: Extra inputs are not permitted",
        ),
        (
            wrong(&|body| drop(body.as_object_mut().unwrap().remove("max_tokens"))),
            "max_tokens: Field required",
        ),
        (
            wrong(&|body| body["messages"][0]["role"] = json!("assistant")),
            "first message must use",
        ),
        (
            wrong(&|body| body["messages"][0]["content"][0]["text"] = json!(" ")),
            "must be non-empty",
        ),
        (
            wrong(&|body| {
                let call = json!({"type": "tool_use", "id": "toolu_1", "name": "x", "input": {}});
                let turn = json!({"role": "assistant", "content": [call]});
                body["messages"].as_array_mut().unwrap().push(turn);
            }),
            "toolu_1",
        ),
    ] {
        let response = post(&server, &body).await;
        assert_eq!(response.status(), 400, "{body}");
        let error: Value = response.json().await.unwrap();
        let message = error["error"]["message"].as_str().unwrap();
        assert!(message.contains(said), "{message}");
    }
    let unversioned = client().post(format!("{}/v1/messages", server.url()));
    let response = unversioned.json(&question(false)).send().await.unwrap();
    assert_eq!(response.status(), 400);
}

#[tokio::test]
async fn errors_have_their_status_and_type() {
    let server = anthropic().await;
    for (fault, status, kind) in [
        (ModelFault::Unauthorized, 401, "authentication_error"),
        (
            ModelFault::RateLimited {
                retry_after_seconds: 2,
            },
            429,
            "rate_limit_error",
        ),
        (ModelFault::QuotaExceeded, 400, "invalid_request_error"),
        (ModelFault::ServerError, 500, "api_error"),
        (ModelFault::Overloaded, 529, "overloaded_error"),
        (ModelFault::ModelMissing, 404, "not_found_error"),
        (ModelFault::ContextTooLong, 400, "invalid_request_error"),
        (ModelFault::Unsupported, 400, "invalid_request_error"),
        (ModelFault::BadRequest, 400, "invalid_request_error"),
    ] {
        server.script([fault]);
        let response = post(&server, &question(true)).await;
        assert!(response.headers().contains_key("request-id"));
        assert_eq!(response.status(), status);
        let body: Value = response.json().await.unwrap();
        assert_eq!(body["error"]["type"], kind);
    }
    server.script([ModelFault::ErrorInStream { after_chunks: 1 }]);
    let events = events(post(&server, &question(true)).await).await;
    let (name, data) = events.last().unwrap();
    assert_eq!(name, "error");
    assert_eq!(data["error"]["type"], "overloaded_error");
}
