//! What can be set of a channel: one table of fields per kind, which checks a configuration and
//! describes the dashboard's form.

mod fields;
mod schema;

use std::fmt;

use domain::ChannelKind;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

pub use schema::{Field, FieldKind, Schema};

pub(crate) use fields::{Fields, normal_origin};

use crate::{BrokenSettings, channel};

/// A channel's configuration, checked and parted into what may be read back and what may not.
#[derive(Clone, PartialEq)]
pub struct ParsedConfig {
    /// What may be stored and read back openly: an object with every field that is set or has a
    /// default.
    pub public: Value,
    /// What is to be sealed; `None` where the kind has no secrets.
    pub secrets: Option<Value>,
    /// The channel's own name of the number or page; `None` where we name it ourselves.
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
    channel(kind).schema().read(Fields::new(config)?)
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
    merged.extend(change.into_map());
    parse(kind, Value::Object(merged))
}

/// Describes a kind's configuration as a JSON schema (2020-12), which drives the dashboard's form:
/// the properties stand in the form's order, and a secret is `writeOnly`.
pub fn json_schema(kind: ChannelKind) -> Value {
    channel(kind).schema().to_json()
}

/// Reads stored settings into a kind's own type.
pub(crate) fn stored<T: DeserializeOwned>(
    what: &str,
    value: Option<&Value>,
) -> Result<T, BrokenSettings> {
    let value = value.cloned().unwrap_or_else(|| Map::new().into());
    serde_json::from_value(value).map_err(|error| BrokenSettings {
        // Only what is missing is told: other errors repeat values.
        reason: match error.to_string() {
            reason if reason.starts_with("missing field") => format!("{what}: {reason}"),
            _ => format!("{what}: a field is of the wrong type"),
        },
    })
}
