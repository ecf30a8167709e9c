use std::time::Duration;

use domain::{LlmChoice, LlmSettings, TenantId};
use futures::future::{BoxFuture, join_all};
use secrecy::SecretString;
use tokio::time::timeout;

use super::fault::Fault;
use super::keys::Keys;
use super::link::{Link, LinkView};
use super::registry::Manager;
use crate::models::{Models, known};
use crate::providers::Wire;
use crate::{Error, Phase};

/// How long one account may take over a check.
const PATIENCE: Duration = Duration::from_secs(10);

/// Something that finds out, without cost, whether a provider takes a key.
pub trait Probe: Send + Sync {
    /// Asks for the names of the provider's models; `None` where there is no such list, and then
    /// nothing is called.
    fn models<'a>(
        &'a self,
        choice: &'a LlmChoice,
        key: Option<SecretString>,
    ) -> BoxFuture<'a, Result<Option<Vec<String>>, Error>>;
}

/// What a check of one link came to.
#[derive(Debug)]
pub struct Checked {
    /// The link, as it stands after the check.
    pub link: LinkView,
    /// What went wrong; `None`: the provider answered, or cannot be asked without cost.
    pub error: Option<Error>,
    /// Whether the provider lists the model; `None`: it did not say.
    pub has_model: Option<bool>,
}

impl Manager {
    /// Asks every provider of a tenant's chain, all at once, for its models.
    ///
    /// What comes of it moves the circuits of this process: a provider that answers is called
    /// again at once, whatever happened before.
    pub async fn check(
        &self,
        tenant: TenantId,
        settings: &LlmSettings,
        keys: &Keys,
        probe: &dyn Probe,
    ) -> Vec<Checked> {
        let all = |_: &LinkView| true;
        self.check_some(tenant, settings, keys, probe, all).await
    }

    /// The same for the links that are `wanted`.
    pub async fn check_some(
        &self,
        tenant: TenantId,
        settings: &LlmSettings,
        keys: &Keys,
        probe: &dyn Probe,
        wanted: impl Fn(&LinkView) -> bool + Send,
    ) -> Vec<Checked> {
        let chain = self.chain(tenant, settings, keys);
        let found = keys.of_chain(&settings.chain());
        let checks = chain.links.iter().zip(found);
        let checks: Vec<_> = checks.filter(|(link, _)| wanted(&link.view())).collect();
        join_all(
            checks
                .into_iter()
                .map(|(link, key)| check(link, key, probe)),
        )
        .await
    }
}

async fn check(link: &Link, key: Option<SecretString>, probe: &dyn Probe) -> Checked {
    if let Err(detail) = &link.inner {
        let error = Error::Misconfigured {
            provider: link.choice.provider.clone(),
            detail: detail.clone(),
            source: None,
        };
        return Checked {
            link: link.view(),
            error: Some(error),
            has_model: None,
        };
    }
    let asked = match timeout(PATIENCE, probe.models(&link.choice, key)).await {
        Ok(asked) => asked,
        Err(_) => Err(Error::TimedOut {
            provider: link.provider,
            phase: Phase::Total,
        }),
    };
    let (error, has_model) = match asked {
        // A server without such a list says nothing of its answers.
        Ok(None) | Err(Error::BadRequest { .. } | Error::Unsupported { .. }) => (None, None),
        Ok(Some(models)) => {
            link.circuit.note(None);
            (None, Some(models.contains(&link.model)))
        }
        Err(error) => {
            let fault = Fault::of(&error);
            if fault.is_of_the_account() {
                link.circuit.note(Some(fault));
            }
            (Some(error), None)
        }
    };
    Checked {
        link: link.view(),
        error,
        has_model,
    }
}

impl Probe for Models {
    fn models<'a>(
        &'a self,
        choice: &'a LlmChoice,
        key: Option<SecretString>,
    ) -> BoxFuture<'a, Result<Option<Vec<String>>, Error>> {
        Box::pin(async move {
            if known(&choice.provider)?.wire == Wire::Builtin {
                return Ok(None);
            }
            let settings = LlmSettings {
                provider: choice.provider.clone(),
                base_url: choice.base_url.clone(),
                ..LlmSettings::default()
            };
            let listed = self.list(&settings, key).await?;
            Ok(Some(listed.into_iter().map(|model| model.name).collect()))
        })
    }
}
