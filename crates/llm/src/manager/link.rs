use std::sync::Arc;
use std::time::Duration;

use domain::LlmChoice;
use futures::{StreamExt as _, stream};
use tokio::time::timeout;

use super::call::{Meter, Observer};
use super::circuit::{Circuit, CircuitView, Refused};
use super::fault::Fault;
use crate::{Error, EventStream, Model, Phase, Request};

/// Whose key a provider is called with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyOwner {
    /// The tenant's own.
    Tenant,
    /// The platform's, or none where the provider wants none.
    Platform,
}

/// One model of a chain, as it stands in this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkView {
    /// What the settings say.
    pub choice: LlmChoice,
    /// The account; see [`LlmChoice::account`].
    pub account: String,
    /// The model, the provider's default where the settings name none.
    pub model: String,
    /// Whose key it is called with.
    pub key: KeyOwner,
    /// How its account stands.
    pub circuit: CircuitView,
    /// Why the settings lead to no model, for the tenant to read.
    pub misconfigured: Option<String>,
}

/// One model of a chain.
pub(super) struct Link {
    pub(super) choice: LlmChoice,
    pub(super) provider: &'static str,
    pub(super) account: String,
    pub(super) model: String,
    /// How many tokens it reads at once, if that is known.
    pub(super) window: Option<u64>,
    pub(super) key_owner: KeyOwner,
    pub(super) circuit: Arc<Circuit>,
    /// What answers; `Err`: why the settings lead to nothing.
    pub(super) inner: Result<Arc<dyn Model>, String>,
}

impl Link {
    /// Starts an answer: resolves with its first event, so that whatever fails before it can be
    /// answered by another link. `patience` bounds the wait for it.
    pub(super) async fn start(
        self: &Arc<Self>,
        place: usize,
        mut request: Request,
        observer: Option<Arc<dyn Observer>>,
        patience: Option<Duration>,
    ) -> Result<EventStream, Error> {
        let inner = match &self.inner {
            Ok(inner) => inner,
            Err(detail) => return Err(self.misconfigured(detail)),
        };
        let permit = match self.circuit.enter() {
            Ok(permit) => permit,
            Err(refused) => return Err(self.refused(refused)),
        };
        let mut meter = Meter::start(self, place, &request, observer, permit);
        // The settings' model is the first link's; each was made for its own.
        request.model.clear();
        let first = async {
            let mut events = inner.stream(request).await?;
            let first = events.next().await.transpose()?;
            Ok((first, events))
        };
        let begun = match patience {
            None => first.await,
            Some(patience) => match timeout(patience, first).await {
                Ok(begun) => begun,
                Err(_) => Err(Error::TimedOut {
                    provider: self.provider,
                    phase: Phase::FirstToken,
                }),
            },
        };
        match begun {
            Ok((Some(first), events)) => {
                let first = stream::once(async { Ok(first) });
                Ok(metered(first.chain(events).boxed(), meter))
            }
            Ok((None, events)) => Ok(metered(events, meter)),
            Err(error) => {
                meter.failed(&error);
                Err(error)
            }
        }
    }

    pub(super) fn view(&self) -> LinkView {
        LinkView {
            choice: self.choice.clone(),
            account: self.account.clone(),
            model: self.model.clone(),
            key: self.key_owner,
            circuit: self.circuit.view(),
            misconfigured: self.inner.as_ref().err().cloned(),
        }
    }

    /// Whether it is worth a try at this moment.
    pub(super) fn may_answer(&self) -> bool {
        self.inner.is_ok() && self.circuit.would_enter()
    }

    fn misconfigured(&self, detail: &str) -> Error {
        Error::Misconfigured {
            provider: self.choice.provider.clone(),
            detail: detail.to_owned(),
            source: None,
        }
    }

    /// An open circuit answers for the provider: with what was last wrong, if only a person can
    /// mend that.
    fn refused(&self, refused: Refused) -> Error {
        let provider = self.provider;
        match refused.fault {
            Some(Fault::KeyRefused) => Error::KeyRefused { provider },
            Some(Fault::QuotaSpent) => Error::QuotaSpent {
                provider,
                detail: "it said so to every call of late".to_owned(),
            },
            _ => Error::Unavailable {
                provider,
                retry_after: Some(refused.wait),
                source: Some("calls to it keep failing, so none is made for a while".into()),
            },
        }
    }
}

/// The events, with each of them noted as it passes.
fn metered(events: EventStream, meter: Meter) -> EventStream {
    stream::unfold((events, meter), |(mut events, mut meter)| async move {
        let next = events.next().await;
        match &next {
            Some(Ok(event)) => meter.saw(event),
            Some(Err(error)) => meter.failed(error),
            None => meter.ran_out(),
        }
        next.map(|event| (event, (events, meter)))
    })
    .boxed()
}
