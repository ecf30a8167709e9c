use bytes::Bytes;
use poem::Response;
use poem::http::StatusCode;
use serde_json::{Value, json};

use crate::standin::listen::json_response;
use crate::standin::model::{Frames, ModelReply, Said, pieces};

/// The answer in one piece.
pub(super) fn whole(said: &Said) -> Response {
    let mut last = last(said);
    last["message"] = match &said.reply {
        ModelReply::ToolCall { .. } => call(said),
        _ => text(text_of(said)),
    };
    json_response(StatusCode::OK, &last)
}

/// The answer as lines.
pub(super) fn frames(said: &Said) -> Frames {
    let deltas: Vec<Value> = match &said.reply {
        ModelReply::ToolCall { .. } => vec![call(said)],
        _ => pieces(text_of(said)).into_iter().map(text).collect(),
    };
    let error = "an error was encountered while running the model: unexpected EOF";
    Frames {
        content_type: "application/x-ndjson",
        opening: Vec::new(),
        deltas: deltas
            .into_iter()
            .map(|message| line(&with(said, &message, false)))
            .collect(),
        ending: vec![line(&last(said))],
        error: line(&json!({"error": error})),
    }
}

fn line(value: &Value) -> Bytes {
    format!("{value}\n").into()
}

fn text_of(said: &Said) -> &str {
    match &said.reply {
        ModelReply::Text { text } => text,
        _ => "",
    }
}

fn text(content: &str) -> Value {
    json!({"role": "assistant", "content": content})
}

/// A call, whose arguments come whole and without an id.
fn call(said: &Said) -> Value {
    let mut message = text("");
    if let ModelReply::ToolCall { name, arguments } = &said.reply {
        message["tool_calls"] = json!([{"function": {"name": name, "arguments": arguments}}]);
    }
    message
}

fn with(said: &Said, message: &Value, done: bool) -> Value {
    json!({
        "model": said.model(),
        "created_at": "2026-11-01T09:30:00.123456Z",
        "message": message,
        "done": done,
    })
}

/// The line that says it is done.
fn last(said: &Said) -> Value {
    let mut last = with(said, &text(""), true);
    let tokens = match &said.reply {
        ModelReply::ToolCall { arguments, .. } => pieces(&arguments.to_string()).len(),
        _ => pieces(text_of(said)).len(),
    };
    for (name, value) in [
        ("done_reason", json!("stop")),
        ("total_duration", json!(4_883_583_458_u64)),
        ("load_duration", json!(1_334_875)),
        ("prompt_eval_count", json!(said.input_tokens)),
        ("prompt_eval_duration", json!(342_546_000)),
        ("eval_count", json!(tokens)),
        ("eval_duration", json!(4_535_599_000_u64)),
    ] {
        last[name] = value;
    }
    last
}
