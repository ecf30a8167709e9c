use serde_json::{Map, Value, json};

use super::FORMAT;
use crate::providers::ModelRules;
use crate::wire::{data_url, instructions};
use crate::{Message, OutputSchema, Request, Role, Tool, ToolChoice};

/// The least that may be asked for. Source: openai `ResponseCreateParams`, 2026-11.
const LEAST_OUTPUT_TOKENS: u32 = 16;

/// The body that asks `model` for a streamed answer to `request`.
///
/// Nothing is kept at the provider: every request carries the whole exchange.
pub(super) fn of(request: &Request, model: &str) -> Value {
    let rules = ModelRules::of(model);
    let mut body = Map::new();
    body.insert("model".to_owned(), json!(model));
    let (instructions, rest) = instructions(&request.messages);
    if let Some(instructions) = instructions {
        body.insert("instructions".to_owned(), json!(instructions));
    }
    let input = rest.iter();
    let input: Vec<Value> = input.flat_map(|message| items(message, model)).collect();
    body.insert("input".to_owned(), json!(input));
    body.insert("stream".to_owned(), json!(true));
    body.insert("store".to_owned(), json!(false));
    if let Some(limit) = request.max_output_tokens {
        let limit = rules.with_room_to_reason(limit).max(LEAST_OUTPUT_TOKENS);
        body.insert("max_output_tokens".to_owned(), json!(limit));
    }
    if let Some(temperature) = request.temperature.filter(|_| rules.temperature) {
        body.insert("temperature".to_owned(), json!(temperature));
    }
    if rules.reasons {
        // A customer waits for the answer.
        body.insert("reasoning".to_owned(), json!({"effort": "low"}));
    }
    if let Some(schema) = &request.output_schema {
        body.insert("text".to_owned(), json!({"format": format(schema)}));
    }
    if !request.tools.is_empty() {
        let tools: Vec<Value> = request.tools.iter().map(tool).collect();
        body.insert("tools".to_owned(), json!(tools));
        body.insert("tool_choice".to_owned(), tool_choice(&request.tool_choice));
        if rules.reasons {
            // Sealed, so that it can go back with the results of the calls.
            let include = json!(["reasoning.encrypted_content"]);
            body.insert("include".to_owned(), include);
        }
    }
    Value::Object(body)
}

/// A message as the items it is made of.
fn items(message: &Message, model: &str) -> Vec<Value> {
    let replay = message.replay.as_ref();
    if let Some(content) = replay.and_then(|replay| replay.content_for(FORMAT, model)) {
        return content.to_vec();
    }
    if let (Role::Tool, Some(id)) = (message.role, &message.tool_call_id) {
        return vec![json!({
            "type": "function_call_output", "call_id": id, "output": message.text,
        })];
    }
    let role = match message.role {
        Role::System => "developer",
        other => other.as_str(),
    };
    let text = (!message.text.is_empty() || !message.images.is_empty())
        .then(|| json!({"role": role, "content": content(message)}));
    let calls = message.tool_calls.iter().map(|call| {
        json!({
            "type": "function_call",
            "call_id": call.id,
            "name": call.name,
            "arguments": call.arguments,
        })
    });
    text.into_iter().chain(calls).collect()
}

fn content(message: &Message) -> Value {
    if message.images.is_empty() {
        return json!(message.text);
    }
    let images = message.images.iter().map(
        |image| json!({"type": "input_image", "detail": "auto", "image_url": data_url(image)}),
    );
    let text = json!({"type": "input_text", "text": message.text});
    let text = Some(text).filter(|_| !message.text.is_empty());
    text.into_iter().chain(images).collect()
}

/// A tool; unless it says otherwise its schema would have to be a strict one.
fn tool(tool: &Tool) -> Value {
    json!({
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
        "strict": false,
    })
}

fn tool_choice(choice: &ToolChoice) -> Value {
    match choice {
        ToolChoice::Auto => json!("auto"),
        ToolChoice::None => json!("none"),
        ToolChoice::Required => json!("required"),
        ToolChoice::Named(name) => json!({"type": "function", "name": name}),
    }
}

fn format(schema: &OutputSchema) -> Value {
    json!({
        "type": "json_schema",
        "name": schema.name,
        "schema": schema.schema,
        "strict": schema.strict,
    })
}
