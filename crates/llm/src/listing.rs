//! Which models a provider has.

use serde::Deserialize;
use serde_json::Value;

use crate::endpoint::Endpoint;
use crate::providers::Wire;
use crate::{Builtin, Error, Model as _};

/// The most a list may weigh.
const LIST_BYTES: usize = 8 * 1024 * 1024;

/// A model as its provider lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedModel {
    /// The name by which settings choose it.
    pub name: String,
    /// How much it reads at once, in tokens, if the provider says so.
    pub context_tokens: Option<u64>,
    /// How much it takes on the server's disk, in bytes, if the provider says so.
    pub size_bytes: Option<u64>,
}

#[derive(Deserialize)]
struct List {
    /// OpenAI and Anthropic.
    data: Option<Vec<Value>>,
    /// Ollama.
    models: Option<Vec<Value>>,
}

/// The models at an endpoint, by name.
pub(crate) async fn list(endpoint: &Endpoint, wire: Wire) -> Result<Vec<ListedModel>, Error> {
    let (path, query): (&[&str], &[(&str, &str)]) = match wire {
        Wire::Builtin => return Ok(builtin()),
        Wire::OpenAi => (&["models"], &[]),
        // Pages of 20 unless told otherwise.
        Wire::Anthropic => (&["v1", "models"], &[("limit", "1000")]),
        Wire::Ollama => (&["api", "tags"], &[]),
    };
    let list: List = endpoint.get(path, query, LIST_BYTES).await?;
    let items = list
        .data
        .or(list.models)
        .ok_or_else(|| endpoint.broken("the list of models cannot be read", None))?;
    let mut models: Vec<ListedModel> = items.iter().filter_map(listed).collect();
    models.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(models)
}

pub(crate) fn builtin() -> Vec<ListedModel> {
    vec![ListedModel {
        name: Builtin.provider().to_owned(),
        context_tokens: None,
        size_bytes: None,
    }]
}

fn listed(item: &Value) -> Option<ListedModel> {
    let name = ["id", "model", "name"]
        .iter()
        .find_map(|name| item[name].as_str())?;
    let contexts = ["max_input_tokens", "max_model_len", "context_length"];
    Some(ListedModel {
        name: name.to_owned(),
        context_tokens: contexts.iter().find_map(|name| item[name].as_u64()),
        size_bytes: item["size"].as_u64(),
    })
}
