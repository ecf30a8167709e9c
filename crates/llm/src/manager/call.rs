use std::sync::Arc;
use std::time::Duration;

use domain::CallOutcome;
use tokio::time::Instant;

use super::circuit::{CircuitView, Permit};
use super::estimate::{self, Estimate};
use super::fault::{Fault, may_be_billed};
use super::link::{KeyOwner, Link};
use crate::{Error, Event, Request, Usage};

/// Is told of every call that a chain makes, when it is over: whole, failed, or dropped.
///
/// It is told on the task that reads or drops the answer, so it must neither block nor panic.
pub trait Observer: Send + Sync {
    /// Takes note of a call.
    fn ended(&self, call: Call);
}

/// One call of one link: what it took and how it ended. Its retries are part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The provider's name.
    pub provider: &'static str,
    /// The account; see [`domain::LlmChoice::account`].
    pub account: String,
    /// The model that was asked for.
    pub model: String,
    /// Whose key it was made with.
    pub key: KeyOwner,
    /// The link's place in the chain; 0 is the tenant's choice, the others are its fallbacks.
    pub place: usize,
    /// How it ended.
    pub outcome: CallOutcome,
    /// What went wrong, if it failed.
    pub fault: Option<Fault>,
    /// The tokens it took.
    pub usage: Usage,
    /// Whether the provider did not say and `usage` is an estimate.
    pub is_estimated: bool,
    /// From its start to its first event.
    pub first_event: Option<Duration>,
    /// From its start to its end.
    pub duration: Duration,
    /// How its account stands afterwards.
    pub circuit: CircuitView,
}

/// Whether a call tells how its account does: an answer that nobody waited for only if it had begun,
/// and not one that the model does not take, for where that is known it is not even sent.
fn tells_of_the_account(
    outcome: CallOutcome,
    fault: Option<Fault>,
    first_event: Option<Duration>,
) -> bool {
    match outcome {
        CallOutcome::Dropped => first_event.is_some(),
        CallOutcome::Completed | CallOutcome::Failed => fault != Some(Fault::Unsupported),
    }
}

/// Follows one call from its start to its end, which is told once, whatever becomes of it.
pub(super) struct Meter {
    link: Arc<Link>,
    place: usize,
    observer: Option<Arc<dyn Observer>>,
    permit: Option<Permit>,
    began: Instant,
    first_event: Option<Duration>,
    asked: u64,
    said: Estimate,
    usage: Option<Usage>,
    is_over: bool,
}

impl Meter {
    pub(super) fn start(
        link: &Arc<Link>,
        place: usize,
        request: &Request,
        observer: Option<Arc<dyn Observer>>,
        permit: Permit,
    ) -> Self {
        let asked = match observer {
            Some(_) => estimate::of_request(request),
            None => 0,
        };
        Self {
            link: Arc::clone(link),
            place,
            observer,
            permit: Some(permit),
            began: Instant::now(),
            first_event: None,
            asked,
            said: Estimate::default(),
            usage: None,
            is_over: false,
        }
    }

    pub(super) fn saw(&mut self, event: &Event) {
        if self.first_event.is_none() {
            self.first_event = Some(self.began.elapsed());
        }
        match event {
            Event::TextDelta(text) => self.said.add(text),
            Event::ToolCall(call) => {
                self.said.add(&call.name);
                self.said.add(&call.arguments);
            }
            // Sealed reasoning: its tokens are in the usage alone.
            Event::Replay(_) => {}
            Event::Usage(usage) => self.usage = Some(*usage),
            Event::Done { .. } => self.end(CallOutcome::Completed, None),
        }
    }

    pub(super) fn failed(&mut self, error: &Error) {
        let billed = self.first_event.is_some() || may_be_billed(error);
        if !billed {
            self.usage = Some(Usage::default());
        }
        self.end(CallOutcome::Failed, Some(Fault::of(error)));
    }

    /// The stream is over without having said so.
    pub(super) fn ran_out(&mut self) {
        self.end(CallOutcome::Failed, Some(Fault::BrokenStream));
    }

    fn end(&mut self, outcome: CallOutcome, fault: Option<Fault>) {
        if std::mem::replace(&mut self.is_over, true) {
            return;
        }
        if let Some(permit) = self.permit.take() {
            let of_the_account = fault.filter(|fault| fault.is_of_the_account());
            if tells_of_the_account(outcome, fault, self.first_event) {
                permit.settle(of_the_account);
            }
        }
        let Some(observer) = self.observer.take() else {
            return;
        };
        let estimated = Usage {
            input: self.asked,
            output: self.said.tokens(),
            ..Usage::default()
        };
        observer.ended(Call {
            provider: self.link.provider,
            account: self.link.account.clone(),
            model: self.link.model.clone(),
            key: self.link.key_owner,
            place: self.place,
            outcome,
            fault,
            usage: self.usage.unwrap_or(estimated),
            is_estimated: self.usage.is_none(),
            first_event: self.first_event,
            duration: self.began.elapsed(),
            circuit: self.link.circuit.view(),
        });
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.end(CallOutcome::Dropped, None);
    }
}
