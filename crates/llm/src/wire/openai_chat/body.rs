use serde_json::{Map, Value, json};

use crate::providers::{Capabilities, ModelRules, ToolRule};
use crate::{Message, Request, Role, Tool};

/// The body that asks `model` for a streamed answer to `request`.
pub(super) fn of(request: &Request, model: &str, capabilities: Capabilities) -> Value {
    let rules = ModelRules::of(model);
    let messages: Vec<Value> = request.messages.iter().map(message).collect();
    let mut body = Map::new();
    body.insert("model".to_owned(), json!(model));
    body.insert("messages".to_owned(), json!(messages));
    body.insert("stream".to_owned(), json!(true));
    if capabilities.usage_in_stream {
        body.insert("stream_options".to_owned(), json!({"include_usage": true}));
    }
    if let Some(limit) = request.max_output_tokens {
        body.insert(capabilities.output_limit.as_str().to_owned(), json!(limit));
    }
    if let Some(temperature) = request.temperature.filter(|_| rules.temperature) {
        body.insert("temperature".to_owned(), json!(temperature));
    }
    if !request.tools.is_empty() {
        let tools: Vec<Value> = request.tools.iter().map(tool).collect();
        body.insert("tools".to_owned(), json!(tools));
        if rules.tools == ToolRule::WithoutReasoning {
            body.insert("reasoning_effort".to_owned(), json!("none"));
        }
    }
    Value::Object(body)
}

fn message(message: &Message) -> Value {
    let role = message.role.as_str();
    match (message.role, &message.tool_call_id) {
        (Role::Tool, Some(id)) => {
            json!({"role": role, "tool_call_id": id, "content": message.text})
        }
        (Role::Assistant, _) if !message.tool_calls.is_empty() => {
            let calls = message.tool_calls.iter().map(|call| {
                json!({
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": call.arguments},
                })
            });
            let content = match message.text.as_str() {
                "" => Value::Null,
                text => json!(text),
            };
            json!({"role": role, "content": content, "tool_calls": calls.collect::<Vec<_>>()})
        }
        _ => json!({"role": role, "content": message.text}),
    }
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
