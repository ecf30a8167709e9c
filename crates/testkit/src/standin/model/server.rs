use std::collections::BTreeMap;
use std::io;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use poem::http::{HeaderName, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::answer::{answer_from_prompt, search_first};
use super::{Dialect, ModelBehaviour, ModelFault, ModelReply, Operation, Said, pieces};
use crate::standin::listen::{Exchange, Listening, Reaction, listen};
use crate::standin::record::{Record, TooFew};
use crate::standin::script::{Script, control};

/// How a stand-in of a model provider is set up.
#[derive(Clone, Debug, Default)]
pub struct ModelOptions {
    /// The port, 0 (the default) for any free one.
    pub port: u16,
    /// The only API key it accepts; `None` (the default) accepts any, and none.
    pub api_key: Option<String>,
    /// The pace of a stream; `None` (the default) sends all chunks at once.
    pub tokens_per_second: Option<NonZeroU32>,
}

/// A request as it arrived, wrong ones included.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelCall {
    /// The path, such as `/v1/chat/completions`.
    pub path: String,
    /// The key it showed.
    pub api_key: Option<String>,
    /// Its headers, names in lower case; those that carry a key are left out.
    pub headers: BTreeMap<String, String>,
    /// The parsed body; null when there is none or it is no JSON.
    pub body: Value,
    /// When the head had arrived.
    pub at: DateTime<Utc>,
}

/// A provider's server.
///
/// The script is for requests for answers; embeddings have one of their own. The API key and the
/// body are checked first and take nothing from the script when they are wrong.
#[derive(Debug)]
pub(in crate::standin) struct ModelServer {
    listening: Listening,
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    options: ModelOptions,
    dialect: &'static dyn Dialect,
    answers: Script<ModelBehaviour>,
    embeddings: Script<ModelBehaviour>,
    calls: Record<ModelCall>,
}

impl ModelServer {
    pub(in crate::standin) async fn start(
        options: ModelOptions,
        dialect: &'static dyn Dialect,
    ) -> io::Result<Self> {
        let port = options.port;
        let inner = Arc::new(Inner {
            options,
            dialect,
            answers: Script::default(),
            embeddings: Script::default(),
            calls: Record::default(),
        });
        let shared = Arc::clone(&inner);
        let listening = listen(port, move |exchange| handle(Arc::clone(&shared), exchange)).await?;
        Ok(Self { listening, inner })
    }

    pub(in crate::standin) fn url(&self) -> &str {
        &self.listening.url
    }

    pub(in crate::standin) fn script(&self, behaviours: impl Iterator<Item = ModelBehaviour>) {
        self.inner.answers.extend(behaviours);
    }

    pub(in crate::standin) fn otherwise(&self, behaviour: ModelBehaviour) {
        self.inner.answers.otherwise(behaviour);
    }

    pub(in crate::standin) fn script_embeddings(&self, faults: impl Iterator<Item = ModelFault>) {
        self.inner.embeddings.extend(faults.map(Into::into));
    }

    pub(in crate::standin) fn received(&self) -> Vec<ModelCall> {
        self.inner.calls.all()
    }

    pub(in crate::standin) async fn wait_for(
        &self,
        n: usize,
        timeout: Duration,
    ) -> Result<Vec<ModelCall>, TooFew> {
        self.inner.calls.wait_for(n, timeout).await
    }
}

/// Defines a stand-in as a [`ModelServer`] of one dialect, whose base URL is its address and a path.
macro_rules! provider_server {
    ($(#[doc = $doc:literal])+ $name:ident, $dialect:expr, $base:literal) => {
        $(#[doc = $doc])+
        ///
        /// The script is for requests for answers; embeddings have one of their own. The API key and
        /// the body are checked first and take nothing from the script when they are wrong.
        #[derive(Debug)]
        pub struct $name($crate::standin::model::ModelServer);

        impl $name {
            /// Listens on `127.0.0.1`.
            ///
            /// # Errors
            /// What the system says when it cannot listen there.
            pub async fn start(
                options: $crate::standin::model::ModelOptions,
            ) -> std::io::Result<Self> {
                let server = $crate::standin::model::ModelServer::start(options, &$dialect);
                Ok(Self(server.await?))
            }

            /// The address, `http://127.0.0.1:<port>` without a slash at the end.
            pub fn url(&self) -> &str {
                self.0.url()
            }

            /// The base URL as clients of the provider want it.
            pub fn base_url(&self) -> String {
                format!(concat!("{}", $base), self.url())
            }

            /// Adds behaviours, each for one request for an answer.
            pub fn script<B: Into<$crate::standin::model::ModelBehaviour>>(
                &self,
                behaviours: impl IntoIterator<Item = B>,
            ) {
                self.0.script(behaviours.into_iter().map(Into::into));
            }

            /// Sets what holds for every request for an answer once the script is empty.
            pub fn otherwise(
                &self,
                behaviour: impl Into<$crate::standin::model::ModelBehaviour>,
            ) {
                self.0.otherwise(behaviour.into());
            }

            /// Adds faults, each for one embeddings request.
            pub fn script_embeddings(
                &self,
                faults: impl IntoIterator<Item = $crate::standin::model::ModelFault>,
            ) {
                self.0.script_embeddings(faults.into_iter());
            }

            /// Every request so far, oldest first.
            pub fn received(&self) -> Vec<$crate::standin::model::ModelCall> {
                self.0.received()
            }

            /// Waits until at least `n` requests have arrived and returns all of them.
            ///
            /// # Errors
            /// [`TooFew`](crate::standin::TooFew) when `timeout` passes first.
            pub async fn wait_for(
                &self,
                n: usize,
                timeout: std::time::Duration,
            ) -> Result<
                Vec<$crate::standin::model::ModelCall>,
                $crate::standin::record::TooFew,
            > {
                self.0.wait_for(n, timeout).await
            }
        }
    };
}

pub(in crate::standin) use provider_server;

async fn handle(inner: Arc<Inner>, exchange: Exchange) -> Reaction {
    if let Some(response) = control(&exchange, &inner.answers, &inner.calls).await {
        return Reaction::Answer(response);
    }
    let body: Value = serde_json::from_slice(&exchange.body).unwrap_or_default();
    inner.calls.push(ModelCall {
        path: exchange.path.clone(),
        api_key: inner.dialect.key(&exchange).map(str::to_owned),
        headers: shown_headers(&exchange),
        body: body.clone(),
        at: exchange.at,
    });
    let reaction = route(&inner, &exchange, body).await;
    if let Reaction::Answer(mut response) = reaction {
        let id = format!("req_{}", hex::encode(rand::random::<[u8; 16]>()));
        if let Ok(id) = id.parse() {
            let name = HeaderName::from_static(inner.dialect.id_header());
            response.headers_mut().insert(name, id);
        }
        return Reaction::Answer(response);
    }
    reaction
}

fn shown_headers(exchange: &Exchange) -> BTreeMap<String, String> {
    let headers = exchange.headers.iter();
    let headers = headers
        .filter(|(name, _)| !matches!(name.as_str(), "authorization" | "x-api-key"))
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes());
            (name.as_str().to_owned(), value.into_owned())
        });
    headers.collect()
}

