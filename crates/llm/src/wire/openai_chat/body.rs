use serde_json::{Map, Value, json};

use crate::providers::{Capabilities, ModelRules, ToolRule};
use crate::wire::{data_url, instructions};
use crate::{Message, OutputSchema, Request, Role, Tool, ToolChoice};

/// The body that asks `model` for a streamed answer to `request`.
pub(super) fn of(request: &Request, model: &str, capabilities: Capabilities) -> Value {
    let rules = ModelRules::of(model);
    let (instructions, rest) = instructions(&request.messages);
    let instructions = instructions.map(|text| json!({"role": "system", "content": text}));
    let messages: Vec<Value> = instructions
        .into_iter()
        .chain(rest.iter().map(message))
        .collect();
    let mut body = Map::new();
    body.insert("model".to_owned(), json!(model));
    body.insert("messages".to_owned(), json!(messages));
    body.insert("stream".to_owned(), json!(true));
    if capabilities.usage_in_stream {
        body.insert("stream_options".to_owned(), json!({"include_usage": true}));
    }
    if let Some(limit) = request.max_output_tokens {
        let limit = rules.with_room_to_reason(limit);
        body.insert(capabilities.output_limit.as_str().to_owned(), json!(limit));
    }
    if let Some(temperature) = request.temperature.filter(|_| rules.temperature) {
        body.insert("temperature".to_owned(), json!(temperature));
    }
    if let Some(schema) = &request.output_schema {
        body.insert("response_format".to_owned(), response_format(schema));
    }
    if !request.tools.is_empty() {
        let tools: Vec<Value> = request.tools.iter().map(tool).collect();
        body.insert("tools".to_owned(), json!(tools));
        if rules.chat_tools == ToolRule::WithoutReasoning {
            body.insert("reasoning_effort".to_owned(), json!("none"));
        }
        if let Some(choice) = tool_choice(&request.tool_choice) {
            body.insert("tool_choice".to_owned(), choice);
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
        _ if !message.images.is_empty() => {
            let images = message
                .images
                .iter()
                .map(|image| json!({"type": "image_url", "image_url": {"url": data_url(image)}}));
            let text = json!({"type": "text", "text": message.text});
            let text = Some(text).filter(|_| !message.text.is_empty());
            let parts: Vec<Value> = text.into_iter().chain(images).collect();
            json!({"role": role, "content": parts})
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

/// What forces or forbids calls; nothing where the model is free, for older servers know no more.
fn tool_choice(choice: &ToolChoice) -> Option<Value> {
    match choice {
        ToolChoice::Auto => None,
        ToolChoice::None => Some(json!("none")),
        ToolChoice::Required => Some(json!("required")),
        ToolChoice::Named(name) => Some(json!({"type": "function", "function": {"name": name}})),
    }
}

fn response_format(schema: &OutputSchema) -> Value {
    json!({
        "type": "json_schema",
        "json_schema": {"name": schema.name, "schema": schema.schema, "strict": schema.strict},
    })
}
