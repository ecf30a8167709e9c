//! Ollama's chat: what is asked, and lines cut wherever a network may cut them.

use std::time::Duration;

use domain::LlmSettings;
use llm::{
    Completion, Error, FinishReason, Image, ImageFormat, Message, Models, OutputSchema, Phase,
    PlatformProviders, Request, Timeouts, ToolCall, ToolChoice, Usage,
};
use outbound::{AllowRule, Guard};
use serde_json::json;
use testkit::raw::{SSE, Server, Step};

use crate::provider::{Wire, model, platform, request, request_with_tool, settings};

const TEXT: &str = include_str!("fixtures/ollama_text.ndjson");
const TOOLS: &str = include_str!("fixtures/ollama_tools.ndjson");

async fn answer(body: &str, size: usize) -> Result<Completion, Error> {
    let server = Server::start(vec![Server::stream(body, size)]).await;
    model(Wire::Ollama, &server, Timeouts::default())
        .complete(request_with_tool())
        .await
}

#[tokio::test]
async fn text_is_whole_wherever_the_network_cuts_it() {
    for size in [1, 3, 64, 100_000] {
        let completion = answer(TEXT, size).await.unwrap();
        assert_eq!(completion.text, "Grüße aus 東京 🎉!");
        assert_eq!(completion.finish_reason, FinishReason::Stop);
        let usage = Usage {
            input: 26,
            output: 9,
            cached: 20,
            cache_written: 0,
        };
        assert_eq!(completion.usage, Some(usage));
    }
}

#[tokio::test]
async fn calls_without_ids_get_some_and_results_go_back_by_name() {
    let mut server = Server::start(vec![
        Server::stream(TOOLS, 7),
        Server::stream(TEXT, 100_000),
    ])
    .await;
    let model = model(Wire::Ollama, &server, Timeouts::default());
    let completion = model.complete(request_with_tool()).await.unwrap();
    let call = |id: &str, name: &str, arguments: &str| ToolCall {
        id: id.to_owned(),
        name: name.to_owned(),
        arguments: arguments.to_owned(),
    };
    assert_eq!(
        completion.tool_calls,
        [
            call("call_0", "search_knowledge_base", r#"{"query":"Rückgabe"}"#),
            call("call_9", "hand_off", "{}"),
        ]
    );
    assert_eq!(completion.finish_reason, FinishReason::ToolCalls);
    server.request().await;
    let mut next = request_with_tool();
    next.messages.push(completion.into_message());
    next.messages.push(Message::tool("call_0", "30 days"));
    model.complete(next).await.unwrap();
    let (_, body) = server.request().await;
    assert_eq!(
        body["messages"][2]["tool_calls"][0],
        json!({"function": {
            "name": "search_knowledge_base", "arguments": {"query": "Rückgabe"},
        }})
    );
    assert_eq!(
        body["messages"][3],
        json!({"role": "tool", "content": "30 days", "tool_name": "search_knowledge_base"})
    );
}

#[tokio::test]
async fn the_body_is_what_the_server_expects() {
    let shown = r#"{"capabilities":["completion","vision"]}"#;
    let mut server = Server::start(vec![
        Server::response("200 OK", "", shown),
        Server::stream(TEXT, 100_000),
    ])
    .await;
    let providers = PlatformProviders {
        ollama_context_tokens: Some(8192),
        ollama_keep_alive_seconds: Some(1800),
        ..platform(server.url.as_str())
    };
    let models = Models::new(providers, &Guard::default(), Timeouts::default()).unwrap();
    let model = models.model_for(&settings(Wire::Ollama), None).unwrap();
    let image = Image {
        format: ImageFormat::Webp,
        bytes: "WEB".into(),
    };
    let asked = Request {
        messages: vec![
            Message::system("Be brief."),
            Message::showing("What is it?", vec![image]),
        ],
        output_schema: Some(OutputSchema {
            name: "answer".to_owned(),
            schema: json!({"type": "object"}),
            strict: true,
        }),
        ..request_with_tool()
    };
    model.complete(asked).await.unwrap();
    let (head, body) = server.request().await;
    assert!(head.starts_with("post /api/show "), "{head}");
    assert_eq!(body, json!({"model": "llama3.2"}));
    let (head, body) = server.request().await;
    assert!(head.starts_with("post /api/chat "), "{head}");
    assert!(!head.contains("authorization"), "{head}");
    assert_eq!(
        body,
        json!({
            "model": "llama3.2",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "What is it?", "images": ["V0VC"]},
            ],
            "stream": true,
            "tools": [{"type": "function", "function": {
                "name": "search_knowledge_base", "description": "Finds.",
                "parameters": {"type": "object"},
            }}],
            "format": {"type": "object"},
            "keep_alive": 1800,
            "options": {"num_ctx": 8192, "num_predict": 100, "temperature": 0.5},
        })
    );
}

