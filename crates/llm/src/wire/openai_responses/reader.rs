use serde_json::{Value, json};

use super::FORMAT;
use crate::wire::answer::{Draft, Reader};
use crate::wire::calls::CallDelta;
use crate::wire::frames::Frame;
use crate::{Error, FinishReason, Replay, Usage, failure};

/// Reads typed events up to `response.completed`, `response.incomplete` or `response.failed`.
#[derive(Debug)]
pub(super) struct ResponseReader {
    model: String,
    /// Whether the text is that of a refusal.
    refuses: bool,
    /// The finished items, in order.
    items: Vec<Value>,
}

impl ResponseReader {
    pub(super) fn new(model: &str) -> Self {
        Self {
            model: model.to_owned(),
            refuses: false,
            items: Vec::new(),
        }
    }

    /// The end of an answer that is whole, or whole but for its limit.
    fn end(&self, response: &Value, draft: &mut Draft) {
        let incomplete = response["incomplete_details"]["reason"].as_str();
        draft.usage = usage(&response["usage"]).or(draft.usage);
        draft.finish_reason = Some(match incomplete {
            None if response["status"] == "incomplete" => FinishReason::Other,
            None if self.refuses => FinishReason::Refusal,
            None => FinishReason::Stop,
            Some("max_output_tokens") => FinishReason::Length,
            Some("content_filter") => FinishReason::ContentFilter,
            Some(_) => FinishReason::Other,
        });
        draft.end();
    }
}

impl Reader for ResponseReader {
    fn read(&mut self, frame: &Frame, draft: &mut Draft) -> Result<(), Error> {
        // Gateways end with it; the event that counts has come by then.
        if frame.data.trim() == "[DONE]" {
            return Ok(());
        }
        let event = draft.json(frame)?;
        let kind = event["type"].as_str().unwrap_or(&frame.event);
        let delta = event["delta"].as_str().unwrap_or_default();
        let index = event["output_index"].as_u64();
        match kind {
            "response.output_text.delta" => draft.text(delta),
            "response.refusal.delta" => {
                self.refuses = true;
                draft.text(delta);
            }
            "response.function_call_arguments.delta" => {
                draft.progress();
                draft.calls.add(CallDelta {
                    index,
                    arguments: delta.to_owned(),
                    ..CallDelta::default()
                });
            }
            "response.output_item.added" => {
                draft.progress();
                if event["item"]["type"] == "function_call" {
                    draft.calls.add(call(index, &event["item"]));
                }
            }
            "response.output_item.done" => {
                if event["item"]["type"] == "function_call" {
                    draft.calls.settle(call(index, &event["item"]));
                }
                self.items.push(event["item"].clone());
            }
            "response.completed" | "response.incomplete" => self.end(&event["response"], draft),
            "response.failed" => {
                let error = json!({"error": event["response"]["error"]}).to_string();
                return Err(failure::of_event(&draft.endpoint, &error));
            }
            "error" => return Err(failure::of_event(&draft.endpoint, &frame.data)),
            // Reasoning that is shown in pieces, and whatever else is at work.
            other if other.strip_suffix(".delta").is_some() => draft.progress(),
            _ => {}
        }
        Ok(())
    }

    /// All items, if there is reasoning among them: calls alone are as well rebuilt.
    fn replay(&mut self) -> Option<Replay> {
        let reasons = self.items.iter().any(|item| item["type"] == "reasoning");
        reasons.then(|| Replay {
            format: FORMAT,
            model: self.model.clone(),
            content: std::mem::take(&mut self.items),
        })
    }
}

fn call(index: Option<u64>, item: &Value) -> CallDelta {
    let text = |name: &str| item[name].as_str().unwrap_or_default().to_owned();
    CallDelta {
        index,
        id: text("call_id"),
        name: text("name"),
        arguments: text("arguments"),
    }
}

fn usage(value: &Value) -> Option<Usage> {
    let details = &value["input_tokens_details"];
    let count = |value: &Value| value.as_u64().unwrap_or(0);
    value.is_object().then(|| Usage {
        input: count(&value["input_tokens"]),
        output: count(&value["output_tokens"]),
        cached: count(&details["cached_tokens"]),
        cache_written: count(&details["cache_write_tokens"]),
    })
}
