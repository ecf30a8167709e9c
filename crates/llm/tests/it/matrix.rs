//! Every provider at a server that speaks its format: chat, streaming, tools, embeddings, and what
//! goes wrong. `docs/providers.md` names these tests.

use std::sync::Arc;
use std::time::Duration;

use domain::{EmbeddingSettings, LlmSettings};
use futures::StreamExt as _;
use llm::{
    Embedder, Error, Event, FinishReason, Image, ImageFormat, Message, Model, Models, OutputSchema,
    Request, Timeouts, ToolChoice,
};
use outbound::Guard;
use serde_json::json;
use testkit::standin::{
    AnthropicServer, ModelBehaviour, ModelCall, ModelFault, ModelOptions, ModelReply, OllamaServer,
    OpenAiServer,
};

use crate::provider::{
    KEY, Wire, model_at, models, platform, request, request_with_tool, settings,
};

const PATIENCE: Duration = Duration::from_secs(10);

/// The server of one provider.
pub(crate) enum Standin {
    OpenAi(OpenAiServer),
    Anthropic(AnthropicServer),
    Ollama(OllamaServer),
}

impl Standin {
    /// One that takes only the platform's key; Ollama's is asked without any.
    pub(crate) async fn start(wire: Wire) -> Self {
        let key = (wire != Wire::Ollama).then(|| KEY.to_owned());
        Self::with_key(wire, key).await
    }

    /// One that takes any key, and none.
    pub(crate) async fn open(wire: Wire) -> Self {
        Self::with_key(wire, None).await
    }

    async fn with_key(wire: Wire, api_key: Option<String>) -> Self {
        let options = ModelOptions {
            api_key,
            ..ModelOptions::default()
        };
        match wire {
            Wire::Chat | Wire::Responses => {
                Self::OpenAi(OpenAiServer::start(options).await.unwrap())
            }
            Wire::Anthropic => Self::Anthropic(AnthropicServer::start(options).await.unwrap()),
            Wire::Ollama => Self::Ollama(OllamaServer::start(options).await.unwrap()),
        }
    }

    pub(crate) fn url(&self) -> &str {
        match self {
            Self::OpenAi(server) => server.url(),
            Self::Anthropic(server) => server.url(),
            Self::Ollama(server) => server.url(),
        }
    }

    pub(crate) fn script<B: Into<ModelBehaviour>>(&self, behaviours: impl IntoIterator<Item = B>) {
        match self {
            Self::OpenAi(server) => server.script(behaviours),
            Self::Anthropic(server) => server.script(behaviours),
            Self::Ollama(server) => server.script(behaviours),
        }
    }

    pub(crate) fn received(&self) -> Vec<ModelCall> {
        match self {
            Self::OpenAi(server) => server.received(),
            Self::Anthropic(server) => server.received(),
            Self::Ollama(server) => server.received(),
        }
    }

    async fn wait_for(&self, n: usize) -> Vec<ModelCall> {
        let calls = match self {
            Self::OpenAi(server) => server.wait_for(n, PATIENCE).await,
            Self::Anthropic(server) => server.wait_for(n, PATIENCE).await,
            Self::Ollama(server) => server.wait_for(n, PATIENCE).await,
        };
        calls.unwrap()
    }
}

async fn begin(wire: Wire) -> (Standin, Arc<dyn Model>) {
    let server = Standin::start(wire).await;
    let model = model_at(wire, server.url(), Timeouts::default());
    (server, model)
}

async fn chats(wire: Wire) {
    let (server, model) = begin(wire).await;
    let asked = Request {
        messages: vec![
            Message::system("Answer from these:\n[1] We open at nine."),
            Message::user("When do you open?"),
        ],
        ..request()
    };
    let completion = model.complete(asked).await.unwrap();
    assert_eq!(completion.text, "Answer from the sources: We open at nine.");
    assert_eq!(completion.finish_reason, FinishReason::Stop);
    let usage = completion.usage.unwrap();
    assert!(usage.input > 8 && usage.output == 8, "{usage:?}");
    let calls = server.received();
    assert_eq!(calls[0].body["model"], wire.model());
    assert_eq!(model.provider(), wire.provider());
}

