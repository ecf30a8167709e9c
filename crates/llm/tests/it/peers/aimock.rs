use std::fs;
use std::process::Command;
use std::time::Duration;

use llm::{Error, FinishReason, Message, Request, Timeouts};

use super::{Peer, ensure_installed, folder, skip, start};
use crate::matrix::embeddings_of;
use crate::provider::{Wire, model_at, models, request_with_tool, settings};

/// What npm installs.
const PACKAGE: &str = "@copilotkit/aimock@1.43.0";

async fn aimock() -> Option<Peer> {
    let (folder, lock) = folder("aimock");
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-package-lock", "--no-save", "--no-audit"])
        .args(["--no-fund", "--ignore-scripts", "--prefix", ".", PACKAGE]);
    if let Err(reason) = ensure_installed(&folder, PACKAGE, npm) {
        skip(&reason);
        return None;
    }
    // Packages are looked for beside the program.
    fs::write(folder.join("aimock.mjs"), include_str!("aimock.mjs")).unwrap();
    drop(lock);
    let mut node = Command::new("node");
    node.arg("aimock.mjs").current_dir(folder);
    Some(start(node).await)
}

fn asking(text: &str) -> Request {
    Request {
        messages: vec![Message::system("Be brief."), Message::user(text)],
        ..Request::default()
    }
}

async fn talks_to_aimock(wire: Wire) {
    let Some(peer) = aimock().await else {
        return;
    };
    let fresh = || model_at(wire, &peer.url, Timeouts::default());
    let model = fresh();
    let completion = model.complete(asking("When do you open?")).await.unwrap();
    assert_eq!(completion.text, "We open at nine, 東京 🎉.");
    assert_eq!(completion.finish_reason, FinishReason::Stop);

    let mut exchange = Request {
        tools: request_with_tool().tools,
        ..asking("Find it")
    };
    let completion = model.complete(exchange.clone()).await.unwrap();
    assert_eq!(completion.finish_reason, FinishReason::ToolCalls);
    let [call] = &completion.tool_calls[..] else {
        panic!("{completion:?}")
    };
    assert_eq!(call.name, "search_knowledge_base");
    assert_eq!(call.arguments, r#"{"query":"Rückgabe"}"#);
    let goes_back = matches!(wire, Wire::Responses | Wire::Anthropic);
    assert_eq!(completion.replay.is_some(), goes_back, "{completion:?}");
    let result = Message::tool(call.id.clone(), "Returns within 30 days.");
    exchange
        .messages
        .extend([completion.into_message(), result]);
    let completion = model.complete(exchange).await.unwrap();
    assert_eq!(completion.text, "30 days.");

    let limited = fresh().complete(asking("Too much")).await.unwrap_err();
    assert!(matches!(limited, Error::RateLimited { .. }), "{limited:?}");
    assert_eq!(limited.retry_after(), Some(Duration::from_mins(5)));
    let refused = fresh().complete(asking("Wrong key")).await.unwrap_err();
    assert!(matches!(refused, Error::KeyRefused { .. }), "{refused:?}");

    let models = models(&peer.url, Timeouts::default());
    let listed = models.list(&settings(wire), None).await.unwrap();
    assert!(
        listed.iter().any(|model| model.name == "gpt-4o"),
        "{listed:?}"
    );
}

#[tokio::test]
async fn aimock_speaks_openai_chat() {
    talks_to_aimock(Wire::Chat).await;
}

#[tokio::test]
async fn aimock_speaks_openai_responses() {
    talks_to_aimock(Wire::Responses).await;
}

#[tokio::test]
async fn aimock_speaks_anthropic() {
    talks_to_aimock(Wire::Anthropic).await;
}

#[tokio::test]
async fn aimock_speaks_ollama() {
    talks_to_aimock(Wire::Ollama).await;
}

#[tokio::test]
async fn aimock_embeds_as_openai_does() {
    let Some(peer) = aimock().await else {
        return;
    };
    let models = models(&peer.url, Timeouts::default());
    let embedder = embeddings_of(&models, "openai", "text-embedding-ada-002", 3);
    let texts = ["one".to_owned(), "two".to_owned()];
    let vectors = embedder.unwrap().embed(&texts).await.unwrap().vectors;
    assert_eq!(vectors, [[0.25, 0.5, 1.0], [0.25, 0.5, 1.0]]);
}
