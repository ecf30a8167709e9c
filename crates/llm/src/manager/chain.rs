use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;

use super::call::Observer;
use super::fault::Fault;
use super::link::{Link, LinkView};
use crate::{Error, EventStream, Model, ModelContext, Request};

/// The models of one tenant's settings, in order: the first that can answers.
///
/// A link that fails before its first event makes way for the next, unless it was the request that
/// was wrong. Once an event has come there is no other link: a customer may have seen it.
pub struct Chain {
    pub(super) links: Vec<Arc<Link>>,
    /// The longest wait for a first event while another link could answer.
    pub(super) patience: Duration,
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let accounts = self.links.iter().map(|link| &link.account);
        f.debug_list().entries(accounts).finish()
    }
}

impl Chain {
    /// The chain, with `observer` told of each call.
    pub fn observed(self: &Arc<Self>, observer: Arc<dyn Observer>) -> Arc<dyn Model> {
        Arc::new(Observed {
            chain: Arc::clone(self),
            observer,
        })
    }

    /// Its links in order, as they stand.
    pub fn view(&self) -> Vec<LinkView> {
        self.links.iter().map(|link| link.view()).collect()
    }

    /// The smallest context of its links: whoever comes to answer has room. Links that lead to no model
    /// do not count.
    pub fn context(&self) -> ModelContext {
        let links = self.links.iter().filter(|link| link.inner.is_ok());
        let contexts = links.map(|link| &link.context);
        let smallest = contexts.min_by_key(|context| context.tokens);
        smallest.cloned().unwrap_or_else(ModelContext::boundless)
    }

    async fn start(
        &self,
        request: Request,
        observer: Option<&Arc<dyn Observer>>,
    ) -> Result<EventStream, Error> {
        let mut failures = Vec::new();
        for (place, link) in self.links.iter().enumerate() {
            let others = &self.links[place + 1..];
            // With nobody to turn to, waiting is all there is.
            let patience = others
                .iter()
                .any(|other| other.may_answer())
                .then_some(self.patience);
            let started = link.start(place, request.clone(), observer.cloned(), patience);
            let error = match started.await {
                Ok(events) => return Ok(events),
                Err(error) => error,
            };
            if !Fault::of(&error).is_of_the_provider() {
                return Err(error);
            }
            if !others.is_empty() {
                tracing::info!(
                    account = link.account, fault = Fault::of(&error).as_str(), %error,
                    "the next model is asked"
                );
            }
            failures.push(error);
        }
        Err(most_hopeful(failures).unwrap_or_else(nobody))
    }
}

/// Of the failures of a whole chain the one that says best what to do: that which passes soonest,
/// else the first.
fn most_hopeful(failures: Vec<Error>) -> Option<Error> {
    failures
        .into_iter()
        .min_by_key(|error| (!error.is_transient(), error.retry_after()))
}

fn nobody() -> Error {
    Error::Misconfigured {
        provider: "none".to_owned(),
        detail: "the settings name no provider".to_owned(),
        source: None,
    }
}

impl Model for Chain {
    fn provider(&self) -> &'static str {
        self.links.first().map_or("none", |link| link.provider)
    }

    fn stream(&self, request: Request) -> BoxFuture<'_, Result<EventStream, Error>> {
        Box::pin(self.start(request, None))
    }
}

/// A chain with somebody who is told.
struct Observed {
    chain: Arc<Chain>,
    observer: Arc<dyn Observer>,
}

impl Model for Observed {
    fn provider(&self) -> &'static str {
        self.chain.provider()
    }

    fn stream(&self, request: Request) -> BoxFuture<'_, Result<EventStream, Error>> {
        Box::pin(self.chain.start(request, Some(&self.observer)))
    }
}
