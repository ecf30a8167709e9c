use reqwest::Response;
use serde_json::{Value, json};
use testkit::standin::{ModelFault, ModelOptions, ModelReply, OllamaServer};

use super::{PATIENCE, client};

async fn ollama() -> OllamaServer {
    OllamaServer::start(ModelOptions::default()).await.unwrap()
}

async fn post(server: &OllamaServer, path: &str, body: &Value) -> Response {
    client()
        .post(format!("{}/api/{path}", server.base_url()))
        .json(body)
        .timeout(PATIENCE)
        .send()
        .await
        .unwrap()
}

fn question() -> Value {
    json!({"model": "llama3.2", "messages": [{"role": "user", "content": "Hi there"}]})
}

async fn lines(response: Response) -> Vec<Value> {
    let text = response.text().await.unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines.collect()
}

#[tokio::test]
async fn streams_lines_unless_told_otherwise() {
    let server = ollama().await;
    let response = post(&server, "chat", &question()).await;
    assert_eq!(response.headers()["content-type"], "application/x-ndjson");
    let lines = lines(response).await;
    let (last, rest) = lines.split_last().unwrap();
    let text: String = rest
        .iter()
        .map(|line| line["message"]["content"].as_str().unwrap())
        .collect();
    assert_eq!(text, "Answer to: Hi there");
    assert!(rest.iter().all(|line| line["done"] == false));
    assert_eq!(
        (&last["done"], &last["done_reason"]),
        (&json!(true), &json!("stop"))
    );
    assert_eq!(
        (&last["prompt_eval_count"], &last["eval_count"]),
        (&json!(2), &json!(4))
    );

    let mut asked = question();
    asked["stream"] = json!(false);
    let whole: Value = post(&server, "chat", &asked).await.json().await.unwrap();
    assert_eq!(whole["message"]["content"], "Answer to: Hi there");
}

#[tokio::test]
async fn a_call_comes_whole_and_without_an_id() {
    let server = ollama().await;
    server.script([ModelReply::ToolCall {
        name: "find".to_owned(),
        arguments: json!({"query": "opening hours"}),
    }]);
    let lines = lines(post(&server, "chat", &question()).await).await;
    assert_eq!(
        lines[0]["message"]["tool_calls"],
        json!([{"function": {"name": "find", "arguments": {"query": "opening hours"}}}])
    );
}

#[tokio::test]
async fn errors_are_texts_and_one_may_follow_success() {
    let server = ollama().await;
    for (fault, status, said) in [
        (ModelFault::ModelMissing, 404, "try pulling it first"),
        (ModelFault::Overloaded, 503, "server busy"),
        (ModelFault::ServerError, 500, "unexpectedly stopped"),
        (ModelFault::Unauthorized, 401, "unauthorized"),
        (ModelFault::Unsupported, 400, "does not support tools"),
        (ModelFault::BadRequest, 400, "invalid character"),
    ] {
        server.script([fault]);
        let response = post(&server, "chat", &question()).await;
        assert_eq!(response.status(), status);
        let body: Value = response.json().await.unwrap();
        assert!(body["error"].as_str().unwrap().contains(said), "{body}");
    }
    server.script([ModelFault::ErrorInStream { after_chunks: 1 }]);
    let response = post(&server, "chat", &question()).await;
    assert_eq!(response.status(), 200);
    let lines = lines(response).await;
    assert_eq!(lines.len(), 2);
    assert!(lines[1]["error"].is_string(), "{lines:?}");
}

#[tokio::test]
async fn it_has_vectors_and_tells_what_its_models_can_do() {
    let server = ollama().await;
    let body = json!({"model": "nomic-embed-text", "input": ["one", "two"]});
    let vectors: Value = post(&server, "embed", &body).await.json().await.unwrap();
    assert_eq!(vectors["embeddings"].as_array().unwrap().len(), 2);
    assert_eq!(vectors["embeddings"][1].as_array().unwrap().len(), 768);
    assert_eq!(vectors["prompt_eval_count"], 2);
    let shown = post(&server, "show", &json!({"model": "llava"})).await;
    let shown: Value = shown.json().await.unwrap();
    assert_eq!(shown["capabilities"], json!(["completion", "vision"]));
    let tags = client().get(format!("{}/api/tags", server.url()));
    let tags: Value = tags.send().await.unwrap().json().await.unwrap();
    assert_eq!(tags["models"][0]["model"], "llama3.2:latest");
}
