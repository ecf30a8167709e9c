use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::embed::{Embedded, believable};

/// What a server answers.
#[derive(Deserialize)]
pub(super) struct Answer {
    data: Vec<Item>,
    #[serde(default)]
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Item {
    index: Option<usize>,
    embedding: Vector,
}

/// Some servers send numbers whatever they are asked for.
#[derive(Deserialize)]
#[serde(untagged)]
enum Vector {
    Numbers(Vec<f32>),
    Packed(String),
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Usage {
    prompt_tokens: Option<u64>,
    total_tokens: Option<u64>,
}

impl Answer {
    /// The vectors in the order of the texts, of which there were `count`; the error is a detail
    /// for people.
    pub(super) fn into_embedded(self, count: usize, dimensions: usize) -> Result<Embedded, String> {
        let mut vectors = vec![Vec::new(); count];
        for (at, item) in self.data.into_iter().enumerate() {
            let vector = item.embedding.unpack()?;
            if vector.len() != dimensions {
                return Err(format!(
                    "a vector has {} numbers instead of {dimensions}",
                    vector.len()
                ));
            }
            if vector.iter().any(|number| !number.is_finite()) {
                return Err("a vector holds what is no number".to_owned());
            }
            let place = vectors.get_mut(item.index.unwrap_or(at));
            *place.ok_or("it has more vectors than texts")? = vector;
        }
        if vectors.iter().any(Vec::is_empty) {
            return Err("a vector is missing".to_owned());
        }
        let usage = self.usage.unwrap_or_default();
        Ok(Embedded {
            vectors,
            tokens: believable(usage.total_tokens.or(usage.prompt_tokens)),
        })
    }
}

impl Vector {
    fn unpack(self) -> Result<Vec<f32>, String> {
        match self {
            Self::Numbers(numbers) => Ok(numbers),
            Self::Packed(text) => {
                let bytes = STANDARD.decode(text).ok();
                let bytes = bytes.filter(|bytes| bytes.len() % 4 == 0);
                let bytes = bytes.ok_or("a vector is neither numbers nor base64")?;
                let numbers = bytes.as_chunks::<4>().0.iter();
                Ok(numbers.map(|bytes| f32::from_le_bytes(*bytes)).collect())
            }
        }
    }
}
