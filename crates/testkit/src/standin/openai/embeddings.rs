use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use poem::Response;
use poem::http::StatusCode;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::error::invalid_request;
use crate::standin::listen::json_response;

const MAX_INPUTS: usize = 2048;

/// Answers `/v1/embeddings`: texts that share words get vectors that point alike.
pub(super) fn embed(body: &Value) -> Response {
    let model = body["model"].as_str().unwrap_or_default();
    let inputs: Vec<&str> = match &body["input"] {
        Value::String(text) => vec![text],
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let given = body["input"].as_array().map_or(1, Vec::len);
    if inputs.len() != given || given == 0 || given > MAX_INPUTS || inputs.contains(&"") {
        return invalid_request(
            "'$.input' is invalid. Please check the API reference.",
            "input",
        );
    }
    let default = if model.contains("large") { 3072 } else { 1536 };
    let dimensions = body["dimensions"].as_u64().unwrap_or(default);
    let Some(dimensions) = usize::try_from(dimensions)
        .ok()
        .filter(|d| (1..=3072).contains(d))
    else {
        return invalid_request("Invalid value for 'dimensions'.", "dimensions");
    };
    let tokens: usize = inputs
        .iter()
        .map(|text| text.split_whitespace().count())
        .sum();
    let data: Vec<Value> = inputs
        .iter()
        .enumerate()
        .map(|(index, text)| {
            let vector = vector(text, dimensions);
            let embedding = if body["encoding_format"] == "base64" {
                let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
                json!(STANDARD.encode(bytes))
            } else {
                json!(vector)
            };
            json!({"object": "embedding", "index": index, "embedding": embedding})
        })
        .collect();
    json_response(
        StatusCode::OK,
        &json!({
            "object": "list",
            "data": data,
            "model": model,
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }),
    )
}

/// The sum of a few signed unit coordinates per word, brought to length 1.
fn vector(text: &str, dimensions: usize) -> Vec<f32> {
    let mut vector = vec![0_f32; dimensions];
    let lower = text.to_lowercase();
    let words = lower
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty());
    for word in words {
        let hash = Sha256::digest(word.as_bytes());
        for part in hash.chunks_exact(4).take(4) {
            let place =
                usize::from(part[0]) << 16 | usize::from(part[1]) << 8 | usize::from(part[2]);
            vector[place % dimensions] += if part[3] & 1 == 0 { 1.0 } else { -1.0 };
        }
    }
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    if length == 0.0 {
        vector[0] = 1.0;
        return vector;
    }
    for x in &mut vector {
        *x /= length;
    }
    vector
}

#[cfg(test)]
mod tests {
    use super::*;

    fn similarity(a: &str, b: &str) -> f32 {
        let (a, b) = (vector(a, 256), vector(b, 256));
        a.iter().zip(&b).map(|(x, y)| x * y).sum()
    }

    #[test]
    fn shared_words_bring_vectors_together() {
        let near = similarity("When are you open?", "We are open from nine.");
        let far = similarity("When are you open?", "Parcels leave within two days.");
        assert!(near > far + 0.2, "{near} {far}");
        assert!((similarity("open", "Open!") - 1.0).abs() < 1e-5);
    }
}
