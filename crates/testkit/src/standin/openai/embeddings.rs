use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use poem::Response;
use poem::http::StatusCode;
use serde_json::{Value, json};

use super::error::invalid_request;
use crate::standin::listen::json_response;
use crate::standin::model::vector;

const MAX_INPUTS: usize = 2048;

/// Answers `/v1/embeddings`.
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
