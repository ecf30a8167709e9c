use serde_json::{Map, Value, json};

use super::FORMAT;
use crate::providers::ModelRules;
use crate::wire::{arguments_object, base64};
use crate::{Image, Message, Request, Role, Tool, ToolChoice};

/// The limit of an answer where the request sets none: the format demands one.
const OUTPUT_TOKENS: u32 = 4096;
/// From how many bytes on a prefix is marked to be cached: about 512 tokens, below which no model
/// caches anything.
///
/// Source: platform.claude.com/docs/en/build-with-claude/prompt-caching, 2026-11.
const CACHED_FROM_BYTES: usize = 2048;
/// What stands for the messages before a history that begins with an answer: a user has to speak
/// first.
const EARLIER: &str = "(Earlier messages are left out.)";

/// The body that asks `model` for a streamed answer to `request`.
///
/// It never holds a sampling parameter: the version refuses each of them, defaults included.
pub(super) fn of(request: &Request, model: &str) -> Value {
    let rules = ModelRules::of(model);
    let limit = request.max_output_tokens.unwrap_or(OUTPUT_TOKENS);
    let mut body = Map::new();
    body.insert("model".to_owned(), json!(model));
    body.insert(
        "max_tokens".to_owned(),
        json!(rules.with_room_to_reason(limit)),
    );
    body.insert("stream".to_owned(), json!(true));
    let (tools, tools_bytes) = tools(&request.tools);
    let system = system(request, tools_bytes);
    if !system.is_empty() {
        body.insert("system".to_owned(), Value::Array(system));
    }
    let messages = messages(request, model);
    body.insert("messages".to_owned(), Value::Array(messages));
    if !tools.is_empty() {
        body.insert("tools".to_owned(), Value::Array(tools));
        body.insert("tool_choice".to_owned(), tool_choice(&request.tool_choice));
    }
    let mut output = Map::new();
    if rules.effort {
        // A customer waits for the answer.
        output.insert("effort".to_owned(), json!("low"));
    }
    if let Some(schema) = &request.output_schema {
        let format = json!({"type": "json_schema", "schema": schema.schema});
        output.insert("format".to_owned(), format);
    }
    if !output.is_empty() {
        body.insert("output_config".to_owned(), Value::Object(output));
    }
    Value::Object(body)
}

fn cache_marker() -> Value {
    json!({"type": "ephemeral"})
}

/// The tools, the last one marked if all of them are worth caching, and how long they are.
fn tools(tools: &[Tool]) -> (Vec<Value>, usize) {
    let mut values: Vec<Value> = tools
        .iter()
        .map(|tool| {
            json!({
                "name": tool.name,
                "description": tool.description,
                "input_schema": tool.parameters,
            })
        })
        .collect();
    let bytes = values.iter().map(|tool| tool.to_string().len()).sum();
    if bytes >= CACHED_FROM_BYTES
        && let Some(last) = values.last_mut()
    {
        last["cache_control"] = cache_marker();
    }
    (values, bytes)
}

/// The instructions, a block for each system message.
///
/// The first is marked if it is worth caching together with the tools before it: what changes from
/// turn to turn, such as passages, comes in a second one.
fn system(request: &Request, tools_bytes: usize) -> Vec<Value> {
    let messages = request.messages.iter();
    let texts =
        messages.filter(|message| message.role == Role::System && !message.text.trim().is_empty());
    let mut blocks: Vec<Value> = texts.map(|message| text_block(&message.text)).collect();
    if let Some(first) = blocks.first_mut() {
        let bytes = first["text"].as_str().map_or(0, str::len);
        if bytes + tools_bytes >= CACHED_FROM_BYTES {
            first["cache_control"] = cache_marker();
        }
    }
    blocks
}

/// The exchange, turns of the same speaker merged, a user first.
fn messages(request: &Request, model: &str) -> Vec<Value> {
    let mut turns: Vec<(&str, Vec<Value>)> = Vec::new();
    for message in &request.messages {
        let role = match message.role {
            Role::System => continue,
            Role::Assistant => "assistant",
            Role::User | Role::Tool => "user",
        };
        let blocks = blocks(message, model);
        if blocks.is_empty() {
            continue;
        }
        if turns.is_empty() && role == "assistant" {
            turns.push(("user", vec![text_block(EARLIER)]));
        }
        match turns.last_mut() {
            Some((last, content)) if *last == role => content.extend(blocks),
            _ => turns.push((role, blocks)),
        }
    }
    turns
        .into_iter()
        .map(|(role, content)| json!({"role": role, "content": content}))
        .collect()
}

