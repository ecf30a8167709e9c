use serde_json::{Map, Value, json};

use super::OllamaOptions;
use crate::wire::{arguments_object, base64, instructions};
use crate::{Message, Request, Role, Tool, ToolChoice};

/// The body that asks `model` for a streamed answer to `request`.
pub(super) fn of(request: &Request, model: &str, options: OllamaOptions) -> Value {
    let (instructions, rest) = instructions(&request.messages);
    let instructions = instructions.map(|text| json!({"role": "system", "content": text}));
    let messages = rest.iter().enumerate();
    let messages = messages.map(|(at, message)| self::message(message, &rest[..at]));
    let messages: Vec<Value> = instructions.into_iter().chain(messages).collect();
    let mut body = Map::new();
    body.insert("model".to_owned(), json!(model));
    body.insert("messages".to_owned(), json!(messages));
    body.insert("stream".to_owned(), json!(true));
    // It knows no other choice than to show the tools or not.
    if !request.tools.is_empty() && request.tool_choice != ToolChoice::None {
        let tools: Vec<Value> = request.tools.iter().map(tool).collect();
        body.insert("tools".to_owned(), json!(tools));
    }
    if let Some(schema) = &request.output_schema {
        body.insert("format".to_owned(), schema.schema.clone());
    }
    if let Some(seconds) = options.keep_alive_seconds {
        body.insert("keep_alive".to_owned(), json!(seconds));
    }
    let mut tuning = Map::new();
    if let Some(tokens) = options.context_tokens {
        tuning.insert("num_ctx".to_owned(), json!(tokens));
    }
    if let Some(limit) = request.max_output_tokens {
        tuning.insert("num_predict".to_owned(), json!(limit));
    }
    if let Some(temperature) = request.temperature {
        tuning.insert("temperature".to_owned(), json!(temperature));
    }
    if !tuning.is_empty() {
        body.insert("options".to_owned(), Value::Object(tuning));
    }
    Value::Object(body)
}

fn message(message: &Message, before: &[Message]) -> Value {
    let mut value = json!({"role": message.role.as_str(), "content": message.text});
    if !message.images.is_empty() {
        let images: Vec<String> = message.images.iter().map(base64).collect();
        value["images"] = json!(images);
    }
    if !message.tool_calls.is_empty() {
        let calls = message.tool_calls.iter().map(|call| {
            json!({"function": {
                "name": call.name,
                "arguments": arguments_object(&call.arguments),
            }})
        });
        value["tool_calls"] = calls.collect();
    }
    if message.role == Role::Tool
        && let Some(name) = tool_name(message, before)
    {
        value["tool_name"] = json!(name);
    }
    value
}

/// The tool whose result a message holds: here results belong to names, not to ids.
fn tool_name<'a>(result: &Message, before: &'a [Message]) -> Option<&'a str> {
    let id = result.tool_call_id.as_deref()?;
    let calls = before.iter().rev().flat_map(|message| &message.tool_calls);
    let call = calls.into_iter().find(|call| call.id == id)?;
    Some(&call.name)
}

fn tool(tool: &Tool) -> Value {
    json!({
        "type": "function",
        "function": {
            "name": tool.name,
            "description": tool.description,
            "parameters": tool.parameters,
        },
    })
}
