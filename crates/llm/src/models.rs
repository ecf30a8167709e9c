use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use domain::LlmSettings;
use outbound::{Client, Guard};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::builtin::Builtin;
use crate::embed::{Embedder, HashedNgrams, OpenAiEmbeddings};
use crate::endpoint::Endpoint;
use crate::providers::{Provider, Wire};
use crate::retry::{Retry, RetryPolicy};
use crate::wire::openai_chat::OpenAiChat;
use crate::{Error, Model, Timeouts};

/// The most models kept ready; beyond that the store is emptied and fills again.
const KEPT: usize = 1024;

/// What the operator has set up with providers, for tenants that bring nothing of their own.
#[derive(Clone, Debug, Default)]
pub struct PlatformProviders {
    /// The platform's key at OpenAI; `None`: tenants need their own.
    pub openai_api_key: Option<SecretString>,
    /// Another address than OpenAI's own, which then may need no key.
    pub openai_base_url: Option<Url>,
}

/// Gives every tenant the model that its settings name.
///
/// What a tenant's base URL names is reached through the guarded client and gets the tenant's key
/// or none, never the platform's.
pub struct Models {
    platform: PlatformProviders,
    guarded: Client,
    trusted: Client,
    timeouts: Timeouts,
    builtin: Arc<Builtin>,
    ready: Mutex<HashMap<Choice, Arc<dyn Model>>>,
}

impl Models {
    /// Sets up both HTTP clients; no provider is called.
    ///
    /// # Errors
    /// [`outbound::Error::Invalid`] if TLS cannot be set up.
    pub fn new(
        platform: PlatformProviders,
        guard: &Guard,
        timeouts: Timeouts,
    ) -> Result<Self, outbound::Error> {
        Ok(Self {
            platform,
            guarded: Client::guarded_within(guard, timeouts.outbound())?,
            trusted: Client::trusted(timeouts.outbound())?,
            timeouts,
            builtin: Arc::new(Builtin),
            ready: Mutex::default(),
        })
    }

    /// The model that `settings` name, with retries before its first event.
    ///
    /// The same settings and key give the same model, connections included.
    ///
    /// # Errors
    /// [`Error::Misconfigured`] for an unknown provider, or without a key where one is needed.
    pub fn model_for(
        &self,
        settings: &LlmSettings,
        tenant_key: Option<SecretString>,
    ) -> Result<Arc<dyn Model>, Error> {
        let provider = known(&settings.provider)?;
        if provider.wire == Wire::Builtin {
            return Ok(Arc::<Builtin>::clone(&self.builtin));
        }
        let choice = Choice {
            provider: provider.name,
            base_url: settings.base_url.clone(),
            model: settings.model.clone(),
            key: Key(tenant_key),
        };
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(model) = ready.get(&choice) {
            return Ok(Arc::clone(model));
        }
        let model = self.make(provider, &choice)?;
        if ready.len() >= KEPT {
            ready.clear();
        }
        ready.insert(choice, Arc::clone(&model));
        Ok(model)
    }

    /// The platform's embedder: `builtin` is [`HashedNgrams`], `openai` its endpoint for `model`,
    /// whose vectors have `dimensions` numbers; both are ignored for `builtin`.
    ///
    /// # Errors
    /// [`Error::Misconfigured`] for an unknown provider, or without the platform's key.
    pub fn embedder(
        &self,
        provider: &str,
        model: &str,
        dimensions: usize,
    ) -> Result<Arc<dyn Embedder>, Error> {
        let provider = known(provider)?;
        match provider.wire {
            Wire::Builtin => Ok(Arc::new(HashedNgrams)),
            Wire::OpenAiChat => {
                let endpoint = self.endpoint(provider, None, None)?;
                Ok(Arc::new(OpenAiEmbeddings::new(endpoint, model, dimensions)))
            }
        }
    }

    fn make(&self, provider: &'static Provider, choice: &Choice) -> Result<Arc<dyn Model>, Error> {
        let key = choice.key.0.clone();
        let endpoint = self.endpoint(provider, choice.base_url.as_ref(), key)?;
        let capabilities = provider.capabilities_at(&endpoint.base_url);
        let model = match choice.model.as_str() {
            "" => provider.default_model.to_owned(),
            named => named.to_owned(),
        };
        let inner = match provider.wire {
            Wire::OpenAiChat => OpenAiChat::new(endpoint, model, capabilities),
            Wire::Builtin => return Ok(Arc::<Builtin>::clone(&self.builtin)),
        };
        Ok(Arc::new(Retry::new(
            Arc::new(inner),
            RetryPolicy::default(),
        )))
    }

    /// Decides who is called with whose key.
    pub(crate) fn endpoint(
        &self,
        provider: &'static Provider,
        tenant_url: Option<&Url>,
        tenant_key: Option<SecretString>,
    ) -> Result<Endpoint, Error> {
        let (client, base_url, key) = if let Some(url) = tenant_url {
            (&self.guarded, url.clone(), tenant_key)
        } else {
            let own = Url::parse(provider.base_url);
            let own = own.map_err(|error| misconfigured(provider.name, "has no address", error))?;
            let elsewhere = self.platform.openai_base_url.clone();
            let key = tenant_key.or_else(|| self.platform.openai_api_key.clone());
            if key.is_none() && elsewhere.is_none() {
                return Err(Error::Misconfigured {
                    provider: provider.name.to_owned(),
                    detail: "it needs an API key, and none is set".to_owned(),
                    source: None,
                });
            }
            (&self.trusted, elsewhere.unwrap_or(own), key)
        };
        Ok(Endpoint {
            provider: provider.name,
            base_url,
            key,
            client: client.clone(),
            timeouts: self.timeouts,
        })
    }
}

pub(crate) fn known(name: &str) -> Result<&'static Provider, Error> {
    Provider::find(name).ok_or_else(|| Error::Misconfigured {
        provider: name.to_owned(),
        detail: "no such provider is known".to_owned(),
        source: None,
    })
}

fn misconfigured(provider: &str, detail: &str, error: url::ParseError) -> Error {
    Error::Misconfigured {
        provider: provider.to_owned(),
        detail: detail.to_owned(),
        source: Some(error.into()),
    }
}

/// All that makes one model differ from another.
#[derive(PartialEq, Eq, Hash)]
struct Choice {
    provider: &'static str,
    base_url: Option<Url>,
    model: String,
    key: Key,
}

/// A key, compared by its content: two tenants never share what is made with one tenant's key.
pub(crate) struct Key(pub(crate) Option<SecretString>);

impl Key {
    fn content(&self) -> Option<&str> {
        self.0.as_ref().map(ExposeSecret::expose_secret)
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.content() == other.content()
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.content().hash(state);
    }
}
