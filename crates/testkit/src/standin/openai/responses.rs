use bytes::Bytes;
use poem::Response;
use poem::http::StatusCode;
use serde_json::{Value, json};

use super::error::{invalid_request, server_error};
use crate::standin::listen::json_response;
use crate::standin::model::{Frames, ModelReply, Said, Spoken, pieces, server_event};

/// Refuses what belongs to Chat Completions, and results of calls that nobody made.
pub(super) fn check(body: &Value) -> Option<Response> {
    let input = &body["input"];
    let items = input.as_array().map_or(&[][..], Vec::as_slice);
    if items.is_empty() && input.as_str().is_none_or(str::is_empty) {
        return Some(invalid_request(
            "Missing required parameter: 'input'.",
            "input",
        ));
    }
    for name in ["messages", "max_tokens", "max_completion_tokens"] {
        if body.get(name).is_some() {
            let message = format!("Unsupported parameter: '{name}'.");
            return Some(invalid_request(&message, name));
        }
    }
    let tools = body["tools"].as_array().into_iter().flatten();
    if tools.into_iter().any(|tool| tool["name"].is_null()) {
        let message = "Missing required parameter: 'tools[0].name'.";
        return Some(invalid_request(message, "tools[0].name"));
    }
    let made = |id: &Value| {
        let mut items = items.iter();
        items.any(|item| item["type"] == "function_call" && item["call_id"] == *id)
    };
    let mut results = items
        .iter()
        .filter(|item| item["type"] == "function_call_output");
    let orphan = results.find(|item| !made(&item["call_id"]))?;
    let id = orphan["call_id"].as_str().unwrap_or_default();
    let message = format!("No tool call found for function call output with call_id {id}.");
    Some(invalid_request(&message, "input"))
}

/// Instructions and messages; calls and results say nothing.
pub(super) fn prompt(body: &Value) -> Vec<Spoken> {
    let mut prompt = Vec::new();
    if body["instructions"].is_string() {
        prompt.push(Spoken::new("system", &body["instructions"]));
    }
    match &body["input"] {
        text @ Value::String(_) => prompt.push(Spoken::new("user", text)),
        items => prompt.extend(Spoken::all(items)),
    }
    prompt
}

/// The answer in one piece.
pub(super) fn whole(said: &Said) -> Response {
    json_response(StatusCode::OK, &response(said, "completed"))
}

/// The answer as typed events.
pub(super) fn frames(said: &Said) -> Frames {
    let mut failed = response(said, "failed");
    failed["error"] = json!({
        "code": "server_error", "message": server_error()["error"]["message"],
    });
    let mut number = 0;
    let mut numbered = |events: Vec<Value>| -> Vec<Bytes> {
        let events = events.into_iter().map(|mut event| {
            event["sequence_number"] = json!(number);
            number += 1;
            server_event(&event)
        });
        events.collect()
    };
    Frames {
        content_type: "text/event-stream; charset=utf-8",
        opening: numbered(opening(said)),
        deltas: numbered(deltas(said)),
        ending: numbered(ending(said)),
        error: numbered(vec![json!({"type": "response.failed", "response": failed})])
            .concat()
            .into(),
    }
}

fn opening(said: &Said) -> Vec<Value> {
    let begun = response(said, "in_progress");
    let mut item = item(said, "in_progress");
    let is_call = item["type"] == "function_call";
    if is_call {
        item["arguments"] = json!("");
    } else {
        item["content"] = json!([]);
    }
    let mut events = vec![
        json!({"type": "response.created", "response": begun}),
        json!({"type": "response.in_progress", "response": begun}),
        json!({"type": "response.output_item.added", "output_index": 0, "item": item}),
    ];
    if !is_call {
        events.push(json!({
            "type": "response.content_part.added", "item_id": item_id(said), "output_index": 0,
            "content_index": 0, "part": part(""),
        }));
    }
    events
}

fn deltas(said: &Said) -> Vec<Value> {
    let (kind, text) = spoken(said);
    let deltas = pieces(&text).into_iter().map(|piece| {
        json!({
            "type": kind, "item_id": item_id(said), "output_index": 0, "content_index": 0,
            "delta": piece, "logprobs": [],
        })
    });
    deltas.collect()
}

fn ending(said: &Said) -> Vec<Value> {
    let (id, text) = (item_id(said), spoken(said).1);
    let mut events = match &said.reply {
        ModelReply::ToolCall { name, .. } => vec![json!({
            "type": "response.function_call_arguments.done", "item_id": id, "output_index": 0,
            "name": name, "arguments": text,
        })],
        _ => vec![
            json!({
                "type": "response.output_text.done", "item_id": id, "output_index": 0,
                "content_index": 0, "text": text, "logprobs": [],
            }),
            json!({
                "type": "response.content_part.done", "item_id": id, "output_index": 0,
                "content_index": 0, "part": part(&text),
            }),
        ],
    };
    let item = item(said, "completed");
    events.extend([
        json!({"type": "response.output_item.done", "output_index": 0, "item": item}),
        json!({"type": "response.completed", "response": response(said, "completed")}),
    ]);
    events
}

fn part(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": []})
}

/// The kind of delta and the whole that deltas make up.
fn spoken(said: &Said) -> (&'static str, String) {
    match &said.reply {
        ModelReply::ToolCall { arguments, .. } => (
            "response.function_call_arguments.delta",
            arguments.to_string(),
        ),
        ModelReply::Text { text } => ("response.output_text.delta", text.clone()),
        ModelReply::FromSources | ModelReply::SearchFirst => {
            ("response.output_text.delta", String::new())
        }
    }
}

fn item_id(said: &Said) -> String {
    match said.reply {
        ModelReply::ToolCall { .. } => format!("fc_{}", said.id),
        _ => format!("msg_{}", said.id),
    }
}

fn item(said: &Said, status: &str) -> Value {
    match &said.reply {
        ModelReply::ToolCall { name, arguments } => json!({
            "id": item_id(said), "type": "function_call", "status": status,
            "call_id": format!("call_{}", said.id), "name": name,
            "arguments": arguments.to_string(),
        }),
        _ => json!({
            "id": item_id(said), "type": "message", "status": status, "role": "assistant",
            "content": [part(&spoken(said).1)],
        }),
    }
}

fn response(said: &Said, status: &str) -> Value {
    let is_over = status == "completed";
    let output_tokens = pieces(&spoken(said).1).len();
    let usage = json!({
        "input_tokens": said.input_tokens,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": said.input_tokens + output_tokens,
    });
    json!({
        "id": format!("resp_{}", said.id),
        "object": "response",
        "created_at": said.created,
        "status": status,
        "error": null,
        "incomplete_details": null,
        "model": said.model(),
        "output": if is_over { json!([item(said, status)]) } else { json!([]) },
        "store": said.body["store"] != false,
        "usage": if is_over { usage } else { Value::Null },
    })
}
