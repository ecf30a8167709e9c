use serde_json::{Map, Value, json};

use super::fields::{Fields, MAX_ORIGINS};
use super::{FieldError, ParsedConfig};

/// What can be set of a kind of channel.
#[derive(Clone, Copy, Debug)]
pub struct Schema {
    /// The fields, in the order of the form.
    pub fields: &'static [Field],
    /// The field that holds the operator's own name of the number or page.
    pub external_id: Option<&'static str>,
}

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name in the API.
    pub name: &'static str,
    /// What stands before it in a form.
    pub title: &'static str,
    /// A sentence that says what it is and where it is found.
    pub help: &'static str,
    /// What it holds.
    pub kind: FieldKind,
    /// Whether it must be set.
    pub required: bool,
    /// What stands where it is not set.
    pub default: Option<&'static str>,
}

/// What a setting holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// A line of text.
    Text {
        /// The most characters.
        max_chars: usize,
    },
    /// An id of digits.
    Digits,
    /// A secret: sealed, and never read back.
    Secret,
    /// A secret in the form of Standard Webhooks, `whsec_…`: sealed, and never read back.
    SigningSecret,
    /// An HTTP address.
    Url,
    /// Origins of web pages.
    Origins,
    /// A colour as `#rrggbb`.
    Colour,
    /// Yes or no; no where it is not set.
    Flag,
    /// A whole number.
    Whole {
        /// The least it may be.
        least: u32,
        /// The most it may be.
        most: u32,
    },
}

const MAX_DIGITS: usize = 64;
const MAX_SECRET_CHARS: usize = 2000;

impl Field {
    /// A field that may be left out.
    pub const fn optional(
        name: &'static str,
        kind: FieldKind,
        title: &'static str,
        help: &'static str,
    ) -> Self {
        Self {
            name,
            title,
            help,
            kind,
            required: false,
            default: None,
        }
    }

    /// A field that must be set.
    pub const fn required(
        name: &'static str,
        kind: FieldKind,
        title: &'static str,
        help: &'static str,
    ) -> Self {
        Self {
            required: true,
            ..Self::optional(name, kind, title, help)
        }
    }

    /// The field with what stands where it is not set.
    #[must_use]
    pub const fn with_default(self, default: &'static str) -> Self {
        Self {
            default: Some(default),
            ..self
        }
    }

    /// Whether it is sealed, and never read back.
    pub const fn is_secret(&self) -> bool {
        matches!(self.kind, FieldKind::Secret | FieldKind::SigningSecret)
    }

    fn read(&self, fields: &mut Fields) -> Option<Value> {
        let name = self.name;
        let text = match self.kind {
            FieldKind::Text { max_chars } => fields.text(name, max_chars),
            FieldKind::Digits => fields.digits(name, MAX_DIGITS),
            FieldKind::Secret => fields.text(name, MAX_SECRET_CHARS),
            FieldKind::SigningSecret => fields.signing_secret(name),
            FieldKind::Url => fields.url(name),
            FieldKind::Colour => fields.colour(name),
            FieldKind::Origins => return Some(fields.origins(name).into()),
            FieldKind::Flag => return Some(fields.flag(name).into()),
            FieldKind::Whole { least, most } => {
                return fields.whole(name, least..=most).map(Value::from);
            }
        };
        if self.required {
            fields.require(name, text.as_ref());
        }
        text.map(Value::from).or(self.default.map(Value::from))
    }

    fn to_json(self) -> Value {
        let mut schema = Map::new();
        schema.insert("type".to_owned(), "string".into());
        schema.insert("title".to_owned(), self.title.into());
        schema.insert("description".to_owned(), self.help.into());
        let form = match self.kind {
            FieldKind::Text { max_chars } => json!({"minLength": 1, "maxLength": max_chars}),
            FieldKind::Digits => json!({"pattern": format!("^[0-9]{{1,{MAX_DIGITS}}}$")}),
            FieldKind::Secret => {
                json!({"minLength": 1, "maxLength": MAX_SECRET_CHARS, "writeOnly": true})
            }
            FieldKind::SigningSecret => {
                json!({"pattern": "^whsec_[A-Za-z0-9+/]{32,86}={0,2}$", "writeOnly": true})
            }
            FieldKind::Url => json!({"format": "uri", "maxLength": 2000}),
            FieldKind::Colour => json!({"pattern": "^#[0-9a-fA-F]{6}$"}),
            FieldKind::Flag => json!({"type": "boolean", "default": false}),
            FieldKind::Whole { least, most } => {
                json!({"type": "integer", "minimum": least, "maximum": most})
            }
            FieldKind::Origins => json!({
                "type": "array", "items": {"type": "string", "format": "uri"},
                "maxItems": MAX_ORIGINS, "default": [],
            }),
        };
        schema.extend(form.as_object().cloned().unwrap_or_default());
        if let Some(default) = self.default {
            schema.insert("default".to_owned(), default.into());
        }
        Value::Object(schema)
    }
}

impl Schema {
    /// Whether anything of it is sealed.
    pub fn has_secrets(&self) -> bool {
        self.fields.iter().any(Field::is_secret)
    }

    pub(super) fn read(&self, mut fields: Fields) -> Result<ParsedConfig, Vec<FieldError>> {
        let mut public = Map::new();
        let mut secrets = Map::new();
        for field in self.fields {
            let into = if field.is_secret() {
                &mut secrets
            } else {
                &mut public
            };
            if let Some(value) = field.read(&mut fields) {
                into.insert(field.name.to_owned(), value);
            }
        }
        fields.finish()?;
        let external_id = self.external_id.and_then(|name| public.get(name));
        Ok(ParsedConfig {
            external_id: external_id.and_then(Value::as_str).map(str::to_owned),
            public: public.into(),
            secrets: self.has_secrets().then(|| secrets.into()),
        })
    }

    pub(super) fn to_json(self) -> Value {
        let properties: Map<String, Value> = self
            .fields
            .iter()
            .map(|field| (field.name.to_owned(), field.to_json()))
            .collect();
        let required: Vec<&str> = self
            .fields
            .iter()
            .filter(|field| field.required)
            .map(|field| field.name)
            .collect();
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        })
    }
}
