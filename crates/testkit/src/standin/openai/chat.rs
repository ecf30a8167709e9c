use poem::Response;
use poem::http::StatusCode;
use serde_json::{Value, json};

use super::error::server_error;
use crate::standin::listen::json_response;
use crate::standin::model::{Frames, ModelReply, Said, pieces};

/// The answer in one piece.
pub(super) fn whole(said: &Said) -> Response {
    let (message, finish) = match &said.reply {
        ModelReply::ToolCall { name, arguments } => (
            json!({"role": "assistant", "content": null, "tool_calls": [tool_call(said, name, arguments)]}),
            "tool_calls",
        ),
        ModelReply::Text { text } => (
            json!({"role": "assistant", "content": text, "refusal": null}),
            "stop",
        ),
        ModelReply::FromSources | ModelReply::SearchFirst => {
            (json!({"role": "assistant", "content": ""}), "stop")
        }
    };
    json_response(
        StatusCode::OK,
        &json!({
            "id": id(said),
            "object": "chat.completion",
            "created": said.created,
            "model": said.model(),
            "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": finish}],
            "usage": usage(said),
        }),
    )
}

/// The answer as chunks.
pub(super) fn frames(said: &Said) -> Frames {
    let opening = chunk(said, &json!({"role": "assistant", "content": ""}), None);
    let deltas = deltas(said);
    Frames {
        content_type: "text/event-stream; charset=utf-8",
        opening: vec![event(&opening)],
        deltas: deltas
            .iter()
            .map(|delta| event(&chunk(said, delta, None)))
            .collect(),
        ending: ending(said),
        error: event(&server_error()),
    }
}

fn event(data: &Value) -> bytes::Bytes {
    format!("data: {data}\n\n").into()
}

fn ending(said: &Said) -> Vec<bytes::Bytes> {
    let finish = match said.reply {
        ModelReply::ToolCall { .. } => "tool_calls",
        _ => "stop",
    };
    let mut events = vec![event(&chunk(said, &json!({}), Some(finish)))];
    if includes_usage(said) {
        let mut usage = chunk(said, &json!({}), None);
        usage["choices"] = json!([]);
        usage["usage"] = self::usage(said);
        events.push(event(&usage));
    }
    events.push("data: [DONE]\n\n".into());
    events
}

fn deltas(said: &Said) -> Vec<Value> {
    match &said.reply {
        ModelReply::Text { text } => pieces(text)
            .iter()
            .map(|part| json!({"content": part}))
            .collect(),
        ModelReply::ToolCall { name, arguments } => {
            let mut first = tool_call(said, name, arguments);
            first["index"] = json!(0);
            first["function"]["arguments"] = json!("");
            let arguments = arguments.to_string();
            let fragments = pieces(&arguments)
                .into_iter()
                .map(|part| json!({"tool_calls": [{"index": 0, "function": {"arguments": part}}]}));
            std::iter::once(json!({"tool_calls": [first]}))
                .chain(fragments)
                .collect()
        }
        ModelReply::FromSources | ModelReply::SearchFirst => Vec::new(),
    }
}

fn id(said: &Said) -> String {
    format!("chatcmpl-{}", said.id)
}

fn tool_call(said: &Said, name: &str, arguments: &Value) -> Value {
    json!({
        "id": format!("call_{}", said.id),
        "type": "function",
        "function": {"name": name, "arguments": arguments.to_string()},
    })
}

fn includes_usage(said: &Said) -> bool {
    said.body["stream_options"]["include_usage"] == true
}

fn chunk(said: &Said, delta: &Value, finish: Option<&str>) -> Value {
    let mut chunk = json!({
        "id": id(said),
        "object": "chat.completion.chunk",
        "created": said.created,
        "model": said.model(),
        "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}],
    });
    if includes_usage(said) {
        chunk["usage"] = Value::Null;
    }
    chunk
}

fn usage(said: &Said) -> Value {
    let completion_tokens = deltas(said).len();
    json!({
        "prompt_tokens": said.input_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": said.input_tokens + completion_tokens,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    })
}
