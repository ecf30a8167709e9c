use serde_json::Value;

use crate::wire::answer::{Draft, Reader};
use crate::wire::calls::CallDelta;
use crate::wire::frames::Frame;
use crate::{Error, FinishReason, Usage, failure};

/// Reads lines up to the one that says `done`.
#[derive(Debug, Default)]
pub(super) struct LineReader {
    /// How many calls have come.
    calls: u64,
}

impl Reader for LineReader {
    fn read(&mut self, frame: &Frame, draft: &mut Draft) -> Result<(), Error> {
        let line = draft.json(frame)?;
        // The status said success long before; this line is the last one.
        if line.get("error").is_some_and(|error| !error.is_null()) {
            return Err(failure::of_event(&draft.endpoint, &frame.data));
        }
        let message = &line["message"];
        let thinks = message["thinking"].as_str();
        if thinks.is_some_and(|thinking| !thinking.is_empty()) {
            draft.progress();
        }
        draft.text(message["content"].as_str().unwrap_or_default());
        for call in message["tool_calls"].as_array().into_iter().flatten() {
            draft.progress();
            draft.calls.add(self::call(call, self.calls));
            self.calls += 1;
        }
        if line["done"] == true {
            draft.usage = usage(&line);
            draft.finish_reason = Some(finish_reason(&line["done_reason"]));
            draft.end();
        }
        Ok(())
    }
}

/// A call, which always comes whole.
fn call(call: &Value, index: u64) -> CallDelta {
    let function = &call["function"];
    CallDelta {
        index: Some(index),
        id: call["id"].as_str().unwrap_or_default().to_owned(),
        name: function["name"].as_str().unwrap_or_default().to_owned(),
        arguments: match &function["arguments"] {
            Value::String(text) => text.clone(),
            Value::Null => "{}".to_owned(),
            object => object.to_string(),
        },
    }
}

fn finish_reason(reason: &Value) -> FinishReason {
    match reason.as_str() {
        // Old servers give none.
        None | Some("" | "stop") => FinishReason::Stop,
        Some("length") => FinishReason::Length,
        Some(_) => FinishReason::Other,
    }
}

/// The counts; what was evaluated before and kept is part of the prompt too, but not counted by
/// old servers.
fn usage(line: &Value) -> Option<Usage> {
    let input = line["prompt_eval_count"].as_u64();
    let output = line["eval_count"].as_u64();
    if input.is_none() && output.is_none() {
        return None;
    }
    Some(Usage {
        input: input.unwrap_or(0),
        output: output.unwrap_or(0),
        cached: line["prompt_eval_cached_count"].as_u64().unwrap_or(0),
        cache_written: 0,
    })
}
