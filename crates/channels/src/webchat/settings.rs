use serde::{Deserialize, Serialize};

use crate::settings::normal_origin;
use crate::{Field, FieldKind, Schema};

const TITLE: &str = "Chat";
const GREETING: &str = "Hi! How can we help?";
const COLOUR: &str = "#2563eb";

/// What can be set of a web chat.
pub(super) const SCHEMA: Schema = Schema {
    fields: &[
        Field::optional(
            "allowed_origins",
            FieldKind::Origins,
            "Allowed origins",
            "Origins that may open the chat, for example https://shop.example; none: any.",
        ),
        Field::optional(
            "title",
            FieldKind::Text { max_chars: 80 },
            "Title",
            "What stands above the chat.",
        )
        .with_default(TITLE),
        Field::optional(
            "greeting",
            FieldKind::Text { max_chars: 500 },
            "Greeting",
            "What the visitor reads first.",
        )
        .with_default(GREETING),
        Field::optional(
            "colour",
            FieldKind::Colour,
            "Colour",
            "The chat's main colour, as #rrggbb.",
        )
        .with_default(COLOUR),
        Field::optional(
            "require_identity",
            FieldKind::Flag,
            "Logged-in users only",
            "Whether only visitors may chat whom your own server vouches for.",
        ),
    ],
    external_id: None,
};

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
    /// Whether only visitors may open a session whom the tenant's own server vouches for. Default
    /// no.
    pub require_identity: bool,
}

impl Default for WebchatConfig {
    fn default() -> Self {
        Self {
            allowed_origins: Vec::new(),
            title: TITLE.to_owned(),
            greeting: GREETING.to_owned(),
            colour: COLOUR.to_owned(),
            require_identity: false,
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

#[cfg(test)]
mod tests {
    use domain::ChannelKind::Webchat;
    use serde_json::{Value, json};

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
                "title": "x".repeat(81), "colour": "red", "require_identity": "yes", "color": "#000000"}),
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
                "require_identity",
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
