use jsonschema::Validator;
use serde_json::{Map, Value};

/// How many mistakes a model is told of at once.
const MAX_MISTAKES: usize = 5;

/// Reads a call's arguments as the model wrote them; nothing at all stands for no arguments.
///
/// # Errors
/// A sentence for the model: what is wrong, and where.
pub(super) fn read(written: &str, schema: &Validator) -> Result<Value, String> {
    let arguments = if written.trim().is_empty() {
        Value::Object(Map::new())
    } else {
        serde_json::from_str(written)
            .map_err(|error| format!("the arguments are not valid JSON: {error}"))?
    };
    let mistakes: Vec<String> = schema
        .iter_errors(&arguments)
        .take(MAX_MISTAKES)
        .map(|mistake| {
            let place = mistake.instance_path().to_string();
            // What it wrote may be long, and it knows.
            let what = mistake.masked_with("the value");
            if place.is_empty() {
                what.to_string()
            } else {
                format!("{place}: {what}")
            }
        })
        .collect();
    if mistakes.is_empty() {
        Ok(arguments)
    } else {
        let mistakes = mistakes.join("; ");
        Err(format!("the arguments do not fit the schema: {mistakes}"))
    }
}
