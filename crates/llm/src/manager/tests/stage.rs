use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::LlmChoice;

use crate::manager::circuit::Circuit;
use crate::manager::link::Link;
use crate::manager::{Call, Chain, CircuitPolicy, KeyOwner, Observer};
use crate::{Error, Message, Model, ModelContext, Reply, Request, Scripted};

pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// Keeps what it is told.
#[derive(Default)]
pub(super) struct Seen(pub(super) Mutex<Vec<Call>>);

impl Observer for Seen {
    fn ended(&self, call: Call) {
        self.0.lock().unwrap().push(call);
    }
}

/// A chain, what its models say, and what is told of them.
pub(super) struct Stage {
    pub(super) chain: Arc<Chain>,
    pub(super) scripts: Vec<Arc<Scripted>>,
    pub(super) seen: Arc<Seen>,
}

pub(super) fn link(nth: usize, inner: Result<Arc<dyn Model>, String>) -> Arc<Link> {
    sized_link(nth, None, inner)
}

/// A link whose model reads so many tokens at once.
pub(super) fn sized_link(
    nth: usize,
    window: Option<u32>,
    inner: Result<Arc<dyn Model>, String>,
) -> Arc<Link> {
    Arc::new(Link {
        choice: LlmChoice {
            provider: format!("provider-{nth}"),
            ..LlmChoice::default()
        },
        provider: "scripted",
        account: format!("account-{nth}"),
        model: format!("model-{nth}"),
        key_owner: KeyOwner::Platform,
        circuit: Arc::new(Circuit::new(CircuitPolicy::default())),
        context: ModelContext {
            model: format!("model-{nth}"),
            // The later, the smaller.
            tokens: window.unwrap_or(100_000 >> nth),
            is_known: window.is_some(),
        },
        inner,
    })
}

/// A chain whose links give these replies.
pub(super) fn stage(replies: impl IntoIterator<Item = Vec<Reply>>) -> Stage {
    sized(replies.into_iter().map(|replies| (None, replies)))
}

/// A chain whose links read so many tokens at once and give these replies.
pub(super) fn sized(links: impl IntoIterator<Item = (Option<u32>, Vec<Reply>)>) -> Stage {
    let (windows, scripts): (Vec<_>, Vec<_>) = links
        .into_iter()
        .map(|(window, replies)| (window, Arc::new(Scripted::new(replies))))
        .unzip();
    let links = scripts.iter().enumerate().map(|(nth, script)| {
        let inner: Arc<dyn Model> = Arc::<Scripted>::clone(script);
        sized_link(nth, windows[nth], Ok(inner))
    });
    let links = links.collect();
    Stage {
        chain: Arc::new(Chain {
            links,
            patience: PATIENCE,
        }),
        scripts,
        seen: Arc::default(),
    }
}

impl Stage {
    pub(super) fn model(&self) -> Arc<dyn Model> {
        self.chain.observed(Arc::<Seen>::clone(&self.seen))
    }

    pub(super) async fn ask(&self) -> Result<String, Error> {
        let completion = self.model().complete(request()).await?;
        Ok(completion.text)
    }

    pub(super) fn calls(&self) -> Vec<Call> {
        self.seen.0.lock().unwrap().clone()
    }

    pub(super) fn asked(&self) -> Vec<usize> {
        let asked = self.scripts.iter();
        asked.map(|script| script.requests().len()).collect()
    }
}

pub(super) fn request() -> Request {
    Request {
        model: "the-first-links".to_owned(),
        messages: vec![Message::user("Do you sell tea?")],
        ..Request::default()
    }
}

pub(super) fn unavailable() -> Error {
    Error::Unavailable {
        provider: "scripted",
        retry_after: None,
        source: None,
    }
}

pub(super) fn limited(seconds: u64) -> Error {
    Error::RateLimited {
        provider: "scripted",
        retry_after: Some(Duration::from_secs(seconds)),
    }
}

pub(super) fn broken() -> Error {
    Error::BrokenStream {
        provider: "scripted",
        detail: String::new(),
        source: None,
    }
}

pub(super) fn too_long() -> Error {
    Error::ContextTooLong {
        provider: "scripted",
        detail: String::new(),
    }
}

pub(super) fn key_refused() -> Error {
    Error::KeyRefused {
        provider: "scripted",
    }
}
