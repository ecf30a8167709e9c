use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::{Field, FieldKind, Schema};

/// What can be set of a WhatsApp channel.
pub(super) const SCHEMA: Schema = Schema {
    fields: &[
        Field::required(
            "phone_number_id",
            FieldKind::Digits,
            "Phone number ID",
            "Meta's id of the number, not the number itself: WhatsApp Manager, API setup.",
        ),
        Field::optional(
            "business_account_id",
            FieldKind::Digits,
            "WhatsApp Business account ID",
            "Meta's id of the account the number belongs to. With it, warnings about the account \
             reach this channel and its subscription is looked after.",
        ),
        Field::required(
            "access_token",
            FieldKind::Secret,
            "Access token",
            "A system user's token with the permission whatsapp_business_messaging.",
        ),
        Field::optional(
            "app_secret",
            FieldKind::Secret,
            "App secret",
            "Signs Meta's posts. Leave it out where the platform's own app receives them.",
        ),
        Field::optional(
            "previous_app_secret",
            FieldKind::Secret,
            "Previous app secret",
            "Counts beside the app secret, while one replaces the other.",
        ),
        Field::optional(
            "verify_token",
            FieldKind::Secret,
            "Verify token",
            "Any text; Meta shows it when you save the webhook's address.",
        ),
        Field::optional(
            "fallback_template",
            FieldKind::Text { max_chars: 512 },
            "Template outside the window",
            "The name of an approved template without gaps, which is sent where an answer comes more \
             than 24 hours after the customer wrote. Without one such an answer fails visibly.",
        ),
        Field::optional(
            "fallback_template_language",
            FieldKind::Text { max_chars: 20 },
            "Its language",
            "As Meta writes it, for example en_US; en if it is left out.",
        ),
        Field::optional(
            "messages_per_second",
            FieldKind::Whole {
                least: 1,
                most: 1000,
            },
            "Messages a second",
            "How many messages the number may send in a second: 80 unless Meta says otherwise, 1000 \
             once Meta has lifted it, 20 while the WhatsApp Business app is used beside.",
        ),
    ],
    external_id: Some("phone_number_id"),
};

/// What may be read back of a WhatsApp channel's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhatsappConfig {
    /// Meta's id of the number.
    pub phone_number_id: String,
    /// Meta's id of the account the number belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub business_account_id: Option<String>,
    /// The template that is sent where an answer comes too late for a free one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback_template: Option<String>,
    /// The language of that template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback_template_language: Option<String>,
    /// How many messages the number may send in a second; `None`: 80.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages_per_second: Option<u32>,
}

/// The secrets of a WhatsApp channel, as they are sealed; read with `serde_json::from_value`.
#[derive(Clone, Debug, Deserialize)]
pub struct WhatsappSecrets {
    /// What sends are authorised with.
    pub access_token: SecretString,
    /// What Meta signs posts with; `None` where the platform's own app is used.
    #[serde(default)]
    pub app_secret: Option<SecretString>,
    /// What Meta signed posts with before; counts too where it is set.
    #[serde(default)]
    pub previous_app_secret: Option<SecretString>,
    /// What Meta shows when it confirms the webhook's address; `None`: the platform's.
    #[serde(default)]
    pub verify_token: Option<SecretString>,
}

#[cfg(test)]
mod tests {
    use domain::ChannelKind::Whatsapp;
    use secrecy::ExposeSecret;
    use serde_json::{Value, json};

    use super::*;
    use crate::{merge, parse};

    fn config() -> Value {
        json!({
            "phone_number_id": " 200000000000001 ",
            "access_token": "EAAG-token",
            "app_secret": "an-app-secret",
            "verify_token": "a-verify-token",
        })
    }

    #[test]
    fn a_configuration_is_parted_into_public_and_secret() {
        let parsed = parse(Whatsapp, config()).unwrap();
        assert_eq!(parsed.external_id.as_deref(), Some("200000000000001"));
        let public: WhatsappConfig = serde_json::from_value(parsed.public.clone()).unwrap();
        assert_eq!(public.phone_number_id, "200000000000001");
        let text = parsed.public.to_string();
        assert!(
            !text.contains("token") && !text.contains("secret"),
            "{text}"
        );
        let secrets: WhatsappSecrets = serde_json::from_value(parsed.secrets.unwrap()).unwrap();
        assert_eq!(secrets.access_token.expose_secret(), "EAAG-token");
        assert_eq!(secrets.app_secret.unwrap().expose_secret(), "an-app-secret");
    }

    #[test]
    fn all_that_is_wrong_is_told_and_no_value_repeated() {
        let errors = parse(
            Whatsapp,
            json!({"phone_number_id": "hunter2", "app_secret": 5, "acess_token": "hunter2"}),
        )
        .unwrap_err();
        let mut fields: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
        fields.sort_unstable();
        assert_eq!(
            fields,
            [
                "access_token",
                "acess_token",
                "app_secret",
                "phone_number_id"
            ]
        );
        assert!(!format!("{errors:?}").contains("hunter2"));
        for config in [json!([]), json!("x"), json!(1)] {
            assert_eq!(parse(Whatsapp, config).unwrap_err()[0].field, "");
        }
        for token in ["", "  ", "a\nb"] {
            let mut config = config();
            config["access_token"] = token.into();
            assert_eq!(parse(Whatsapp, config).unwrap_err().len(), 1, "{token:?}");
        }
    }

    #[test]
    fn the_rate_is_a_whole_number_within_what_meta_allows() {
        let with = |rate: Value| {
            let mut config = config();
            config["messages_per_second"] = rate;
            parse(Whatsapp, config)
        };
        let public = with(json!(1000)).unwrap().public;
        assert_eq!(public["messages_per_second"], 1000);
        assert!(parse(Whatsapp, config()).unwrap().public["messages_per_second"].is_null());
        for wrong in [json!(0), json!(1001), json!(-1), json!(1.5), json!("80")] {
            let errors = with(wrong.clone()).unwrap_err();
            assert_eq!(errors[0].field, "messages_per_second", "{wrong}");
        }
    }

    #[test]
    fn a_missing_secret_keeps_the_old_one() {
        let old = parse(Whatsapp, config()).unwrap();
        let change = json!({"access_token": "EAAG-new", "verify_token": null});
        let merged = merge(Whatsapp, change, &old.public, old.secrets.as_ref()).unwrap();
        assert_eq!(merged.external_id, old.external_id);
        let secrets: WhatsappSecrets = serde_json::from_value(merged.secrets.unwrap()).unwrap();
        assert_eq!(secrets.access_token.expose_secret(), "EAAG-new");
        assert!(secrets.app_secret.is_some());
        assert!(secrets.verify_token.is_none());
        let change = json!({"access_token": null});
        assert!(merge(Whatsapp, change, &old.public, old.secrets.as_ref()).is_err());
    }
}
