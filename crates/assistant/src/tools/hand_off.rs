use serde::Deserialize;
use serde_json::{Value, json};

use super::{Tool, ToolContext, ToolError};

/// Gives the conversation to a person; the turn ends with it.
#[derive(Clone, Copy, Debug)]
pub struct HandOff;

/// Its name.
pub(crate) const NAME: &str = "hand_off";

#[derive(Deserialize)]
struct Arguments {
    reason: String,
}

#[async_trait::async_trait]
impl Tool for HandOff {
    fn name(&self) -> &'static str {
        NAME
    }

    fn description(&self) -> &'static str {
        "Gives the conversation to a person of the business, who then answers the customer instead \
         of you. Use it when the customer wants a person, is upset, or needs something done that \
         you cannot do. Say nothing about it yourself: the customer is told."
    }

    fn parameters(&self) -> Value {
        json!({
            "type": "object",
            "properties": {
                "reason": {
                    "type": "string",
                    "minLength": 1,
                    "maxLength": 500,
                    "description": "What the person should know, in a sentence.",
                },
            },
            "required": ["reason"],
            "additionalProperties": false,
        })
    }

    async fn run(
        &self,
        context: &mut ToolContext<'_>,
        arguments: Value,
    ) -> Result<String, ToolError> {
        let arguments: Arguments = serde_json::from_value(arguments)
            .map_err(|error| ToolError(format!("the arguments cannot be read: {error}")))?;
        *context.hand_off = Some(arguments.reason);
        Ok("A person takes over.".to_owned())
    }
}
