use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;

use super::call::Observer;
use super::estimate;
use super::fault::Fault;
use super::link::{Link, LinkView};
use crate::{Error, EventStream, Model, ModelContext, Request};

/// The models of one tenant's settings, in order: the first that can answers.
///
/// A link that fails before its first event makes way for the next, unless what is wrong with the
/// request would be wrong everywhere. Once an event has come there is no other link: a customer may have seen it.
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
        let mut failures = Failures::of(&request);
        for (place, link) in self.links.iter().enumerate() {
            if !failures.leave_it_to(link) {
                continue;
            }
            let others = &self.links[place + 1..];
            // With nobody to turn to, waiting is all there is.
            let patience = others
                .iter()
                .any(|other| failures.leave_it_to(other) && other.may_answer())
                .then_some(self.patience);
            let started = link.start(place, request.clone(), observer.cloned(), patience);
            let error = match started.await {
                Ok(events) => return Ok(events),
                Err(error) => error,
            };
            let fault = Fault::of(&error);
            if !fault.is_of_one_model() {
                return Err(error);
            }
            let said = error.to_string();
            failures.add(link, error);
            if others.iter().any(|other| failures.leave_it_to(other)) {
                tracing::info!(
                    account = link.account,
                    fault = fault.as_str(),
                    error = said,
                    "the next model is asked"
                );
            }
        }
        Err(failures.into_error().unwrap_or_else(nobody))
    }
}

/// What came of the links that were asked, and so which others are worth asking.
struct Failures {
    errors: Vec<Error>,
    /// About how many tokens the request has.
    asked: u64,
    may_be_shortened: bool,
    /// Whether a model found the request too long.
    is_too_long: bool,
    /// The largest window, in tokens, that was found too small; 0: none whose size is known.
    too_small: u64,
}

impl Failures {
    fn of(request: &Request) -> Self {
        Self {
            errors: Vec::new(),
            asked: estimate::of_request(request),
            may_be_shortened: request.may_be_shortened,
            is_too_long: false,
            too_small: 0,
        }
    }

    fn add(&mut self, link: &Link, error: Error) {
        if matches!(error, Error::ContextTooLong { .. }) {
            self.is_too_long = true;
            self.too_small = self.too_small.max(link.context.known().unwrap_or(0));
        }
        self.errors.push(error);
    }

    /// Whether a link may answer what the others could not.
    ///
    /// What is too long for a model goes to those that read more. Where that is not known the
    /// request is better shortened, if it can be: some cut what they are sent without a word.
    fn leave_it_to(&self, link: &Link) -> bool {
        if !self.is_too_long {
            return true;
        }
        match link.context.known() {
            None => !self.may_be_shortened,
            Some(window) if self.too_small > 0 => window > self.too_small,
            Some(window) => window > self.asked,
        }
    }

    /// The one that says best what to do: to send less, where that is possible; else that which
    /// passes soonest, else the first. `None`: nothing failed.
    fn into_error(mut self) -> Option<Error> {
        let is_too_long = |error: &Error| matches!(error, Error::ContextTooLong { .. });
        if self.may_be_shortened
            && let Some(at) = self.errors.iter().position(is_too_long)
        {
            return Some(self.errors.swap_remove(at));
        }
        let errors = self.errors.into_iter();
        errors.min_by_key(|error| (!error.is_transient(), error.retry_after()))
    }
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
