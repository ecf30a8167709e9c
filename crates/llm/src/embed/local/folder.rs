use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::NAME;
use crate::{Cause, Error};

/// The kind of models that can be run.
const MODEL_TYPE: &str = "bert";

/// The fewest tokens that a model may read at once: those that mark begin and end, and some text.
const LEAST_TOKENS: usize = 8;

/// The file by which a model counts its tokens.
pub(super) const TOKENIZER: &str = "tokenizer.json";

/// What a folder says of its model.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// The file by which the model counts its tokens.
    pub(super) tokenizer_file: PathBuf,
    /// Its name, and the model's.
    pub(super) name: String,
    /// How many numbers a vector has.
    pub(super) dimensions: usize,
    /// How many tokens the model reads at once, marks of begin and end included.
    pub(super) max_tokens: usize,
    /// How the vectors of tokens become one.
    pub(super) pooling: Pooling,
}

/// How the vectors of tokens become that of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pooling {
    /// Their mean.
    Mean,
    /// The first one stands for all.
    First,
}

/// `config.json`.
#[derive(Deserialize)]
struct ModelConfig {
    model_type: String,
    hidden_size: usize,
    max_position_embeddings: usize,
}

/// `sentence_bert_config.json`.
#[derive(Default, Deserialize)]
struct SentenceConfig {
    max_seq_length: Option<usize>,
}

/// One entry of `modules.json`.
#[derive(Deserialize)]
struct Module {
    path: String,
    #[serde(rename = "type")]
    kind: String,
}

/// `config.json` of the pooling.
#[derive(Deserialize)]
#[serde(default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the file has a field for each way"
)]
struct PoolingConfig {
    pooling_mode_mean_tokens: bool,
    pooling_mode_cls_token: bool,
    pooling_mode_max_tokens: bool,
    pooling_mode_mean_sqrt_len_tokens: bool,
}

impl Default for PoolingConfig {
    fn default() -> Self {
        Self {
            pooling_mode_mean_tokens: true,
            pooling_mode_cls_token: false,
            pooling_mode_max_tokens: false,
            pooling_mode_mean_sqrt_len_tokens: false,
        }
    }
}

impl Folder {
    /// Reads all that is small; the weights are left.
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let config: ModelConfig = read_json(path, "config.json")?
            .ok_or_else(|| unusable(path, "it has no config.json", None))?;
        if config.model_type != MODEL_TYPE {
            let detail = format!(
                "its model is of the type {}, and only {MODEL_TYPE} can be run",
                config.model_type
            );
            return Err(unusable(path, &detail, None));
        }
        let sentence: SentenceConfig =
            read_json(path, "sentence_bert_config.json")?.unwrap_or_default();
        let longest = config.max_position_embeddings;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Ok(Self {
            path: path.to_owned(),
            // The reader of documents is another process.
            tokenizer_file: std::path::absolute(path)
                .map_or_else(|_| path.join(TOKENIZER), |path| path.join(TOKENIZER)),
            name: name.into_owned(),
            dimensions: config.hidden_size,
            max_tokens: sentence
                .max_seq_length
                .unwrap_or(longest)
                .clamp(LEAST_TOKENS.min(longest), longest),
            pooling: pooling(path)?,
        })
    }

    /// The bytes of a file of the folder.
    pub(super) fn bytes(&self, name: &str) -> Result<Vec<u8>, Error> {
        let bytes = fs::read(self.path.join(name));
        bytes.map_err(|error| self.unusable(&format!("{name} cannot be read"), Some(error.into())))
    }

    /// The hash that a file shall have, where one stands beside it as `sha256sum` writes it.
    pub(super) fn expected_sha256(&self, name: &str) -> Option<String> {
        let text = fs::read_to_string(self.path.join(format!("{name}.sha256"))).ok()?;
        text.split_whitespace().next().map(str::to_lowercase)
    }

    /// Says that the folder holds no model that can be used.
    pub(super) fn unusable(&self, detail: &str, source: Option<Cause>) -> Error {
        unusable(&self.path, detail, source)
    }
}

