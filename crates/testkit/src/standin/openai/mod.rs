mod answer;
mod behaviour;
mod chat;
mod embeddings;
mod error;

use std::io;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use poem::Response;
use poem::http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use behaviour::{OpenAiBehaviour, OpenAiFault, OpenAiReply};

use super::listen::{Exchange, Listening, Reaction, json_response, listen};
use super::record::{Record, TooFew};
use super::script::{Script, control};
use chat::Completion;

/// OpenAI's API: `/v1/chat/completions` (streamed or not), `/v1/embeddings` and `/v1/models`.
///
/// The script is for chat requests; embeddings have one of their own. The API key and the body are
/// checked first and take nothing from the script when they are wrong.
#[derive(Debug)]
pub struct OpenAiServer {
    listening: Listening,
    inner: Arc<Inner>,
}

/// How an [`OpenAiServer`] is set up.
#[derive(Clone, Debug, Default)]
pub struct OpenAiOptions {
    /// The port, 0 (the default) for any free one.
    pub port: u16,
    /// The only API key it accepts; `None` (the default) accepts any, and none.
    pub api_key: Option<String>,
    /// The pace of a stream; `None` (the default) sends all chunks at once.
    pub tokens_per_second: Option<NonZeroU32>,
}

/// A request as it arrived, wrong ones included.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OpenAiCall {
    /// The path, such as `/v1/chat/completions`.
    pub path: String,
    /// The bearer token.
    pub api_key: Option<String>,
    /// The parsed body; null when there is none or it is no JSON.
    pub body: Value,
    /// When the head had arrived.
    pub at: DateTime<Utc>,
}

#[derive(Debug)]
struct Inner {
    options: OpenAiOptions,
    chat: Script<OpenAiBehaviour>,
    embeddings: Script<OpenAiBehaviour>,
    calls: Record<OpenAiCall>,
}

impl OpenAiServer {
    /// Listens on `127.0.0.1`.
    ///
    /// # Errors
    /// What the system says when it cannot listen there.
    pub async fn start(options: OpenAiOptions) -> io::Result<Self> {
        let port = options.port;
        let inner = Arc::new(Inner {
            options,
            chat: Script::default(),
            embeddings: Script::default(),
            calls: Record::default(),
        });
        let shared = Arc::clone(&inner);
        let listening = listen(port, move |exchange| handle(Arc::clone(&shared), exchange)).await?;
        Ok(Self { listening, inner })
    }

    /// The address without `/v1`, `http://127.0.0.1:<port>` without a slash at the end.
    pub fn url(&self) -> &str {
        &self.listening.url
    }

    /// The base URL as clients of OpenAI want it, ending in `/v1`.
    pub fn base_url(&self) -> String {
        format!("{}/v1", self.url())
    }

    /// Adds behaviours, each for one chat request.
    pub fn script<B: Into<OpenAiBehaviour>>(&self, behaviours: impl IntoIterator<Item = B>) {
        self.inner
            .chat
            .extend(behaviours.into_iter().map(Into::into));
    }

    /// Sets what holds for every chat request once the script is empty.
    pub fn otherwise(&self, behaviour: impl Into<OpenAiBehaviour>) {
        self.inner.chat.otherwise(behaviour.into());
    }

    /// Adds faults, each for one embeddings request.
    pub fn script_embeddings(&self, faults: impl IntoIterator<Item = OpenAiFault>) {
        self.inner
            .embeddings
            .extend(faults.into_iter().map(Into::into));
    }

    /// Every request so far, oldest first.
    pub fn received(&self) -> Vec<OpenAiCall> {
        self.inner.calls.all()
    }

    /// Waits until at least `n` requests have arrived and returns all of them.
    ///
    /// # Errors
    /// [`TooFew`] when `timeout` passes first.
    pub async fn wait_for(&self, n: usize, timeout: Duration) -> Result<Vec<OpenAiCall>, TooFew> {
        self.inner.calls.wait_for(n, timeout).await
    }
}