#[tokio::test]
async fn a_tenant_decides_how_its_own_server_holds_the_model() {
    let mut server = Server::start(vec![Server::stream(TEXT, 100_000)]).await;
    let providers = PlatformProviders {
        ollama_context_tokens: Some(8192),
        ollama_keep_alive_seconds: Some(1800),
        ..platform("http://127.0.0.1:9")
    };
    let guard = Guard::new(["127.0.0.0/8".parse::<AllowRule>().unwrap()]);
    let models = Models::new(providers, &guard, Timeouts::default()).unwrap();
    let own = LlmSettings {
        base_url: Some(server.url.join("/").unwrap()),
        keep_alive_seconds: Some(0),
        ..settings(Wire::Ollama)
    };
    let model = models.model_for(&own, None).unwrap();
    model.complete(request()).await.unwrap();
    let (_, body) = server.request().await;
    assert_eq!(body["keep_alive"], 0);
    assert_eq!(body["options"].get("num_ctx"), None);
}

#[tokio::test]
async fn a_model_that_sees_nothing_is_shown_nothing() {
    let shown = r#"{"capabilities":["completion","tools"]}"#;
    let server = Server::start(vec![Server::response("200 OK", "", shown)]).await;
    let image = Image {
        format: ImageFormat::Png,
        bytes: "PNG".into(),
    };
    let asked = Request {
        messages: vec![Message::showing("What is it?", vec![image])],
        ..Request::default()
    };
    let model = model(Wire::Ollama, &server, Timeouts::default());
    let got = model.complete(asked).await.unwrap_err();
    assert!(
        matches!(&got, Error::Unsupported { detail, .. } if detail == "llama3.2 reads no images"),
        "{got:?}"
    );
}

#[tokio::test]
async fn it_cannot_be_made_to_call_a_tool() {
    let server = Server::start(vec![]).await;
    let asked = Request {
        tool_choice: ToolChoice::Required,
        ..request_with_tool()
    };
    let model = model(Wire::Ollama, &server, Timeouts::default());
    let got = model.complete(asked).await.unwrap_err();
    assert!(matches!(got, Error::Unsupported { .. }), "{got:?}");
}

#[tokio::test]
async fn an_error_line_after_success_is_an_error() {
    let begun: Vec<&str> = TEXT.lines().take(2).collect();
    let begun = begun.join("\n");
    let body = format!("{begun}\n{{\"error\":\"model runner has unexpectedly stopped\"}}\n");
    let got = answer(&body, 20).await.unwrap_err();
    assert!(
        matches!(&got, Error::BrokenStream { detail, .. } if detail.contains("unexpectedly stopped")),
        "{got:?}"
    );
}

#[tokio::test]
async fn an_end_without_done_is_broken() {
    let lines: Vec<&str> = TEXT.lines().collect();
    let without_done = lines[..3].join("\n");
    // The last one ends in the middle of a character.
    let mut cut_character = TEXT.as_bytes()[..TEXT.find("🎉").unwrap() + 2].to_vec();
    for body in [without_done.into_bytes(), cut_character.split_off(0)] {
        let steps = vec![Step::Raw(SSE.into()), Step::Chunk(body), Step::End];
        let server = Server::start(vec![steps]).await;
        let model = model(Wire::Ollama, &server, Timeouts::default());
        let got = model.complete(request()).await.unwrap_err();
        assert!(matches!(got, Error::BrokenStream { .. }), "{got:?}");
    }
}

#[tokio::test]
async fn a_server_that_is_down_is_told_from_a_model_that_is_not_pulled() {
    let server = Server::start(vec![]).await;
    let client = model(Wire::Ollama, &server, Timeouts::default());
    let down = client.complete(request()).await.unwrap_err();
    assert!(matches!(down, Error::Unavailable { .. }), "{down:?}");
    assert!(down.is_transient());
    assert!(down.advice().contains("ollama serve"), "{}", down.advice());

    let body = r#"{"error":"model \"llama3.2\" not found, try pulling it first"}"#;
    let server = Server::start(vec![Server::response("404 Not Found", "", body)]).await;
    let client = model(Wire::Ollama, &server, Timeouts::default());
    let missing = client.complete(request()).await.unwrap_err();
    assert!(matches!(missing, Error::ModelMissing { .. }), "{missing:?}");
    assert!(!missing.is_transient());
    assert_eq!(
        missing.to_string(),
        "ollama does not have the model: model \"llama3.2\" not found, try pulling it first"
    );
    assert!(
        missing.advice().contains("ollama pull"),
        "{}",
        missing.advice()
    );
}

#[tokio::test]
async fn loading_a_model_has_its_own_limit() {
    let short = Duration::from_millis(100);
    let limits = Timeouts {
        first_token: short,
        first_token_local: Duration::from_secs(20),
        ..Timeouts::default()
    };
    // Longer than any other provider may take, counted by the client's own clock.
    let steps = vec![
        Step::Pause(short * 3),
        Step::Raw(SSE.into()),
        Step::Chunk(TEXT.into()),
        Step::End,
    ];
    let server = Server::start(vec![steps]).await;
    let client = model(Wire::Ollama, &server, limits);
    let completion = client.complete(request()).await.unwrap();
    assert_eq!(completion.text, "Grüße aus 東京 🎉!");

    let limits = Timeouts {
        first_token_local: short,
        ..Timeouts::default()
    };
    let server = Server::start(vec![vec![Step::AwaitClose]]).await;
    let client = model(Wire::Ollama, &server, limits);
    let got = client.complete(request()).await.unwrap_err();
    assert!(
        matches!(
            got,
            Error::TimedOut {
                phase: Phase::FirstToken,
                ..
            }
        ),
        "{got:?}"
    );
}
