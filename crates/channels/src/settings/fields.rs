use std::ops::RangeInclusive;

use secrets::WebhookSecret;
use serde_json::{Map, Value};
use url::Url;

use super::FieldError;

/// The most origins a list may have.
pub(super) const MAX_ORIGINS: usize = 50;

/// The fields of a configuration that are still to be read, and what is wrong with those read.
pub(crate) struct Fields {
    fields: Map<String, Value>,
    errors: Vec<FieldError>,
}

impl Fields {
    pub(super) fn new(config: Value) -> Result<Self, Vec<FieldError>> {
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

    pub(super) fn into_map(self) -> Map<String, Value> {
        self.fields
    }

    /// Takes a field out; `None` if it is missing or `null`.
    fn take(&mut self, name: &str) -> Option<Value> {
        self.fields
            .shift_remove(name)
            .filter(|value| !value.is_null())
    }

    /// Takes a text of 1 to `max_chars` characters out, without the space around it.
    pub(super) fn text(&mut self, name: &str, max_chars: usize) -> Option<String> {
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

    /// Takes an operator's id out, which has digits only.
    pub(super) fn digits(&mut self, name: &str, max_chars: usize) -> Option<String> {
        let digits = self.text(name, max_chars)?;
        self.accept(
            name,
            digits,
            "must be the operator's id, digits only",
            |text| text.bytes().all(|byte| byte.is_ascii_digit()),
        )
    }

    /// Takes a secret out that signs posts by Standard Webhooks.
    pub(super) fn signing_secret(&mut self, name: &str) -> Option<String> {
        let secret = self.text(name, 200)?;
        let form = "must be `whsec_` followed by 24 to 64 bytes in base64";
        self.accept(name, secret, form, |text| {
            text.parse::<WebhookSecret>().is_ok()
        })
    }

    /// Takes an address out.
    pub(super) fn url(&mut self, name: &str) -> Option<String> {
        let url = self.text(name, 2000)?;
        let form = "must be an address such as https://shop.example/chat, without a user name";
        self.accept(name, url, form, |text| {
            Url::parse(text).is_ok_and(|url| {
                matches!(url.scheme(), "http" | "https")
                    && url.host().is_some()
                    && url.username().is_empty()
                    && url.password().is_none()
            })
        })
    }

    /// Takes a colour out, as `#rrggbb` in lower case.
    pub(super) fn colour(&mut self, name: &str) -> Option<String> {
        let colour = self.text(name, 7)?.to_ascii_lowercase();
        self.accept(name, colour, "must be a colour such as #2563eb", |text| {
            let digits = text.strip_prefix('#').unwrap_or_default();
            digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
    }

    /// Takes a yes or no out; no if it is missing.
    pub(super) fn flag(&mut self, name: &str) -> bool {
        match self.take(name) {
            None => false,
            Some(Value::Bool(flag)) => flag,
            Some(_) => {
                self.wrong(name, "must be true or false");
                false
            }
        }
    }

    /// Takes a whole number out.
    pub(super) fn whole(&mut self, name: &str, range: RangeInclusive<u32>) -> Option<u32> {
        let number = self.take(name)?.as_u64();
        let number = number.and_then(|number| u32::try_from(number).ok());
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            let (least, most) = (range.start(), range.end());
            self.wrong(
                name,
                format!("must be a whole number from {least} to {most}"),
            );
        }
        number
    }

    /// Takes a list of origins out, each as browsers write it and only once.
    pub(super) fn origins(&mut self, name: &str) -> Vec<String> {
        let Some(value) = self.take(name) else {
            return Vec::new();
        };
        let Value::Array(listed) = value else {
            self.wrong(name, "must be a list of origins");
            return Vec::new();
        };
        if listed.len() > MAX_ORIGINS {
            self.wrong(name, format!("must list at most {MAX_ORIGINS} origins"));
            return Vec::new();
        }
        let mut origins: Vec<String> = Vec::new();
        for (at, value) in listed.iter().enumerate() {
            match value.as_str().and_then(normal_origin) {
                Some(origin) if origins.contains(&origin) => {}
                Some(origin) => origins.push(origin),
                None => self.wrong(
                    &format!("{name}[{at}]"),
                    "must be an origin such as https://shop.example",
                ),
            }
        }
        origins
    }

    fn accept(
        &mut self,
        name: &str,
        text: String,
        form: &str,
        is_right: impl Fn(&str) -> bool,
    ) -> Option<String> {
        if is_right(&text) {
            return Some(text);
        }
        self.wrong(name, form);
        None
    }

    /// Notes what is wrong with a field.
    fn wrong(&mut self, name: &str, message: impl Into<String>) {
        self.errors.push(FieldError::new(name, message));
    }

    /// Notes that a field is missing, unless it is known to be wrong.
    pub(super) fn require<T>(&mut self, name: &str, value: Option<&T>) {
        if value.is_none() && !self.errors.iter().any(|error| error.field == name) {
            self.wrong(name, "is required");
        }
    }

    /// Returns what is wrong, fields that nobody read included.
    pub(super) fn finish(mut self) -> Result<(), Vec<FieldError>> {
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

/// The origin as browsers write it; `None` if the text says more than scheme, host and port.
pub(crate) fn normal_origin(text: &str) -> Option<String> {
    let url = Url::parse(text.trim()).ok()?;
    let is_bare = matches!(url.scheme(), "http" | "https")
        && url.host().is_some()
        && url.username().is_empty()
        && url.password().is_none()
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none();
    is_bare.then(|| url.origin().ascii_serialization())
}
