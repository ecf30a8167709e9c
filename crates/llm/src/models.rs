use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use domain::{EmbeddingSettings, LlmSettings};
use outbound::{Client, Guard};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::builtin::Builtin;
use crate::embed::{Embedder, HashedNgrams, OllamaEmbeddings, OpenAiEmbeddings, Payer};
use crate::endpoint::Endpoint;
use crate::listing::{self, ListedModel};
use crate::providers::{Capabilities, Provider, Wire, window_of};
use crate::rate_limits::Gate;
use crate::retry::{Retry, RetryPolicy};
use crate::wire::anthropic::Anthropic;
use crate::wire::ollama::{Ollama, OllamaOptions};
use crate::wire::openai::OpenAi;
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
    /// Whether that address has the Responses API too, as a gateway to OpenAI may.
    pub openai_responses: bool,
    /// The platform's key at Anthropic; `None`: tenants need their own.
    pub anthropic_api_key: Option<SecretString>,
    /// Another address than Anthropic's own, which then may need no key.
    pub anthropic_base_url: Option<Url>,
    /// Where the platform's Ollama is; `None`: on this machine.
    pub ollama_base_url: Option<Url>,
    /// How many tokens of context it gives a model; `None`: its own setting.
    pub ollama_context_tokens: Option<u32>,
    /// How long it keeps a model loaded after an answer; `None`: its own setting.
    pub ollama_keep_alive_seconds: Option<u32>,
}

impl PlatformProviders {
    /// The platform's key and its own choice of address.
    fn of(&self, wire: Wire) -> (Option<&SecretString>, Option<&Url>) {
        match wire {
            Wire::Builtin => (None, None),
            Wire::OpenAi => (self.openai_api_key.as_ref(), self.openai_base_url.as_ref()),
            Wire::Anthropic => (
                self.anthropic_api_key.as_ref(),
                self.anthropic_base_url.as_ref(),
            ),
            Wire::Ollama => (None, self.ollama_base_url.as_ref()),
        }
    }
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
            options: self.ollama_options(settings),
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

    /// The client that embeds for `settings`, without retries; nothing is kept.
    ///
    /// # Errors
    /// As for [`Models::model_for`], and for a model whose dimension is neither known nor set.
    pub fn embeddings(
        &self,
        settings: &EmbeddingSettings,
        tenant_key: Option<SecretString>,
    ) -> Result<Arc<dyn Embedder>, Error> {
        let provider = known(&settings.provider)?;
        if !provider.capabilities.embeddings {
            return Err(misconfigured(provider.name, "it has no embeddings"));
        }
        if provider.wire == Wire::Builtin {
            return Ok(Arc::new(HashedNgrams));
        }
        let is_ollama = provider.wire == Wire::Ollama;
        let model = match settings.model.as_str() {
            "" if is_ollama => OllamaEmbeddings::DEFAULT_MODEL,
            "" => OpenAiEmbeddings::DEFAULT_MODEL,
            named => named,
        };
        let known = if is_ollama {
            OllamaEmbeddings::dimensions_of(model)
        } else {
            OpenAiEmbeddings::dimensions_of(model)
        };
        let set = settings
            .dimensions
            .and_then(|set| set.get().try_into().ok());
        let dimensions = set.or(known).ok_or_else(|| {
            let detail = format!("how many dimensions {model} has is not known: set it");
            misconfigured(provider.name, &detail)
        })?;
        let payer = Payer::of(settings, tenant_key.as_ref());
        let (endpoint, _) = self.endpoint(provider, settings.base_url.as_ref(), tenant_key)?;
        let model = model.to_owned();
        if is_ollama {
            let keep_alive = self.platform.ollama_keep_alive_seconds;
            let client = OllamaEmbeddings::new(endpoint, model, dimensions, keep_alive, payer);
            return Ok(Arc::new(client));
        }
        let client = OpenAiEmbeddings::new(endpoint, model, dimensions, payer);
        Ok(Arc::new(client))
    }

    /// The models that the provider named by `settings` has, by name: also the cheapest way to see
    /// whether it answers and takes the key.
    ///
    /// # Errors
    /// As [`Models::model_for`], and any [`Error`] of the provider.
    pub async fn list(
        &self,
        settings: &LlmSettings,
        tenant_key: Option<SecretString>,
    ) -> Result<Vec<ListedModel>, Error> {
        let provider = known(&settings.provider)?;
        if provider.wire == Wire::Builtin {
            return Ok(listing::builtin());
        }
        let (endpoint, _) = self.endpoint(provider, settings.base_url.as_ref(), tenant_key)?;
        listing::list(&endpoint, provider.wire).await
    }

