use candle_core::{DType, Device, IndexOp as _, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::{BertModel, Config};
use sha2::{Digest as _, Sha256};
use tokenizers::{Encoding, PostProcessor as _, Tokenizer, TruncationDirection};

use super::NAME;
use super::folder::{Folder, Pooling, TOKENIZER};
use super::pieces::{Piece, Pieces};
use crate::{Cause, Error};

const WEIGHTS: &str = "model.safetensors";

/// A loaded model and its tokenizer.
pub(super) struct Encoder {
    bert: BertModel,
    tokenizer: Tokenizer,
    /// How many tokens of a text the model reads at once, beside its marks.
    text_tokens: usize,
    pooling: Pooling,
}

impl Encoder {
    /// Loads the model of a folder, whose weights have to have the hash that stands beside them.
    pub(super) fn load(folder: &Folder) -> Result<Self, Error> {
        let begun = std::time::Instant::now();
        let weights = folder.bytes(WEIGHTS)?;
        check(folder, &weights)?;
        let config: Config = serde_json::from_slice(&folder.bytes("config.json")?)
            .map_err(|error| folder.unusable("config.json cannot be read", Some(error.into())))?;
        let bert = VarBuilder::from_slice_safetensors(&weights, DType::F32, &Device::Cpu)
            .and_then(|weights| BertModel::load(weights, &config))
            .map_err(|error| folder.unusable("its weights do not fit", Some(error.into())))?;
        let tokenizer = tokenizer(folder)
            .map_err(|error| folder.unusable("its tokenizer cannot be used", Some(error)))?;
        tracing::info!(
            model = folder.name,
            bytes = weights.len(),
            took_ms = begun.elapsed().as_millis(),
            "the embedding model is loaded"
        );
        Ok(Self {
            bert,
            text_tokens: text_tokens(&tokenizer, folder.max_tokens),
            tokenizer,
            pooling: folder.pooling,
        })
    }

    /// Cuts texts into what the model reads at once.
    pub(super) fn pieces(&self, texts: Vec<String>) -> Result<Pieces, Error> {
        let encodings = self.tokenizer.encode_batch(texts, false).map_err(failed)?;
        let mut pieces = Pieces::default();
        for (text, encoding) in encodings.into_iter().enumerate() {
            pieces.push(text, &self.cut(encoding).map_err(failed)?);
        }
        Ok(pieces)
    }

    /// Cuts a text that was read whole, and puts the marks around each piece. A tokenizer that is told
    /// to cut stops reading there, and the rest of the text is lost.
    fn cut(&self, mut encoding: Encoding) -> Result<Encoding, Cause> {
        encoding.truncate(self.text_tokens, 0, TruncationDirection::Right);
        self.tokenizer.post_process(encoding, None, true)
    }

    /// The vectors of a batch.
    pub(super) fn vectors(&self, batch: &[Piece]) -> Result<Vec<Vec<f32>>, Error> {
        self.run(batch).map_err(|error| failed(error.into()))
    }

    fn run(&self, batch: &[Piece]) -> candle_core::Result<Vec<Vec<f32>>> {
        let longest = batch.iter().map(|piece| piece.ids.len()).max().unwrap_or(0);
        let (mut ids, mut mask) = (Vec::new(), Vec::new());
        for piece in batch {
            let padding = longest - piece.ids.len();
            ids.extend_from_slice(&piece.ids);
            ids.resize(ids.len() + padding, 0);
            mask.resize(mask.len() + piece.ids.len(), 1_f32);
            mask.resize(mask.len() + padding, 0.0);
        }
        let shape = (batch.len(), longest);
        let ids = Tensor::from_vec(ids, shape, &Device::Cpu)?;
        let mask = Tensor::from_vec(mask, shape, &Device::Cpu)?;
        let tokens = self.bert.forward(&ids, &ids.zeros_like()?, Some(&mask))?;
        let pooled = match self.pooling {
            Pooling::First => tokens.i((.., 0))?,
            Pooling::Mean => {
                let mask = mask.unsqueeze(2)?;
                let sum = tokens.broadcast_mul(&mask)?.sum(1)?;
                sum.broadcast_div(&mask.sum(1)?)?
            }
        };
        pooled.to_vec2()
    }
}

fn check(folder: &Folder, weights: &[u8]) -> Result<(), Error> {
    let Some(expected) = folder.expected_sha256(WEIGHTS) else {
        return Ok(());
    };
    if hex::encode(Sha256::digest(weights)) == expected {
        return Ok(());
    }
    let detail = format!("{WEIGHTS} does not have the hash that {WEIGHTS}.sha256 says");
    Err(folder.unusable(&detail, None))
}

fn tokenizer(folder: &Folder) -> Result<Tokenizer, Cause> {
    let mut tokenizer = Tokenizer::from_bytes(folder.bytes(TOKENIZER)?)?;
    // Batches pad only as far as they need.
    tokenizer.with_truncation(None)?;
    tokenizer.with_padding(None);
    Ok(tokenizer)
}

fn text_tokens(tokenizer: &Tokenizer, most: usize) -> usize {
    let marks = tokenizer.get_post_processor();
    let marks = marks.map_or(0, |marks| marks.added_tokens(false));
    most.saturating_sub(marks).max(1)
}

/// What fails here is neither the caller's text nor a matter of time, but is worth another try.
fn failed(cause: Cause) -> Error {
    Error::Unavailable {
        provider: NAME,
        retry_after: None,
        source: Some(cause),
    }
}