async fn route(inner: &Inner, exchange: &Exchange, body: Value) -> Reaction {
    let dialect = inner.dialect;
    let model = body["model"].as_str().unwrap_or_default();
    let expected = inner.options.api_key.as_deref();
    if expected.is_some_and(|key| dialect.key(exchange) != Some(key))
        && let Some(response) = dialect.fault(&ModelFault::Unauthorized, model)
    {
        return Reaction::Answer(response);
    }
    let Some(operation) = dialect.operation(&exchange.method, &exchange.path) else {
        return Reaction::Answer(StatusCode::NOT_FOUND.into());
    };
    if let Some(response) = dialect.check(operation, exchange, &body) {
        return Reaction::Answer(response);
    }
    match operation {
        Operation::Look => Reaction::Answer(dialect.look(&exchange.path, &body)),
        Operation::Embed => {
            let behaviour = inner.embeddings.take();
            match fail(dialect, behaviour.fault.as_ref(), model).await {
                Some(reaction) => reaction,
                None => Reaction::Answer(dialect.embed(&body)),
            }
        }
        Operation::Chat | Operation::Respond => answer(inner, exchange, operation, body).await,
    }
}

async fn answer(inner: &Inner, exchange: &Exchange, operation: Operation, body: Value) -> Reaction {
    let dialect = inner.dialect;
    let behaviour = inner.answers.take();
    tokio::time::sleep(Duration::from_millis(behaviour.first_token_ms)).await;
    let streamed = dialect.is_streamed(&body);
    let fault = behaviour.fault.as_ref();
    let is_later = matches!(
        fault,
        Some(
            ModelFault::CutStream { .. }
                | ModelFault::Stall { .. }
                | ModelFault::ErrorInStream { .. }
        )
    );
    if !(streamed && is_later) {
        let model = body["model"].as_str().unwrap_or_default();
        if let Some(reaction) = fail(dialect, fault, model).await {
            return with_headers(reaction, &behaviour.headers);
        }
    }
    let prompt = dialect.prompt(operation, &body);
    let reply = match behaviour.reply {
        ModelReply::FromSources => ModelReply::Text {
            text: answer_from_prompt(&prompt),
        },
        ModelReply::SearchFirst => search_first(&prompt, &body),
        scripted => scripted,
    };
    let tokens = prompt.iter().map(|spoken| pieces(&spoken.text).len());
    let said = Said {
        operation,
        input_tokens: tokens.sum(),
        body,
        id: hex::encode(rand::random::<[u8; 12]>()),
        created: exchange.at.timestamp(),
        reply,
    };
    let response = if streamed {
        let pace = inner.options.tokens_per_second;
        let pause = pace.map_or(Duration::ZERO, |rate| Duration::from_secs(1) / rate.get());
        let frames = dialect.frames(&said);
        frames.respond(fault, pause, &exchange.connection)
    } else {
        dialect.whole(&said)
    };
    with_headers(Reaction::Answer(response), &behaviour.headers)
}

fn with_headers(reaction: Reaction, headers: &BTreeMap<String, String>) -> Reaction {
    let Reaction::Answer(mut response) = reaction else {
        return reaction;
    };
    for (name, value) in headers {
        let name = HeaderName::try_from(name.as_str());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value.as_str())) {
            response.headers_mut().insert(name, value);
        }
    }
    Reaction::Answer(response)
}

/// What a fault does to a request that is not streamed; `None` without one.
async fn fail(dialect: &dyn Dialect, fault: Option<&ModelFault>, model: &str) -> Option<Reaction> {
    let fault = fault?;
    if let Some(response) = dialect.fault(fault, model) {
        return Some(Reaction::Answer(response));
    }
    match fault {
        ModelFault::Hang | ModelFault::Stall { .. } => std::future::pending().await,
        ModelFault::ErrorInStream { .. } => dialect
            .fault(&ModelFault::ServerError, model)
            .map(Reaction::Answer),
        _ => Some(Reaction::Drop),
    }
}
