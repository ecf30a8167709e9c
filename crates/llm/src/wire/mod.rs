//! One folder per format on the wire; a provider that speaks a known one is a row in the table.
//!
//! A format says how a request is written (`body`) and how its frames are read; `answer` does the
//! rest for all of them: the request, the time limits, the joining of calls, the end.

mod answer;
pub(crate) mod anthropic;
mod calls;
mod frames;
mod limits;
pub(crate) mod ollama;
pub(crate) mod openai;
mod openai_chat;
mod openai_responses;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::endpoint::Endpoint;
use crate::providers::{Capabilities, ModelRules};
use crate::{Error, Image, Message, Request, Role, ToolChoice};

/// Refuses what the server or the model cannot do before anything is sent.
fn check(
    endpoint: &Endpoint,
    request: &Request,
    model: &str,
    capabilities: Capabilities,
) -> Result<(), Error> {
    let rules = ModelRules::of(model);
    let unsupported = |detail: String| Err(endpoint.unsupported(detail));
    let mut with_images = request
        .messages
        .iter()
        .filter(|message| !message.images.is_empty());
    if with_images
        .clone()
        .any(|message| message.role != Role::User)
    {
        return Err(endpoint.refused("only a customer's message may show images"));
    }
    if with_images.next().is_some() && !rules.images {
        return unsupported(format!("{model} reads no images"));
    }
    if !request.tools.is_empty() && !capabilities.tools {
        return unsupported(format!("{model} calls no tools"));
    }
    if request.output_schema.is_some() && !rules.output_schema {
        return unsupported(format!("{model} cannot be held to a JSON schema"));
    }
    let has_choice = match &request.tool_choice {
        ToolChoice::Auto | ToolChoice::None => return Ok(()),
        ToolChoice::Required => !request.tools.is_empty(),
        ToolChoice::Named(name) => request.tools.iter().any(|tool| tool.name == *name),
    };
    if !has_choice {
        return Err(endpoint.refused("the tool that has to be called is not among the tools"));
    }
    if !capabilities.tool_choice {
        return unsupported(format!("{model} cannot be made to call a tool"));
    }
    Ok(())
}

/// The request's own model, else the client's.
fn model_of<'a>(request: &'a Request, own: &'a str) -> &'a str {
    match request.model.as_str() {
        "" => own,
        named => named,
    }
}

/// What leads the messages as instructions, as one text, and the messages after it: templates of
/// many models know one system message only, and that at the very beginning.
fn instructions(messages: &[Message]) -> (Option<String>, &[Message]) {
    let is_instruction = |message: &&Message| message.role == Role::System;
    let leading = messages.iter().take_while(is_instruction).count();
    let (leading, rest) = messages.split_at(leading);
    let texts: Vec<&str> = leading.iter().map(|message| &*message.text).collect();
    ((!texts.is_empty()).then(|| texts.join("\n\n")), rest)
}

/// A call's arguments as an object, as some formats want them back.
///
/// What the model wrote badly is kept as text, so that it sees what it did.
fn arguments_object(arguments: &str) -> Value {
    match serde_json::from_str(arguments) {
        Ok(object @ Value::Object(_)) => object,
        _ => {
            let text = Value::String(arguments.to_owned());
            Value::Object(Map::from_iter([("unreadable".to_owned(), text)]))
        }
    }
}

fn base64(image: &Image) -> String {
    STANDARD.encode(&image.bytes)
}

fn data_url(image: &Image) -> String {
    format!(
        "data:{};base64,{}",
        image.format.media_type(),
        base64(image)
    )
}
