use poem::Response;
use poem::http::StatusCode;
use serde_json::{Value, json};

use super::error::overloaded;
use crate::standin::listen::json_response;
use crate::standin::model::{Frames, ModelReply, Said, pieces, server_event};

/// What is wrong with a request, as the provider says it.
pub(super) fn check(body: &Value) -> Option<String> {
    for name in ["model", "max_tokens", "messages"] {
        if body[name].is_null() {
            return Some(format!("{name}: Field required"));
        }
    }
    for name in ["temperature", "top_p", "top_k"] {
        if body.get(name).is_some() {
            return Some(format!("{name}: Extra inputs are not permitted"));
        }
    }
    let messages = body["messages"].as_array().map_or(&[][..], Vec::as_slice);
    if messages.first().is_none_or(|first| first["role"] != "user") {
        return Some("messages: first message must use the \"user\" role".to_owned());
    }
    let blocks = messages
        .iter()
        .filter_map(|message| message["content"].as_array());
    let mut texts = blocks.flatten().filter(|block| block["type"] == "text");
    if texts.any(|block| {
        block["text"]
            .as_str()
            .is_none_or(|text| text.trim().is_empty())
    }) {
        return Some("messages: text content blocks must be non-empty".to_owned());
    }
    unanswered_call(messages).map(|id| {
        format!(
            "messages: `tool_use` ids were found without `tool_result` blocks immediately \
             after: {id}. Each `tool_use` block must have a corresponding `tool_result` block in \
             the next message."
        )
    })
}

/// The id of a call whose result is not in the message right after it.
fn unanswered_call(messages: &[Value]) -> Option<&str> {
    for (at, message) in messages.iter().enumerate() {
        let next = messages.get(at + 1).map(|next| &next["content"]);
        let results = next
            .and_then(Value::as_array)
            .map_or(&[][..], Vec::as_slice);
        for call in message["content"].as_array().into_iter().flatten() {
            let is_answered = || {
                results
                    .iter()
                    .any(|result| result["tool_use_id"] == call["id"])
            };
            if call["type"] == "tool_use" && !is_answered() {
                return Some(call["id"].as_str().unwrap_or_default());
            }
        }
    }
    None
}

/// The answer in one piece.
pub(super) fn whole(said: &Said) -> Response {
    let mut message = message(said);
    message["content"] = json!([block(said)]);
    message["stop_reason"] = json!(stop_reason(said));
    message["usage"]["output_tokens"] = json!(output_tokens(said));
    json_response(StatusCode::OK, &message)
}

/// The answer as events.
pub(super) fn frames(said: &Said) -> Frames {
    let mut begun = block(said);
    let (field, empty) = match said.reply {
        ModelReply::ToolCall { .. } => ("input", json!({})),
        _ => ("text", json!("")),
    };
    begun[field] = empty;
    let start = json!({"type": "content_block_start", "index": 0, "content_block": begun});
    let (text, kind, piece_name) = spoken(said);
    let deltas = pieces(&text).into_iter().map(|piece| {
        let delta = json!({"type": kind, piece_name: piece});
        server_event(&json!({"type": "content_block_delta", "index": 0, "delta": delta}))
    });
    Frames {
        content_type: "text/event-stream; charset=utf-8",
        opening: vec![
            server_event(&json!({"type": "message_start", "message": message(said)})),
            server_event(&start),
            server_event(&json!({"type": "ping"})),
        ],
        deltas: deltas.collect(),
        ending: vec![
            server_event(&json!({"type": "content_block_stop", "index": 0})),
            server_event(&json!({
                "type": "message_delta",
                "delta": {"stop_reason": stop_reason(said), "stop_sequence": null},
                "usage": {"output_tokens": output_tokens(said)},
            })),
            server_event(&json!({"type": "message_stop"})),
        ],
        error: {
            let data = overloaded();
            format!("event: error\ndata: {data}\n\n").into()
        },
    }
}

/// The whole that deltas make up, the kind of delta, and where its piece stands.
fn spoken(said: &Said) -> (String, &'static str, &'static str) {
    match &said.reply {
        ModelReply::ToolCall { arguments, .. } => {
            (arguments.to_string(), "input_json_delta", "partial_json")
        }
        ModelReply::Text { text } => (text.clone(), "text_delta", "text"),
        ModelReply::FromSources | ModelReply::SearchFirst => (String::new(), "text_delta", "text"),
    }
}

fn block(said: &Said) -> Value {
    match &said.reply {
        ModelReply::ToolCall { name, arguments } => json!({
            "type": "tool_use", "id": format!("toolu_{}", said.id), "name": name,
            "input": arguments,
        }),
        _ => json!({"type": "text", "text": spoken(said).0}),
    }
}

fn stop_reason(said: &Said) -> &'static str {
    match said.reply {
        ModelReply::ToolCall { .. } => "tool_use",
        _ => "end_turn",
    }
}

fn output_tokens(said: &Said) -> usize {
    pieces(&spoken(said).0).len()
}

/// The message before it has any content.
fn message(said: &Said) -> Value {
    json!({
        "id": format!("msg_{}", said.id),
        "type": "message",
        "role": "assistant",
        "model": said.model(),
        "content": [],
        "stop_reason": null,
        "stop_sequence": null,
        "usage": {
            "input_tokens": said.input_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": 1,
        },
    })
}