fn pooling(path: &Path) -> Result<Pooling, Error> {
    let modules: Vec<Module> = read_json(path, "modules.json")?.unwrap_or_default();
    let named = |end: &str| modules.iter().find(|module| module.kind.ends_with(end));
    if named(".Dense").is_some() {
        let detail = "its model ends in a dense layer, which cannot be run";
        return Err(unusable(path, detail, None));
    }
    let config = match named(".Pooling") {
        Some(module) => read_json(path, &format!("{}/config.json", module.path))?,
        None => None,
    };
    let config: PoolingConfig = config.unwrap_or_default();
    let modes = (
        config.pooling_mode_mean_tokens,
        config.pooling_mode_cls_token,
        config.pooling_mode_max_tokens || config.pooling_mode_mean_sqrt_len_tokens,
    );
    match modes {
        (true, false, false) => Ok(Pooling::Mean),
        (false, true, false) => Ok(Pooling::First),
        _ => {
            let detail = "its vectors are pooled neither by the mean nor by the first token";
            Err(unusable(path, detail, None))
        }
    }
}

/// Reads a file of JSON; `None` if there is no such file.
fn read_json<T: DeserializeOwned>(path: &Path, name: &str) -> Result<Option<T>, Error> {
    let file = path.join(name);
    if !file.exists() {
        return Ok(None);
    }
    let broken = |cause: Cause| unusable(path, &format!("{name} cannot be read"), Some(cause));
    let bytes = fs::read(&file).map_err(|error| broken(error.into()))?;
    let value = serde_json::from_slice(&bytes).map_err(|error| broken(error.into()))?;
    Ok(Some(value))
}

fn unusable(path: &Path, detail: &str, source: Option<Cause>) -> Error {
    Error::Misconfigured {
        provider: NAME.to_owned(),
        detail: format!("the model in {} cannot be used: {detail}", path.display()),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> Result<Folder, String> {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let file = dir.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        Folder::read(dir.path()).map_err(|error| error.to_string())
    }

    const CONFIG: (&str, &str) = (
        "config.json",
        r#"{"model_type": "bert", "hidden_size": 384, "max_position_embeddings": 512}"#,
    );
    const MODULES: (&str, &str) = (
        "modules.json",
        r#"[{"path": "", "type": "sentence_transformers.models.Transformer"},
            {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}]"#,
    );

    #[test]
    fn a_folder_says_what_its_model_needs() {
        let bare = folder(&[CONFIG]).unwrap();
        assert_eq!((bare.dimensions, bare.max_tokens), (384, 512));
        assert_eq!(bare.pooling, Pooling::Mean);
        let pooling = r#"{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false}"#;
        let full = folder(&[
            CONFIG,
            MODULES,
            ("1_Pooling/config.json", pooling),
            ("sentence_bert_config.json", r#"{"max_seq_length": 256}"#),
        ]);
        let full = full.unwrap();
        assert_eq!((full.max_tokens, full.pooling), (256, Pooling::First));
    }

    #[test]
    fn what_cannot_be_run_is_refused_with_its_reason() {
        let other = r#"{"model_type": "mpnet", "hidden_size": 8, "max_position_embeddings": 9}"#;
        let max = r#"{"pooling_mode_mean_tokens": true, "pooling_mode_max_tokens": true}"#;
        let dense = r#"[{"path": "2_Dense", "type": "sentence_transformers.models.Dense"}]"#;
        for (files, reason) in [
            (vec![], "no config.json"),
            (vec![("config.json", "{")], "config.json cannot be read"),
            (vec![("config.json", other)], "of the type mpnet"),
            (vec![CONFIG, ("modules.json", dense)], "a dense layer"),
            (
                vec![CONFIG, MODULES, ("1_Pooling/config.json", max)],
                "neither by the mean",
            ),
        ] {
            let error = folder(&files).unwrap_err();
            assert!(error.contains(reason), "{reason} in {error}");
        }
    }
}
