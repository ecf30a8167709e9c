use std::fmt;

use domain::ChannelKind;
use serde_json::{Map, Value};

use crate::{webchat, whatsapp};

/// A channel's configuration, checked and parted into what may be read back and what may not.
#[derive(Clone, PartialEq)]
pub struct ParsedConfig {
    /// What may be stored and read back openly; an object with every field filled in.
    pub public: Value,
    /// What is to be sealed; `None` where the kind has no secrets.
    pub secrets: Option<Value>,
    /// The channel's own name of the number; `None` where we name it ourselves.
    pub external_id: Option<String>,
}

impl fmt::Debug for ParsedConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ParsedConfig")
            .field("public", &self.public)
            .field("external_id", &self.external_id)
            .finish_non_exhaustive()
    }
}

/// What is wrong with one field of a configuration; never repeats the field's value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct FieldError {
    /// The field's name; empty for the configuration as a whole.
    pub field: String,
    /// What is wrong, for people.
    pub message: String,
}

impl FieldError {
    pub(crate) fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }
}

/// Checks the configuration of a new channel.
///
/// # Errors
/// Everything that is wrong with it, unknown fields included.
pub fn parse(kind: ChannelKind, config: Value) -> Result<ParsedConfig, Vec<FieldError>> {
    match kind {
        ChannelKind::Whatsapp => whatsapp::parse_settings(Fields::new(config)?),
        ChannelKind::Webchat => webchat::parse_settings(Fields::new(config)?),
    }
}

/// Checks a change to a channel's configuration: a field that is missing keeps its value, secrets
/// included, and one that is `null` goes back to its default.
///
/// `public` and `secrets` are those of the [`ParsedConfig`] that stands.
///
/// # Errors
/// Everything that is wrong with the result.
pub fn merge(
    kind: ChannelKind,
    change: Value,
    public: &Value,
    secrets: Option<&Value>,
) -> Result<ParsedConfig, Vec<FieldError>> {
    let change = Fields::new(change)?;
    let mut merged = Map::new();
    for old in [Some(public), secrets].into_iter().flatten() {
        merged.extend(old.as_object().cloned().unwrap_or_default());
    }
    merged.extend(change.fields);
    parse(kind, Value::Object(merged))
}

/// The fields of a configuration that are still to be read, and what is wrong with those read.
pub(crate) struct Fields {
    fields: Map<String, Value>,
    errors: Vec<FieldError>,
}

impl Fields {
    fn new(config: Value) -> Result<Self, Vec<FieldError>> {
        let fields = match config {
            Value::Object(fields) => fields,
            Value::Null => Map::new(),
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                return Err(vec![FieldError::new("", "must be an object")]);
            }
        };
        Ok(Self {
            fields,
            errors: Vec::new(),
        })
    }

    /// Takes a field out; `None` if it is missing or `null`.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.fields
            .shift_remove(name)
            .filter(|value| !value.is_null())
    }

    /// Takes a text of 1 to `max_chars` characters out, without the space around it.
    pub(crate) fn text(&mut self, name: &str, max_chars: usize) -> Option<String> {
        let Value::String(text) = self.take(name)? else {
            self.wrong(name, "must be a text");
            return None;
        };
        let text = text.trim();
        if text.is_empty() || text.chars().count() > max_chars {
            self.wrong(name, format!("must have 1 to {max_chars} characters"));
            return None;
        }
        if text.chars().any(char::is_control) {
            self.wrong(name, "must not contain control characters");
            return None;
        }
        Some(text.to_owned())
    }

    /// Notes what is wrong with a field.
    pub(crate) fn wrong(&mut self, name: &str, message: impl Into<String>) {
        self.errors.push(FieldError::new(name, message));
    }

    /// Notes that a field is missing, unless it is known to be wrong.
    pub(crate) fn require<T>(&mut self, name: &str, value: Option<&T>) {
        if value.is_none() && !self.errors.iter().any(|error| error.field == name) {
            self.wrong(name, "is required");
        }
    }

    /// Returns what is wrong, fields that nobody read included.
    pub(crate) fn finish(mut self) -> Result<(), Vec<FieldError>> {
        let unknown: Vec<String> = self.fields.keys().cloned().collect();
        for name in unknown {
            self.wrong(&name, "is not a setting of this kind of channel");
        }
        if self.errors.is_empty() {
            Ok(())
        } else {
            Err(self.errors)
        }
    }
}
