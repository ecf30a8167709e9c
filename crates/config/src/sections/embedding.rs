use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;

use crate::section::section;
use crate::value::Value;

/// The most dimensions a stored vector may have.
const MAX_DIMENSIONS: u32 = 4000;

section! {
    /// What turns texts into vectors, for tenants that set nothing of their own: `docs/embeddings.md`.
    Embedding, "Embeddings";

    /// `openai`, `ollama`, `local` (a model in this very process), `builtin` (hashed parts of words, no
    /// model), or `auto`: `openai` if `METACHAT_OPENAI_API_KEY` is set, else `local` if its folder holds
    /// a model, else `builtin`.
    "METACHAT_EMBEDDING_PROVIDER" = "auto" => provider: EmbeddingProvider,
        production "name the provider: all processes have to embed alike, whatever each finds.";

    /// The provider's name of the model. Not set: `text-embedding-3-small` at `openai`,
    /// `nomic-embed-text` at `ollama`.
    "METACHAT_EMBEDDING_MODEL" => model: Option<String>;

    /// How many numbers a vector has, at most 4000. Not set: as many as the model makes by itself; needed
    /// for a model that the product does not know.
    "METACHAT_EMBEDDING_DIMENSIONS" => dimensions: Option<NonZeroU32>, check at_most;

    /// The folder of the provider `local`: a BERT model as sentence-transformers keep it. Not set:
    /// `models/all-MiniLM-L6-v2` in `METACHAT_DATA_DIR`, where `metachat up` puts it.
    "METACHAT_LOCAL_MODEL_DIR" => local_model_dir: Option<PathBuf>;

    /// How many batches of documents the provider `local` embeds at a time. Each takes every core.
    "METACHAT_LOCAL_MODEL_BATCHES" = "1" => local_model_batches: NonZeroUsize;
}

/// Who turns texts into vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmbeddingProvider {
    /// The best of what is there.
    Auto,
    /// Hashed parts of words.
    Builtin,
    /// A model in this very process.
    Local,
    /// OpenAI, or a server that speaks its language.
    OpenAi,
    /// An Ollama server.
    Ollama,
}

impl EmbeddingProvider {
    /// The provider's name in tenants' settings; `None` if it is to be chosen.
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::Auto => None,
            Self::Builtin => Some("builtin"),
            Self::Local => Some("local"),
            Self::OpenAi => Some("openai"),
            Self::Ollama => Some("ollama"),
        }
    }
}

impl Value for EmbeddingProvider {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "builtin" => Ok(Self::Builtin),
            "local" => Ok(Self::Local),
            "openai" => Ok(Self::OpenAi),
            "ollama" => Ok(Self::Ollama),
            _ => Err("must be auto, builtin, local, openai or ollama".to_owned()),
        }
    }
}

#[expect(
    clippy::ref_option,
    clippy::trivially_copy_pass_by_ref,
    reason = "a check takes the field's own type"
)]
fn at_most(dimensions: &Option<NonZeroU32>) -> Result<(), &'static str> {
    if dimensions.is_none_or(|it| it.get() <= MAX_DIMENSIONS) {
        Ok(())
    } else {
        Err("must be at most 4000")
    }
}
