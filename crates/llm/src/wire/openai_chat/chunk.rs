use serde_json::Value;

use crate::{FinishReason, Usage};

/// What one chunk of a stream brings, read leniently: whatever is missing, null, empty or of
/// another type counts as not said.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) text: String,
    pub(super) calls: Vec<CallDelta>,
    /// Whether the model is at work without showing it.
    pub(super) reasons: bool,
    pub(super) finish_reason: Option<FinishReason>,
    pub(super) usage: Option<Usage>,
}

/// A fragment of a call.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct CallDelta {
    pub(super) index: Option<u64>,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) arguments: String,
}

impl Chunk {
    pub(super) fn read(chunk: &Value) -> Self {
        // Only one choice is ever asked for.
        let choice = &chunk["choices"][0];
        // Servers that do not stream put the whole message where the delta stands.
        let delta = match &choice["delta"] {
            Value::Object(_) => &choice["delta"],
            _ => &choice["message"],
        };
        let calls = delta["tool_calls"].as_array();
        let calls = calls.into_iter().flatten().map(CallDelta::read);
        Self {
            text: text(&delta["content"]) + &text(&delta["refusal"]),
            calls: calls.collect(),
            reasons: ["reasoning_content", "reasoning"]
                .iter()
                .any(|name| delta[name].as_str().is_some_and(|text| !text.is_empty())),
            finish_reason: finish_reason(&choice["finish_reason"]),
            usage: usage(&chunk["usage"]),
        }
    }

    /// Whether the model has begun to answer.
    pub(super) fn is_progress(&self) -> bool {
        self.reasons || !self.text.is_empty() || !self.calls.is_empty()
    }
}

impl CallDelta {
    /// Whether this fragment is the start of a call after `last`, though its index does not say so:
    /// it names a function under another id, or without any index once `last` is complete.
    pub(super) fn opens_after(&self, last: &Self) -> bool {
        if self.name.is_empty() || last.name.is_empty() {
            return false;
        }
        let is_complete = || serde_json::from_str::<Value>(&last.arguments).is_ok();
        let has_other_id = !self.id.is_empty() && !last.id.is_empty() && self.id != last.id;
        has_other_id || (self.index.is_none() && is_complete())
    }

    fn read(call: &Value) -> Self {
        let function = &call["function"];
        Self {
            index: call["index"].as_u64(),
            id: text(&call["id"]),
            name: text(&function["name"]),
            arguments: match &function["arguments"] {
                object @ Value::Object(_) => object.to_string(),
                other => text(other),
            },
        }
    }
}

/// A string, or the texts of a list of parts.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts
            .iter()
            .filter_map(|part| part["text"].as_str())
            .collect(),
        _ => String::new(),
    }
}

fn finish_reason(value: &Value) -> Option<FinishReason> {
    Some(match value.as_str()? {
        "" => return None,
        "stop" => FinishReason::Stop,
        "length" => FinishReason::Length,
        "tool_calls" | "function_call" => FinishReason::ToolCalls,
        "content_filter" => FinishReason::ContentFilter,
        _ => FinishReason::Other,
    })
}

fn usage(value: &Value) -> Option<Usage> {
    let input = value["prompt_tokens"].as_u64();
    let output = value["completion_tokens"].as_u64();
    if input.is_none() && output.is_none() {
        return None;
    }
    let detail = |name: &str| value["prompt_tokens_details"][name].as_u64().unwrap_or(0);
    Some(Usage {
        input: input.unwrap_or(0),
        output: output.unwrap_or(0),
        cached: detail("cached_tokens"),
        cache_written: detail("cache_write_tokens"),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_null_empty_or_misshapen_counts_as_not_said() {
        for chunk in [
            json!({"choices": null, "usage": {}}),
            json!({"choices": [], "usage": null}),
            json!({"choices": [{"delta": {"content": null, "tool_calls": null}, "finish_reason": ""}]}),
            json!({"choices": [{"delta": null, "finish_reason": null}]}),
            json!({"choices": "none", "usage": 7}),
            json!([1, 2]),
            json!(null),
        ] {
            assert_eq!(Chunk::read(&chunk), Chunk::default(), "{chunk}");
        }
    }

    #[test]
    fn usage_is_read_with_what_was_cached() {
        let chunk = json!({"choices": null, "usage": {
            "prompt_tokens": 120, "completion_tokens": 30,
            "prompt_tokens_details": {"cached_tokens": 100, "cache_write_tokens": 7},
        }});
        let usage = Usage {
            input: 120,
            output: 30,
            cached: 100,
            cache_written: 7,
        };
        assert_eq!(Chunk::read(&chunk).usage, Some(usage));
    }
}
