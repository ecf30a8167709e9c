use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use domain::LlmChoice;
use futures::future::BoxFuture;
use llm::manager::{Fault, Probe};
use llm::{Error, Models, Provider};
use secrecy::SecretString;

/// For how long what a provider said to the platform's key is believed.
const BELIEVED_FOR: Duration = Duration::from_mins(1);

/// What providers said to the platform's keys of late: of the tenants that share one, one asks for
/// all.
#[derive(Debug, Default)]
pub(crate) struct Lists(Mutex<HashMap<&'static str, (Instant, Said)>>);

/// The names of the models, or what went wrong.
type Said = Result<Option<Vec<String>>, Fault>;

impl Lists {
    fn fresh(&self, provider: &'static str) -> Option<Said> {
        let lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, said) = lists.get(provider)?;
        (at.elapsed() < BELIEVED_FOR).then(|| said.clone())
    }

    fn keep(&self, provider: &'static str, said: Said) {
        let mut lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lists.insert(provider, (Instant::now(), said));
    }
}

/// Asks providers, and the platform's for all tenants at once.
pub(super) struct Asking<'a> {
    pub(super) models: &'a Models,
    pub(super) lists: &'a Lists,
}

impl Probe for Asking<'_> {
    fn models<'a>(
        &'a self,
        choice: &'a LlmChoice,
        key: Option<SecretString>,
    ) -> BoxFuture<'a, Result<Option<Vec<String>>, Error>> {
        let is_shared = key.is_none() && choice.base_url.is_none();
        let Some(provider) = Provider::find(&choice.provider).filter(|_| is_shared) else {
            return self.models.models(choice, key);
        };
        Box::pin(async move {
            if let Some(said) = self.lists.fresh(provider.name) {
                return said.map_err(|fault| again(provider.name, fault));
            }
            let said = self.models.models(choice, key).await;
            let kept = match &said {
                Ok(names) => Ok(names.clone()),
                Err(error) => Err(Fault::of(error)),
            };
            self.lists.keep(provider.name, kept);
            said
        })
    }
}

/// What was said to somebody else, as far as a look makes something of it.
fn again(provider: &'static str, fault: Fault) -> Error {
    match fault {
        Fault::KeyRefused => Error::KeyRefused { provider },
        Fault::QuotaSpent => Error::QuotaSpent {
            provider,
            detail: "it said so to another look".to_owned(),
        },
        Fault::RateLimited => Error::RateLimited {
            provider,
            retry_after: None,
        },
        Fault::BadRequest | Fault::Unsupported | Fault::ModelMissing | Fault::ContextTooLong => {
            Error::BadRequest {
                provider,
                detail: "it has no list of models".to_owned(),
            }
        }
        Fault::Misconfigured => Error::Misconfigured {
            provider: provider.to_owned(),
            detail: "the platform's settings lead nowhere".to_owned(),
            source: None,
        },
        Fault::Unavailable | Fault::TimedOut | Fault::BrokenStream => Error::Unavailable {
            provider,
            retry_after: None,
            source: Some("it did not answer another look".into()),
        },
    }
}
