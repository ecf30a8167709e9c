use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use domain::EmbeddingSettings;
use secrecy::SecretString;

use super::{Embedder, HashedNgrams, RetryEmbeddings};
use crate::models::Key;
use crate::{Error, Models};

/// The provider that is a model in this very process.
const LOCAL: &str = "local";

/// The most embedders kept ready; beyond that the store is emptied and fills again.
const KEPT: usize = 1024;

/// What the operator has set up to embed with, for tenants that set nothing of their own.
#[derive(Clone, Debug)]
pub struct PlatformEmbedding {
    /// Provider, model and dimensions; an empty provider: chosen by what is there.
    pub settings: EmbeddingSettings,
    /// The model of the provider `local`.
    pub local: LocalModel,
}

/// A folder with a model as sentence-transformers keep it.
#[derive(Clone, Debug)]
pub struct LocalModel {
    /// The folder; its name is the model's name beside each vector.
    pub folder: PathBuf,
    /// How many batches of documents are embedded at a time; each takes every core there is.
    pub at_a_time: NonZeroUsize,
}

impl LocalModel {
    /// Whether this program can use models in folders at all: cargo feature `local-embeddings`.
    pub const SUPPORTED: bool = cfg!(feature = "local-embeddings");

    /// Whether the folder holds a model.
    pub fn is_there(&self) -> bool {
        self.folder.join("model.safetensors").is_file()
    }

    #[cfg(feature = "local-embeddings")]
    fn open(&self) -> Result<Arc<dyn Embedder>, Error> {
        Ok(Arc::new(super::LocalEmbeddings::open(self)?))
    }

    #[cfg(not(feature = "local-embeddings"))]
    fn open(&self) -> Result<Arc<dyn Embedder>, Error> {
        Err(Error::Misconfigured {
            provider: LOCAL.to_owned(),
            detail: format!(
                "this program was built without the feature `local-embeddings`, and leaves {} alone",
                self.folder.display()
            ),
            source: None,
        })
    }
}

/// Gives every tenant the embedder that its settings name.
pub struct Embedders {
    platform: Arc<dyn Embedder>,
    shelf: Option<Shelf>,
}

impl Embedders {
    /// Sets up the platform's embedder; no provider is called and no model is loaded.
    ///
    /// Without a provider in `platform` it is OpenAI where the platform has a key to it, else the
    /// local model where there is one, else [`HashedNgrams`].
    ///
    /// # Errors
    /// [`Error::Misconfigured`] for settings that lead to no embedder.
    pub fn new(models: Arc<Models>, platform: &PlatformEmbedding) -> Result<Self, Error> {
        let mut settings = platform.settings.clone();
        if settings.provider.is_empty() {
            chosen(&models, &platform.local).clone_into(&mut settings.provider);
        }
        let shelf = Shelf {
            models,
            local: platform.local.clone(),
            ready: Mutex::default(),
        };
        Ok(Self {
            platform: shelf.get(&settings, None)?,
            shelf: Some(shelf),
        })
    }

    /// One embedder for everybody, whatever they set.
    pub const fn only(embedder: Arc<dyn Embedder>) -> Self {
        Self {
            platform: embedder,
            shelf: None,
        }
    }

    /// The embedder of tenants that set none.
    pub fn platform(&self) -> &Arc<dyn Embedder> {
        &self.platform
    }

    /// The embedder that `settings` name, `None`: the platform's. `tenant_key` is the tenant's own
    /// key to that provider.
    ///
    /// The same settings and key give the same embedder, connections included.
    ///
    /// # Errors
    /// [`Error::Misconfigured`] for an unknown provider, without a key where one is needed, or for
    /// a model whose dimension is neither known nor set.
    pub fn for_tenant(
        &self,
        settings: Option<&EmbeddingSettings>,
        tenant_key: Option<SecretString>,
    ) -> Result<Arc<dyn Embedder>, Error> {
        match (settings, &self.shelf) {
            (Some(settings), Some(shelf)) => shelf.get(settings, tenant_key),
            _ => Ok(Arc::clone(&self.platform)),
        }
    }
}

/// The best provider there is without any setting.
fn chosen(models: &Models, local: &LocalModel) -> &'static str {
    if models.has_openai_key() {
        "openai"
    } else if LocalModel::SUPPORTED && local.is_there() {
        LOCAL
    } else {
        "builtin"
    }
}

/// Embedders that were made, and what others are made with.
struct Shelf {
    models: Arc<Models>,
    local: LocalModel,
    ready: Mutex<HashMap<(EmbeddingSettings, Key), Arc<dyn Embedder>>>,
}

impl Shelf {
    fn get(
        &self,
        settings: &EmbeddingSettings,
        tenant_key: Option<SecretString>,
    ) -> Result<Arc<dyn Embedder>, Error> {
        let choice = match settings.provider.as_str() {
            // There is one, whatever else is set: it is loaded once for all.
            LOCAL => {
                let settings = EmbeddingSettings {
                    provider: LOCAL.to_owned(),
                    ..EmbeddingSettings::default()
                };
                (settings, Key(None))
            }
            "builtin" => return Ok(Arc::new(HashedNgrams)),
            _ => (settings.clone(), Key(tenant_key)),
        };
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(embedder) = ready.get(&choice) {
            return Ok(Arc::clone(embedder));
        }
        let embedder = self.make(&choice)?;
        if ready.len() >= KEPT {
            // The local model takes long to load and much memory.
            ready.retain(|(settings, _), _| settings.provider == LOCAL);
        }
        ready.insert(choice, Arc::clone(&embedder));
        Ok(embedder)
    }

    fn make(&self, choice: &(EmbeddingSettings, Key)) -> Result<Arc<dyn Embedder>, Error> {
        let (settings, key) = choice;
        if settings.provider == LOCAL {
            return self.local.open();
        }
        let client = self.models.embeddings(settings, key.0.clone())?;
        Ok(Arc::new(RetryEmbeddings::new(
            client,
            RetryEmbeddings::POLICY,
        )))
    }
}
