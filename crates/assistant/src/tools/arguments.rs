use jsonschema::Validator;
use serde_json::{Map, Value};

/// How many mistakes a model is told of at once.
const MAX_MISTAKES: usize = 5;

/// How much it is told of them, in characters: names of fields that it made up may be long too.
const MAX_CHARS: usize = 1000;

/// Reads a call's arguments as the model wrote them; nothing at all stands for no arguments.
///
/// # Errors
/// A sentence for the model: what is wrong, and where.
pub(super) fn read(written: &str, schema: &Validator) -> Result<Value, String> {
    let mut arguments = if written.trim().is_empty() {
        Value::Object(Map::new())
    } else {
        serde_json::from_str(written)
            .map_err(|error| format!("the arguments are not valid JSON: {error}"))?
    };
    replace_nul(&mut arguments);
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
        let mistakes: String = mistakes.join("; ").chars().take(MAX_CHARS).collect();
        Err(format!("the arguments do not fit the schema: {mistakes}"))
    }
}

/// Replaces NUL characters, which no row can hold, in all texts; fields are named by the schema.
fn replace_nul(value: &mut Value) {
    match value {
        Value::String(text) if text.contains('\0') => *text = text.replace('\0', "\u{fffd}"),
        Value::Array(items) => items.iter_mut().for_each(replace_nul),
        Value::Object(fields) => fields.values_mut().for_each(replace_nul),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::tools::{SearchKnowledgeBase, Tool as _};

    fn schema() -> Validator {
        jsonschema::validator_for(&SearchKnowledgeBase.parameters()).unwrap()
    }

    #[test]
    fn nothing_at_all_stands_for_no_arguments() {
        let any = jsonschema::validator_for(&json!({"type": "object"})).unwrap();
        for nothing in ["", " \n", "{}"] {
            assert_eq!(read(nothing, &any), Ok(json!({})));
        }
        assert!(read("", &schema()).is_err(), "a query is required");
    }

    #[test]
    fn a_mistake_names_its_place_and_repeats_neither_values_nor_long_names() {
        let wrong = read(r#"{"query": 7}"#, &schema()).unwrap_err();
        assert!(wrong.contains("/query"), "{wrong}");
        let long = "x".repeat(50_000);
        for written in [
            json!({"query": [&long]}),
            json!({"query": "a", &long: 1}),
            json!({"query": {&long: 1}}),
        ] {
            let wrong = read(&written.to_string(), &schema()).unwrap_err();
            assert!(wrong.chars().count() < 1100, "{} chars", wrong.len());
        }
    }

    #[test]
    fn nul_is_replaced_for_no_row_can_hold_it() {
        let read = read(r#"{"query": "a\u0000b"}"#, &schema());
        assert_eq!(read, Ok(json!({"query": "a\u{fffd}b"})));
    }

    /// JSON whose names are often those of the schema.
    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,20}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 30, 4, |inner| {
            let field = (prop_oneof!["query", ".{0,6}"], inner.clone());
            let object = prop::collection::vec(field, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect()));
            let list = prop::collection::vec(inner, 0..4).prop_map(Value::from);
            prop_oneof![object, list]
        })
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_was_written_and_fits(value in any_json()) {
            let written = value.to_string();
            let mut value: Value = serde_json::from_str(&written).unwrap();
            replace_nul(&mut value);
            match read(&written, &schema()) {
                Ok(arguments) => {
                    prop_assert!(arguments["query"].is_string());
                    prop_assert_eq!(arguments, value);
                }
                Err(wrong) => {
                    prop_assert!(!schema().is_valid(&value));
                    prop_assert!(wrong.chars().count() < 1100);
                }
            }
        }

        #[test]
        fn no_text_is_too_odd_to_be_told_what_is_wrong_with_it(written in ".{0,200}") {
            if let Err(wrong) = read(&written, &schema()) {
                prop_assert!(wrong.starts_with("the arguments "));
            }
        }
    }
}
