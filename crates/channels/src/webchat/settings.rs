use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use crate::settings::Fields;
use crate::{FieldError, ParsedConfig};

/// The most origins a web chat may list.
const MAX_ORIGINS: usize = 50;

/// A web chat's configuration; it has no secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WebchatConfig {
    /// Origins that may open the chat, for example `https://shop.example`; empty: any.
    pub allowed_origins: Vec<String>,
    /// What stands above the chat, up to 80 characters. Default `Chat`.
    pub title: String,
    /// What the visitor reads first, up to 500 characters. Default `Hi! How can we help?`.
    pub greeting: String,
    /// The chat's main colour as `#rrggbb` in lower case. Default `#2563eb`.
    pub colour: String,
}

impl Default for WebchatConfig {
    fn default() -> Self {
        Self {
            allowed_origins: Vec::new(),
            title: "Chat".to_owned(),
            greeting: "Hi! How can we help?".to_owned(),
            colour: "#2563eb".to_owned(),
        }
    }
}

impl WebchatConfig {
    /// Whether a page of `origin`, the value of the header `Origin`, may open the chat.
    pub fn allows(&self, origin: &str) -> bool {
        self.allowed_origins.is_empty()
            || normal_origin(origin).is_some_and(|origin| self.allowed_origins.contains(&origin))
    }
}

/// Checks a web chat's configuration.
pub(crate) fn parse_settings(mut fields: Fields) -> Result<ParsedConfig, Vec<FieldError>> {
    let default = WebchatConfig::default();
    let config = WebchatConfig {
        allowed_origins: origins(&mut fields),
        title: fields.text("title", 80).unwrap_or(default.title),
        greeting: fields.text("greeting", 500).unwrap_or(default.greeting),
        colour: colour(&mut fields).unwrap_or(default.colour),
    };
    fields.finish()?;
    let public = serde_json::to_value(config)
        .map_err(|error| vec![FieldError::new("", error.to_string())])?;
    Ok(ParsedConfig {
        public,
        secrets: None,
        external_id: None,
    })
}

fn origins(fields: &mut Fields) -> Vec<String> {
    const NAME: &str = "allowed_origins";
    let Some(value) = fields.take(NAME) else {
        return Vec::new();
    };
    let Value::Array(listed) = value else {
        fields.wrong(NAME, "must be a list of origins");
        return Vec::new();
    };
    if listed.len() > MAX_ORIGINS {
        fields.wrong(NAME, format!("must list at most {MAX_ORIGINS} origins"));
        return Vec::new();
    }
    let mut origins: Vec<String> = Vec::new();
    for (at, value) in listed.iter().enumerate() {
        match value.as_str().and_then(normal_origin) {
            Some(origin) if origins.contains(&origin) => {}
            Some(origin) => origins.push(origin),
            None => fields.wrong(
                &format!("{NAME}[{at}]"),
                "must be an origin such as https://shop.example",
            ),
        }
    }
    origins
}

/// The origin as browsers write it; `None` if the text says more than scheme, host and port.
fn normal_origin(text: &str) -> Option<String> {
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

fn colour(fields: &mut Fields) -> Option<String> {
    let colour = fields.text("colour", 7)?.to_ascii_lowercase();
    let digits = colour.strip_prefix('#').unwrap_or("");
    if digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Some(colour);
    }
    fields.wrong("colour", "must be a colour such as #2563eb");
    None
}

#[cfg(test)]
mod tests {
    use domain::ChannelKind::Webchat;
    use serde_json::json;

    use super::*;
    use crate::{merge, parse};

    #[test]
    fn nothing_need_be_set() {
        for config in [json!({}), Value::Null] {
            let parsed = parse(Webchat, config).unwrap();
            let config: WebchatConfig = serde_json::from_value(parsed.public).unwrap();
            assert_eq!(config, WebchatConfig::default());
            assert_eq!(parsed.secrets, None);
            assert!(config.allows("https://any.example"));
        }
    }

    #[test]
    fn origins_are_compared_as_browsers_write_them() {
        let config =
            json!({"allowed_origins": ["https://Shop.Example:443/", "http://localhost:5173"]});
        let parsed = parse(Webchat, config).unwrap();
        let config: WebchatConfig = serde_json::from_value(parsed.public).unwrap();
        assert_eq!(
            config.allowed_origins,
            ["https://shop.example", "http://localhost:5173"]
        );
        assert!(config.allows("https://shop.example"));
        for origin in [
            "http://shop.example",
            "https://shop.example.evil.example",
            "null",
            "",
        ] {
            assert!(!config.allows(origin), "{origin}");
        }
    }

    #[test]
    fn all_that_is_wrong_is_told() {
        let errors = parse(
            Webchat,
            json!({"allowed_origins": ["https://a.example/path", "ftp://x", 5],
                "title": "x".repeat(81), "colour": "red", "color": "#000000"}),
        )
        .unwrap_err();
        let fields: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(
            fields,
            [
                "allowed_origins[0]",
                "allowed_origins[1]",
                "allowed_origins[2]",
                "title",
                "colour",
                "color"
            ]
        );
    }

    #[test]
    fn a_change_keeps_what_it_does_not_name() {
        let old = parse(Webchat, json!({"title": "Shop", "colour": "#ABCDEF"})).unwrap();
        let merged = merge(Webchat, json!({"greeting": "Hello"}), &old.public, None).unwrap();
        assert_eq!(merged.public["title"], "Shop");
        assert_eq!(merged.public["colour"], "#abcdef");
        assert_eq!(merged.public["greeting"], "Hello");
    }
}