async fn streams(wire: Wire) {
    let (server, model) = begin(wire).await;
    server.script([ModelBehaviour::text("Grüße aus 東京 🎉!")]);
    let events = model.stream(request()).await.unwrap();
    let events: Vec<Event> = events.map(|event| event.unwrap()).collect().await;
    let [deltas @ .., usage, done] = &events[..] else {
        panic!("{events:?}")
    };
    let deltas: Vec<&str> = deltas
        .iter()
        .map(|event| match event {
            Event::TextDelta(text) => text.as_str(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(deltas, ["Grüße", " aus", " 東京", " 🎉!"]);
    assert!(matches!(usage, Event::Usage(_)), "{usage:?}");
    let finish_reason = FinishReason::Stop;
    assert_eq!(*done, Event::Done { finish_reason });
}

async fn calls_tools(wire: Wire) {
    let (server, model) = begin(wire).await;
    let arguments = json!({"query": "opening hours", "limit": 3});
    server.script([
        ModelReply::ToolCall {
            name: "search_knowledge_base".to_owned(),
            arguments: arguments.clone(),
        }
        .into(),
        ModelBehaviour::text("We open at nine."),
    ]);
    let mut exchange = request_with_tool();
    let asking = model.complete(exchange.clone()).await.unwrap();
    assert_eq!(asking.finish_reason, FinishReason::ToolCalls);
    let [call] = &asking.tool_calls[..] else {
        panic!("{asking:?}")
    };
    assert_eq!(call.name, "search_knowledge_base");
    let read: serde_json::Value = serde_json::from_str(&call.arguments).unwrap();
    assert_eq!(read, arguments);
    let id = call.id.clone();
    // The servers refuse a result without its call, and a call without its result.
    exchange.messages.push(asking.into_message());
    exchange.messages.push(Message::tool(id, "Open at nine."));
    let answer = model.complete(exchange).await.unwrap();
    assert_eq!(answer.text, "We open at nine.");
    assert_eq!(answer.finish_reason, FinishReason::Stop);
}

async fn says_what_went_wrong(wire: Wire) {
    let (server, model) = begin(wire).await;
    let mut seen = Vec::new();
    for fault in [
        ModelFault::Unauthorized,
        ModelFault::RateLimited {
            retry_after_seconds: 300,
        },
        ModelFault::QuotaExceeded,
        ModelFault::ContextTooLong,
        ModelFault::ModelMissing,
        ModelFault::Unsupported,
        ModelFault::BadRequest,
        ModelFault::CutStream { after_chunks: 2 },
    ] {
        server.script([ModelBehaviour {
            fault: Some(fault),
            ..ModelBehaviour::text("one two three")
        }]);
        // Each its own client: one holds back after it was told to wait.
        let fresh = model_at(wire, server.url(), Timeouts::default());
        seen.push(fresh.complete(request()).await.unwrap_err());
    }
    assert!(
        matches!(
            &seen[..],
            [
                Error::KeyRefused { .. },
                Error::RateLimited { .. },
                Error::QuotaSpent { .. },
                Error::ContextTooLong { .. },
                Error::ModelMissing { .. },
                Error::Unsupported { .. },
                Error::BadRequest { .. },
                Error::BrokenStream { .. },
            ]
        ),
        "{seen:?}"
    );
    assert_eq!(seen[1].retry_after(), Some(Duration::from_mins(5)));
    // None of them is tried again: one request for each fault.
    assert_eq!(server.received().len(), 8);
    assert_eq!(
        model.complete(request()).await.unwrap().text,
        "Answer to: Hi"
    );
}

async fn is_tried_again_before_its_first_event(wire: Wire) {
    let (server, model) = begin(wire).await;
    let brief = |fault: ModelFault| {
        let behaviour: ModelBehaviour = fault.into();
        behaviour.header("retry-after-ms", "5")
    };
    server.script([
        brief(ModelFault::Overloaded),
        brief(ModelFault::ServerError),
        ModelBehaviour::text("At last."),
    ]);
    assert_eq!(model.complete(request()).await.unwrap().text, "At last.");
    assert_eq!(server.received().len(), 3);
    server.script([ModelBehaviour {
        fault: Some(ModelFault::ErrorInStream { after_chunks: 1 }),
        ..ModelBehaviour::text("one two")
    }]);
    let events = model.stream(request()).await.unwrap();
    let events: Vec<_> = events.collect().await;
    assert!(
        matches!(&events[..], [Ok(Event::TextDelta(text)), Err(error)]
            if text == "one" && error.is_transient()),
        "{events:?}"
    );
    assert_eq!(server.received().len(), 4);
}

async fn an_empty_answer_is_whole(wire: Wire) {
    let (server, model) = begin(wire).await;
    server.script([ModelBehaviour::text("")]);
    let completion = model.complete(request()).await.unwrap();
    assert_eq!(
        (completion.text.as_str(), completion.tool_calls.len()),
        ("", 0)
    );
    assert_eq!(completion.finish_reason, FinishReason::Stop);
}

async fn holds_back_when_a_limit_is_used_up(wire: Wire) {
    let (server, model) = begin(wire).await;
    let (remaining, reset) = match wire {
        Wire::Anthropic => (
            "anthropic-ratelimit-input-tokens-remaining",
            "anthropic-ratelimit-input-tokens-reset",
        ),
        _ => ("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
    };
    let wait = match wire {
        Wire::Anthropic => "2026-10-21T07:28:01Z",
        _ => "700ms",
    };
    let used_up = ModelBehaviour::text("one")
        .header(remaining, "0")
        .header(reset, wait)
        .header("date", "Wed, 21 Oct 2026 07:28:00 GMT");
    server.script([used_up, ModelBehaviour::text("two")]);
    model.complete(request()).await.unwrap();
    model.complete(request()).await.unwrap();
    let calls = server.wait_for(2).await;
    let between = calls[1].at - calls[0].at;
    assert!(between.num_milliseconds() >= 650, "{between}");
}

/// Runs one of the above for one format.
macro_rules! cell {
    ($($name:ident: $check:ident, $wire:ident;)+) => {$(
        #[tokio::test]
        async fn $name() {
            $check(Wire::$wire).await;
        }
    )+};
}

cell! {
    openai_chat_chats: chats, Chat;
    openai_responses_chats: chats, Responses;
    anthropic_chats: chats, Anthropic;
    ollama_chats: chats, Ollama;
    openai_chat_streams: streams, Chat;
    openai_responses_streams: streams, Responses;
    anthropic_streams: streams, Anthropic;
    ollama_streams: streams, Ollama;
    openai_chat_calls_tools: calls_tools, Chat;
    openai_responses_calls_tools: calls_tools, Responses;
    anthropic_calls_tools: calls_tools, Anthropic;
    ollama_calls_tools: calls_tools, Ollama;
    openai_chat_says_what_went_wrong: says_what_went_wrong, Chat;
    openai_responses_says_what_went_wrong: says_what_went_wrong, Responses;
    anthropic_says_what_went_wrong: says_what_went_wrong, Anthropic;
    ollama_says_what_went_wrong: says_what_went_wrong, Ollama;
    openai_chat_is_tried_again: is_tried_again_before_its_first_event, Chat;
    openai_responses_is_tried_again: is_tried_again_before_its_first_event, Responses;
    anthropic_is_tried_again: is_tried_again_before_its_first_event, Anthropic;
    ollama_is_tried_again: is_tried_again_before_its_first_event, Ollama;
    openai_chat_may_say_nothing: an_empty_answer_is_whole, Chat;
    openai_responses_may_say_nothing: an_empty_answer_is_whole, Responses;
    anthropic_may_say_nothing: an_empty_answer_is_whole, Anthropic;
    ollama_may_say_nothing: an_empty_answer_is_whole, Ollama;
    openai_chat_holds_back: holds_back_when_a_limit_is_used_up, Chat;
    openai_responses_holds_back: holds_back_when_a_limit_is_used_up, Responses;
    anthropic_holds_back: holds_back_when_a_limit_is_used_up, Anthropic;
}

/// The client of a provider for a model whose vectors have so many numbers.
pub(crate) fn embeddings_of(
    models: &Models,
    provider: &str,
    model: &str,
    dimensions: u32,
) -> Result<Arc<dyn Embedder>, Error> {
    let settings = EmbeddingSettings {
        provider: provider.to_owned(),
        model: model.to_owned(),
        dimensions: dimensions.try_into().ok(),
        base_url: None,
    };
    models.embeddings(&settings, None)
}

async fn embeds(wire: Wire, model: &str, dimensions: u32) {
    let server = Standin::start(wire).await;
    let models = models(server.url(), Timeouts::default());
    let embedder = embeddings_of(&models, wire.provider(), model, dimensions).unwrap();
    let texts = ["We open at nine.", "", "Parcels leave within two days."];
    let texts = texts.map(str::to_owned);
    let vectors = embedder.embed(&texts).await.unwrap().vectors;
    let lengths: Vec<usize> = vectors.iter().map(Vec::len).collect();
    assert_eq!(lengths, [usize::try_from(dimensions).unwrap(); 3]);
    let question = ["When do you open?".to_owned()];
    let question = embedder.embed(&question).await.unwrap().vectors.remove(0);
    let dot =
        |one: &[f32], other: &[f32]| -> f32 { one.iter().zip(other).map(|(x, y)| x * y).sum() };
    assert!(dot(&question, &vectors[0]) > dot(&question, &vectors[2]) + 0.1);
    assert_eq!(server.received()[0].body["model"], model);
}

#[tokio::test]
async fn openai_embeds() {
    embeds(Wire::Chat, "text-embedding-3-small", 256).await;
}

#[tokio::test]
async fn ollama_embeds() {
    embeds(Wire::Ollama, "nomic-embed-text", 768).await;
}

#[tokio::test]
async fn ollama_says_what_is_wrong_with_embeddings() {
    let server = OllamaServer::start(ModelOptions::default()).await.unwrap();
    let models = models(server.url(), Timeouts::default());
    let embedder = embeddings_of(&models, "ollama", "nomic-embed-text", 384).unwrap();
    let texts = ["We open at nine.".to_owned()];
    let got = embedder.embed(&texts).await.unwrap_err();
    assert!(
        matches!(&got, Error::BrokenStream { detail, .. }
            if detail == "a vector has 768 numbers instead of 384"),
        "{got:?}"
    );
    server.script_embeddings([ModelFault::ModelMissing]);
    let got = embedder.embed(&texts).await.unwrap_err();
    assert!(matches!(got, Error::ModelMissing { .. }), "{got:?}");
    let many = vec!["word".to_owned(); 150];
    let before = server.received().len();
    let fitting = embeddings_of(&models, "ollama", "nomic-embed-text", 768).unwrap();
    assert_eq!(fitting.embed(&many).await.unwrap().vectors.len(), 150);
    assert_eq!(server.received().len() - before, 3);
}

#[test]
fn anthropic_embeds_nothing_and_says_so() {
    let models = models("http://127.0.0.1:9", Timeouts::default());
    let refused = embeddings_of(&models, "anthropic", "any", 8).err().unwrap();
    assert_eq!(
        refused.to_string(),
        "anthropic cannot be used: it has no embeddings"
    );
}

#[tokio::test]
async fn every_provider_lists_its_models() {
    for (wire, name, context_tokens, size_bytes) in [
        (Wire::Chat, "gpt-4o-mini", None, None),
        (Wire::Anthropic, "claude-haiku-5-5", Some(1_000_000), None),
        (Wire::Ollama, "llama3.2:latest", None, Some(2_019_393_189)),
    ] {
        let server = Standin::start(wire).await;
        let models = models(server.url(), Timeouts::default());
        let listed = models.list(&settings(wire), None).await.unwrap();
        let names: Vec<&str> = listed.iter().map(|model| model.name.as_str()).collect();
        assert!(names.is_sorted() && names.len() >= 2, "{names:?}");
        let model = listed.iter().find(|model| model.name == name).unwrap();
        assert_eq!(model.context_tokens, context_tokens);
        assert_eq!(model.size_bytes, size_bytes);
    }
    let unreachable = models("http://127.0.0.1:9", Timeouts::default());
    let builtin = unreachable
        .list(&LlmSettings::default(), None)
        .await
        .unwrap();
    assert_eq!(builtin[0].name, "builtin");
    for wire in Wire::ALL {
        let got = unreachable.list(&settings(wire), None).await.unwrap_err();
        assert!(matches!(got, Error::Unavailable { .. }), "{got:?}");
    }
}

#[tokio::test]
async fn a_list_shows_that_the_key_is_refused() {
    for wire in [Wire::Chat, Wire::Anthropic] {
        let server = Standin::start(wire).await;
        let models = models(server.url(), Timeouts::default());
        let wrong = Some("sk-wrong".into());
        let got = models.list(&settings(wire), wrong).await.unwrap_err();
        assert!(matches!(got, Error::KeyRefused { .. }), "{got:?}");
    }
}

#[tokio::test]
async fn what_a_model_cannot_do_is_refused_before_anything_is_sent() {
    let models = Models::new(
        platform("http://127.0.0.1:9"),
        &Guard::default(),
        Timeouts::default(),
    )
    .unwrap();
    let blind = LlmSettings {
        model: "gpt-3.5-turbo".to_owned(),
        ..settings(Wire::Chat)
    };
    let image = Image {
        format: ImageFormat::of_media_type("image/PNG").unwrap(),
        bytes: "PNG".into(),
    };
    let showing = Request {
        messages: vec![Message::showing("What is it?", vec![image.clone()])],
        ..Request::default()
    };
    let shaped = Request {
        output_schema: Some(OutputSchema {
            name: "answer".to_owned(),
            schema: json!({"type": "object"}),
            strict: false,
        }),
        ..request()
    };
    let model = models.model_for(&blind, None).unwrap();
    for (asked, said) in [
        (showing, "gpt-3.5-turbo reads no images"),
        (shaped, "gpt-3.5-turbo cannot be held to a JSON schema"),
    ] {
        let got = model.complete(asked).await.unwrap_err();
        assert!(
            matches!(&got, Error::Unsupported { detail, .. } if detail == said),
            "{got:?}"
        );
    }
    let mut misplaced = request();
    misplaced.messages[0].images.push(image);
    let unknown = Request {
        tool_choice: ToolChoice::Named("hand_off".to_owned()),
        ..request_with_tool()
    };
    for asked in [misplaced, unknown] {
        for wire in Wire::ALL {
            let model = models.model_for(&settings(wire), None).unwrap();
            let got = model.complete(asked.clone()).await.unwrap_err();
            assert!(matches!(got, Error::BadRequest { .. }), "{wire:?}: {got:?}");
        }
    }
}
