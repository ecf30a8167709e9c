use std::process::Stdio;

use serde_json::{Value, json};
use testkit::standin::{Receiver, SentMessage};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::{PATIENCE, client};

/// Starts the binary and waits for the line that says it listens.
async fn start(arguments: &[&str]) -> (Child, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_standin"))
        .args(arguments)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().unwrap();
    let line: Value = serde_json::from_str(&line).unwrap();
    (child, line["url"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_graph_process_is_scripted_and_read_over_http() {
    let webhook = Receiver::start(0).await.unwrap();
    let (_child, url) = start(&[
        "graph",
        "--statuses-to",
        webhook.url(),
        "--app-secret",
        "app-secret",
    ])
    .await;
    let client = client();
    let script = json!([
        {"reply": {"kind": "error", "code": 131_056}},
        {"reply": {"kind": "accept_then_drop"}, "statuses": [{"status": "sent"}]},
    ]);
    let scripted = client
        .post(format!("{url}/__behaviours"))
        .json(&script)
        .send()
        .await
        .unwrap();
    assert_eq!(scripted.status(), 204);
    let call = || {
        let body = json!({"messaging_product": "whatsapp", "to": "33612345678", "type": "text",
            "text": {"body": "Hi"}, "biz_opaque_callback_data": "tag-1"});
        client
            .post(format!("{url}/v25.0/1/messages"))
            .bearer_auth("any")
            .json(&body)
            .send()
    };
    let refused: Value = call().await.unwrap().json().await.unwrap();
    assert_eq!(refused["error"]["code"], 131_056);
    assert!(call().await.is_err());
    webhook.wait_for(1, PATIENCE).await.unwrap();

    let record = format!("{url}/__received?at_least=1&timeout_ms=5000");
    let sent: Vec<SentMessage> = client
        .get(record)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].tag.as_deref(), Some("tag-1"));
    let in_vain = format!("{url}/__received?at_least=2&timeout_ms=1");
    assert_eq!(client.get(in_vain).send().await.unwrap().status(), 408);
    let nonsense = client
        .post(format!("{url}/__behaviours"))
        .body("[{\"reply\": 1}]");
    assert_eq!(nonsense.send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn every_server_runs_as_a_process() {
    let client = client();
    let (_openai, url) = start(&["openai", "--tokens-per-second", "100"]).await;
    let standing = json!({"reply": {"kind": "text", "text": "Always this."}});
    client
        .put(format!("{url}/__behaviours"))
        .json(&standing)
        .send()
        .await
        .unwrap();
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}]});
    let chat = client
        .post(format!("{url}/v1/chat/completions"))
        .json(&body);
    let answer: Value = chat.send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["choices"][0]["message"]["content"], "Always this.");

    for (name, path) in [("anthropic", "v1/messages"), ("ollama", "api/chat")] {
        let (_process, url) = start(&[name, "--api-key", "sk-right"]).await;
        let refused = client.post(format!("{url}/{path}")).json(&body);
        assert_eq!(refused.send().await.unwrap().status(), 401, "{name}");
    }

    let (_receiver, url) = start(&["receiver", "--port", "0"]).await;
    client.post(&url).body("hello").send().await.unwrap();
    let posts: Value = client
        .get(format!("{url}/__received"))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(posts[0]["body"], "hello");
}
