use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::FORMAT;
use crate::wire::answer::{Draft, Reader};
use crate::wire::calls::CallDelta;
use crate::wire::frames::Frame;
use crate::{Error, FinishReason, Replay, Usage, failure};

/// Reads the events of a message up to `message_stop`.
#[derive(Debug)]
pub(super) struct MessageReader {
    model: String,
    tokens: Tokens,
    /// The content blocks by their index, as far as they have come.
    blocks: BTreeMap<u64, Block>,
}

/// A content block that grows.
#[derive(Debug)]
struct Block {
    /// As it started, with the pieces of text, thinking and signature joined.
    value: Value,
    /// The pieces of a call's arguments.
    json: String,
}

impl MessageReader {
    pub(super) fn new(model: &str) -> Self {
        Self {
            model: model.to_owned(),
            tokens: Tokens::default(),
            blocks: BTreeMap::new(),
        }
    }

    fn take_whole(&mut self, message: &Value, draft: &mut Draft) {
        self.tokens.read(&message["usage"]);
        let blocks = message["content"].as_array().into_iter().flatten();
        for (index, block) in (0..).zip(blocks) {
            self.start_block(index, block, draft);
        }
        draft.finish_reason = message["stop_reason"].as_str().map(finish_reason);
        draft.end();
    }

    fn start_block(&mut self, index: u64, block: &Value, draft: &mut Draft) {
        draft.progress();
        match block["type"].as_str() {
            Some("text") => draft.text(block["text"].as_str().unwrap_or_default()),
            Some("tool_use") => draft.calls.add(call(index, block)),
            _ => {}
        }
        // What is no object cannot grow.
        if block.is_object() {
            let started = Block {
                value: block.clone(),
                json: String::new(),
            };
            self.blocks.insert(index, started);
        }
    }

    fn grow_block(&mut self, index: u64, delta: &Value, draft: &mut Draft) {
        draft.progress();
        let piece = |name: &str| delta[name].as_str().unwrap_or_default();
        let mut grow = |name: &str| match self
            .blocks
            .get_mut(&index)
            .map(|block| &mut block.value[name])
        {
            Some(Value::String(known)) => known.push_str(piece(name)),
            Some(unset) => *unset = Value::String(piece(name).to_owned()),
            None => {}
        };
        match delta["type"].as_str() {
            Some("text_delta") => {
                grow("text");
                draft.text(piece("text"));
            }
            Some("thinking_delta") => grow("thinking"),
            Some("signature_delta") => grow("signature"),
            Some("input_json_delta") => {
                let arguments = piece("partial_json").to_owned();
                if let Some(block) = self.blocks.get_mut(&index) {
                    block.json.push_str(&arguments);
                }
                draft.calls.add(CallDelta {
                    index: Some(index),
                    arguments,
                    ..CallDelta::default()
                });
            }
            _ => {}
        }
    }
}

impl Reader for MessageReader {
    fn read(&mut self, frame: &Frame, draft: &mut Draft) -> Result<(), Error> {
        let event = draft.json(frame)?;
        let kind = event["type"].as_str().unwrap_or(&frame.event);
        let index = event["index"].as_u64().unwrap_or(0);
        match kind {
            "message_start" => self.tokens.read(&event["message"]["usage"]),
            "content_block_start" => self.start_block(index, &event["content_block"], draft),
            "content_block_delta" => self.grow_block(index, &event["delta"], draft),
            "message_delta" => {
                self.tokens.read(&event["usage"]);
                let reason = event["delta"]["stop_reason"].as_str();
                draft.finish_reason = reason.map(finish_reason).or(draft.finish_reason);
            }
            "message_stop" => draft.end(),
            // From a gateway that does not stream.
            "message" => self.take_whole(&event, draft),
            "error" => return Err(failure::of_event(&draft.endpoint, &frame.data)),
            // `ping`, the end of a block, and whatever a later day brings.
            _ => {}
        }
        draft.usage = self.tokens.usage();
        Ok(())
    }

    /// All blocks, if there is thinking among them: calls alone are as well rebuilt.
    fn replay(&mut self) -> Option<Replay> {
        let blocks = std::mem::take(&mut self.blocks).into_values();
        let content: Vec<Value> = blocks.filter_map(Block::finish).collect();
        let kinds = ["thinking", "redacted_thinking"];
        let thinks = |block: &Value| kinds.iter().any(|kind| block["type"] == *kind);
        content.iter().any(thinks).then(|| Replay {
            format: FORMAT,
            model: self.model.clone(),
            content,
        })
    }
}

impl Block {
    /// The block as it goes back; `None` for a blank text, which would be refused.
    fn finish(mut self) -> Option<Value> {
        if self.value["type"] == "text" {
            let text = self.value["text"].as_str().unwrap_or_default();
            return (!text.trim().is_empty()).then(|| json!({"type": "text", "text": text}));
        }
        if self.value["type"] == "tool_use" && !self.json.trim().is_empty() {
            self.value["input"] = crate::wire::arguments_object(&self.json);
        }
        Some(self.value)
    }
}

/// The start of a call; `input` stands empty there and grows by deltas, but some servers fill it.
fn call(index: u64, block: &Value) -> CallDelta {
    let text = |name: &str| block[name].as_str().unwrap_or_default().to_owned();
    let input = block["input"].as_object();
    CallDelta {
        index: Some(index),
        id: text("id"),
        name: text("name"),
        arguments: input
            .filter(|input| !input.is_empty())
            .map(|_| block["input"].to_string())
            .unwrap_or_default(),
    }
}

fn finish_reason(reason: &str) -> FinishReason {
    match reason {
        "end_turn" | "stop_sequence" => FinishReason::Stop,
        "max_tokens" | "model_context_window_exceeded" => FinishReason::Length,
        "tool_use" => FinishReason::ToolCalls,
        "refusal" => FinishReason::Refusal,
        _ => FinishReason::Other,
    }
}

/// The counts so far: each is cumulative, and left out where it did not change.
#[derive(Debug, Default)]
struct Tokens {
    uncached: Option<u64>,
    cache_read: Option<u64>,
    cache_written: Option<u64>,
    output: Option<u64>,
}

impl Tokens {
    fn read(&mut self, usage: &Value) {
        for (count, name) in [
            (&mut self.uncached, "input_tokens"),
            (&mut self.cache_read, "cache_read_input_tokens"),
            (&mut self.cache_written, "cache_creation_input_tokens"),
            (&mut self.output, "output_tokens"),
        ] {
            *count = usage[name].as_u64().or(*count);
        }
    }

    /// `input_tokens` leaves out what the cache took part in; ours is the sum.
    fn usage(&self) -> Option<Usage> {
        if self.uncached.is_none() && self.output.is_none() {
            return None;
        }
        let cached = self.cache_read.unwrap_or(0);
        let cache_written = self.cache_written.unwrap_or(0);
        let fresh = self.uncached.unwrap_or(0);
        Some(Usage {
            input: fresh.saturating_add(cached).saturating_add(cache_written),
            output: self.output.unwrap_or(0),
            cached,
            cache_written,
        })
    }
}