    /// How many tokens a model reads at once where `settings` lead; `None`: not known.
    pub(crate) fn window_of(&self, settings: &LlmSettings, model: &str) -> Option<u64> {
        match known(&settings.provider).ok()?.wire {
            Wire::Builtin => None,
            Wire::OpenAi | Wire::Anthropic => window_of(model),
            // What the server gives it, whatever it could read.
            Wire::Ollama => self.ollama_options(settings).context_tokens.map(u64::from),
        }
    }

    /// Whether the platform has a key of its own to OpenAI.
    pub(crate) const fn has_openai_key(&self) -> bool {
        self.platform.openai_api_key.is_some()
    }

    fn make(&self, provider: &'static Provider, choice: &Choice) -> Result<Arc<dyn Model>, Error> {
        let key = choice.key.0.clone();
        let (endpoint, able) = self.endpoint(provider, choice.base_url.as_ref(), key)?;
        let model = match choice.model.as_str() {
            "" => provider.default_model.to_owned(),
            named => named.to_owned(),
        };
        let inner: Arc<dyn Model> = match provider.wire {
            Wire::Builtin => return Ok(Arc::<Builtin>::clone(&self.builtin)),
            Wire::OpenAi => Arc::new(OpenAi::new(endpoint, model, able)),
            Wire::Anthropic => Arc::new(Anthropic::new(endpoint, model, able)),
            Wire::Ollama => Arc::new(Ollama::new(endpoint, model, able, choice.options)),
        };
        Ok(Arc::new(Retry::new(inner, RetryPolicy::default())))
    }

    /// How Ollama is to hold the model: a tenant decides over its own server, the operator over
    /// the platform's, where one tenant's wish would load the model anew for all others.
    fn ollama_options(&self, settings: &LlmSettings) -> OllamaOptions {
        if settings.base_url.is_some() {
            OllamaOptions {
                context_tokens: settings.context_tokens,
                keep_alive_seconds: settings.keep_alive_seconds,
            }
        } else {
            OllamaOptions {
                context_tokens: self.platform.ollama_context_tokens,
                keep_alive_seconds: self.platform.ollama_keep_alive_seconds,
            }
        }
    }

    /// Decides who is called with whose key, and what can be relied on there.
    fn endpoint(
        &self,
        provider: &'static Provider,
        tenant_url: Option<&Url>,
        tenant_key: Option<SecretString>,
    ) -> Result<(Endpoint, Capabilities), Error> {
        let (client, base_url, key) = if let Some(url) = tenant_url {
            (&self.guarded, url.clone(), tenant_key)
        } else {
            let (platform_key, elsewhere) = self.platform.of(provider.wire);
            let url = match elsewhere {
                Some(url) => url.clone(),
                None => Url::parse(provider.base_url)
                    .map_err(|_| misconfigured(provider.name, "has no address"))?,
            };
            (&self.trusted, url, tenant_key.or(platform_key.cloned()))
        };
        let mut able = provider.capabilities_at(&base_url);
        if tenant_url.is_none() && provider.wire == Wire::OpenAi {
            able.responses |= self.platform.openai_responses;
        }
        if able.needs_key && key.is_none() {
            return Err(misconfigured(
                provider.name,
                "it needs an API key, and none is set",
            ));
        }
        let timeouts = if able.loads_models {
            self.timeouts.local()
        } else {
            self.timeouts
        };
        let endpoint = Endpoint {
            provider: provider.name,
            base_url,
            auth: provider.auth,
            headers: provider.headers,
            key,
            client: client.clone(),
            timeouts,
            gate: Arc::new(Gate::default()),
        };
        Ok((endpoint, able))
    }
}

pub(crate) fn known(name: &str) -> Result<&'static Provider, Error> {
    Provider::find(name).ok_or_else(|| misconfigured(name, "no such provider is known"))
}

fn misconfigured(provider: &str, detail: &str) -> Error {
    Error::Misconfigured {
        provider: provider.to_owned(),
        detail: detail.to_owned(),
        source: None,
    }
}

/// All that makes one model differ from another.
#[derive(PartialEq, Eq, Hash)]
struct Choice {
    provider: &'static str,
    base_url: Option<Url>,
    model: String,
    key: Key,
    options: OllamaOptions,
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
