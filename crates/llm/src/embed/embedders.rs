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

/// The provider that needs no model.
const BUILTIN: &str = "builtin";

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
    /// What the platform's was made of.
    settings: Option<EmbeddingSettings>,
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
        let settings = match platform.settings.provider.as_str() {
            "" => chosen(&models, platform),
            _ => platform.settings.clone(),
        };
        let shelf = Shelf {
            models,
            local: platform.local.clone(),
            ready: Mutex::default(),
        };
        Ok(Self {
            platform: shelf.get(&settings, None)?,
            settings: Some(settings),
            shelf: Some(shelf),
        })
    }

    /// One embedder for everybody, whatever they set.
    pub const fn only(embedder: Arc<dyn Embedder>) -> Self {
        Self {
            platform: embedder,
            settings: None,
            shelf: None,
        }
    }

    /// The embedder of tenants that set none.
    pub fn platform(&self) -> &Arc<dyn Embedder> {
        &self.platform
    }

    /// What names the embedder of tenants that set none; `None` where it was made otherwise.
    pub const fn platform_settings(&self) -> Option<&EmbeddingSettings> {
        self.settings.as_ref()
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

/// The best there is without any provider set.
fn chosen(models: &Models, platform: &PlatformEmbedding) -> EmbeddingSettings {
    if models.has_openai_key() {
        return EmbeddingSettings {
            provider: "openai".to_owned(),
            ..platform.settings.clone()
        };
    }
    // Model and dimensions are set for a provider that could have them.
    let is_local = LocalModel::SUPPORTED && platform.local.is_there();
    EmbeddingSettings {
        provider: if is_local { LOCAL } else { BUILTIN }.to_owned(),
        ..EmbeddingSettings::default()
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
            BUILTIN => return fitting(Arc::new(HashedNgrams), settings),
            // There is one, loaded once for all.
            LOCAL => {
                let settings = EmbeddingSettings {
                    provider: LOCAL.to_owned(),
                    ..EmbeddingSettings::default()
                };
                (settings, Key(None))
            }
            _ => (settings.clone(), Key(tenant_key)),
        };
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(embedder) = ready.get(&choice) {
            return fitting(Arc::clone(embedder), settings);
        }
        let embedder = self.make(&choice)?;
        if ready.len() >= KEPT {
            // The local model takes long to load and much memory.
            ready.retain(|(settings, _), _| settings.provider == LOCAL);
        }
        ready.insert(choice, Arc::clone(&embedder));
        fitting(embedder, settings)
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

/// The embedder, if it is the one that was asked for: a provider may have another model than it had
/// when the settings were made.
fn fitting(
    embedder: Arc<dyn Embedder>,
    settings: &EmbeddingSettings,
) -> Result<Arc<dyn Embedder>, Error> {
    let is_model = settings.model.is_empty() || settings.model == embedder.model();
    let dimensions = embedder.dimensions();
    let is_size = settings
        .dimensions
        .is_none_or(|set| usize::try_from(set.get()) == Ok(dimensions));
    if is_model && is_size {
        return Ok(embedder);
    }
    Err(Error::Misconfigured {
        provider: embedder.provider().to_owned(),
        detail: format!(
            "its model is {}, whose vectors have {dimensions} numbers",
            embedder.model()
        ),
        source: None,
    })
}