/// A message's blocks; a blank text would be refused, so it is none.
fn blocks(message: &Message, model: &str) -> Vec<Value> {
    let replay = message.replay.as_ref();
    if let Some(content) = replay.and_then(|replay| replay.content_for(FORMAT, model)) {
        return content.to_vec();
    }
    if let (Role::Tool, Some(id)) = (message.role, &message.tool_call_id) {
        return vec![json!({
            "type": "tool_result", "tool_use_id": id, "content": message.text,
        })];
    }
    let images = message.images.iter().map(image_block);
    let text = (!message.text.trim().is_empty()).then(|| text_block(&message.text));
    let calls = message.tool_calls.iter().map(|call| {
        json!({
            "type": "tool_use",
            "id": call.id,
            "name": call.name,
            "input": arguments_object(&call.arguments),
        })
    });
    images.chain(text).chain(calls).collect()
}

fn text_block(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

fn image_block(image: &Image) -> Value {
    json!({
        "type": "image",
        "source": {
            "type": "base64",
            "media_type": image.format.media_type(),
            "data": base64(image),
        },
    })
}

fn tool_choice(choice: &ToolChoice) -> Value {
    match choice {
        ToolChoice::Auto => json!({"type": "auto"}),
        ToolChoice::None => json!({"type": "none"}),
        ToolChoice::Required => json!({"type": "any"}),
        ToolChoice::Named(name) => json!({"type": "tool", "name": name}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ToolCall;

    fn request(messages: Vec<Message>) -> Request {
        Request {
            messages,
            ..Request::default()
        }
    }

    #[test]
    fn turns_of_the_same_speaker_are_merged_and_a_user_speaks_first() {
        let call = ToolCall {
            id: "toolu_1".to_owned(),
            name: "find".to_owned(),
            arguments: "{\"q\":".to_owned(),
        };
        let body = of(
            &request(vec![
                Message::system("Be brief."),
                Message::assistant("Hello."),
                Message::user("One"),
                Message::user(" \n"),
                Message::user("Two"),
                Message::calling("", vec![call]),
                Message::tool("toolu_1", "none"),
                Message::user("Well?"),
            ]),
            "claude-haiku-4-5",
        );
        assert_eq!(
            body["messages"],
            json!([
                {"role": "user", "content": [{"type": "text", "text": EARLIER}]},
                {"role": "assistant", "content": [{"type": "text", "text": "Hello."}]},
                {"role": "user", "content": [
                    {"type": "text", "text": "One"}, {"type": "text", "text": "Two"},
                ]},
                {"role": "assistant", "content": [{
                    "type": "tool_use", "id": "toolu_1", "name": "find",
                    "input": {"unreadable": "{\"q\":"},
                }]},
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": "toolu_1", "content": "none"},
                    {"type": "text", "text": "Well?"},
                ]},
            ])
        );
        assert_eq!(body["max_tokens"], OUTPUT_TOKENS);
        assert_eq!(body.get("output_config"), None);
    }

    #[test]
    fn only_what_is_long_enough_is_marked_to_be_cached() {
        let long = "x".repeat(CACHED_FROM_BYTES);
        let tool = |description: &str| Tool {
            name: "find".to_owned(),
            description: description.to_owned(),
            parameters: json!({"type": "object"}),
        };
        let marked = |instructions: &str, description: &str| {
            let request = Request {
                tools: vec![tool("Looks."), tool(description)],
                ..request(vec![
                    Message::system(instructions),
                    Message::system("passages"),
                    Message::user("Hi"),
                ])
            };
            let body = of(&request, "claude-haiku-5-5");
            assert_eq!(body["tools"][0].get("cache_control"), None);
            assert_eq!(body["system"][1].get("cache_control"), None);
            let has = |value: &Value| value["cache_control"] == cache_marker();
            (has(&body["tools"][1]), has(&body["system"][0]))
        };
        assert_eq!(marked("short", "short"), (false, false));
        assert_eq!(marked(&long, "short"), (false, true));
        assert_eq!(marked("short", &long), (true, true));
    }
}