async fn handle(inner: Arc<Inner>, exchange: Exchange) -> Reaction {
    if let Some(response) = control(&exchange, &inner.chat, &inner.calls).await {
        return Reaction::Answer(response);
    }
    let body: Value = serde_json::from_slice(&exchange.body).unwrap_or_default();
    inner.calls.push(OpenAiCall {
        path: exchange.path.clone(),
        api_key: exchange.bearer().map(str::to_owned),
        body: body.clone(),
        at: exchange.at,
    });
    let reaction = route(&inner, &exchange, &body).await;
    if let Reaction::Answer(mut response) = reaction {
        let id = format!("req_{}", hex::encode(rand::random::<[u8; 16]>()));
        if let Ok(id) = id.parse() {
            response.headers_mut().insert("x-request-id", id);
        }
        return Reaction::Answer(response);
    }
    reaction
}

async fn route(inner: &Inner, exchange: &Exchange, body: &Value) -> Reaction {
    let expected = inner.options.api_key.as_deref();
    if expected.is_some_and(|key| exchange.bearer() != Some(key))
        && let Some(response) = error::fault_response(&OpenAiFault::Unauthorized)
    {
        return Reaction::Answer(response);
    }
    match (&exchange.method, exchange.path.as_str()) {
        (&Method::GET, "/v1/models") => Reaction::Answer(models()),
        (&Method::POST, "/v1/embeddings") => {
            let behaviour = inner.embeddings.take();
            match fail(behaviour.fault.as_ref()).await {
                Some(reaction) => reaction,
                None => Reaction::Answer(embeddings::embed(body)),
            }
        }
        (&Method::POST, "/v1/chat/completions") => chat(inner, exchange, body).await,
        _ => Reaction::Answer(StatusCode::NOT_FOUND.into()),
    }
}

async fn chat(inner: &Inner, exchange: &Exchange, body: &Value) -> Reaction {
    if body["model"].as_str().is_none_or(str::is_empty) {
        let response = error::invalid_request("you must provide a model parameter", "model");
        return Reaction::Answer(response);
    }
    if body["messages"].as_array().is_none_or(Vec::is_empty) {
        let response =
            error::invalid_request("Missing required parameter: 'messages'.", "messages");
        return Reaction::Answer(response);
    }
    let OpenAiBehaviour {
        reply,
        fault,
        first_token_ms,
    } = inner.chat.take();
    tokio::time::sleep(Duration::from_millis(first_token_ms)).await;
    let reply = match reply {
        OpenAiReply::FromSources => OpenAiReply::Text {
            text: answer::answer_from_prompt(body),
        },
        scripted => scripted,
    };
    let completion = Completion::new(body, exchange.at.timestamp(), reply);
    let streamed = body["stream"] == true;
    match &fault {
        Some(OpenAiFault::CutStream { .. } | OpenAiFault::ErrorInStream { .. }) if streamed => {}
        fault => {
            if let Some(reaction) = fail(fault.as_ref()).await {
                return reaction;
            }
        }
    }
    if !streamed {
        return Reaction::Answer(completion.whole());
    }
    let pause = inner
        .options
        .tokens_per_second
        .map_or(Duration::ZERO, |rate| Duration::from_secs(1) / rate.get());
    Reaction::Answer(completion.streamed(fault.as_ref(), pause, &exchange.connection))
}

/// What a fault does to a request that is not streamed; `None` without one.
async fn fail(fault: Option<&OpenAiFault>) -> Option<Reaction> {
    let fault = fault?;
    if let Some(response) = error::fault_response(fault) {
        return Some(Reaction::Answer(response));
    }
    match fault {
        OpenAiFault::Hang => std::future::pending().await,
        OpenAiFault::ErrorInStream { .. } => {
            error::fault_response(&OpenAiFault::ServerError).map(Reaction::Answer)
        }
        _ => Some(Reaction::Drop),
    }
}

fn models() -> Response {
    let model = |id: &str| json!({"id": id, "object": "model", "created": 1_715_367_049, "owned_by": "system"});
    json_response(
        StatusCode::OK,
        &json!({
            "object": "list",
            "data": [model("gpt-4o-mini"), model("text-embedding-3-small")],
        }),
    )
}
