use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::settings::Fields;
use crate::{FieldError, ParsedConfig};

/// The names of the secrets, in the API and sealed.
const SECRETS: [&str; 3] = ["access_token", "app_secret", "verify_token"];

/// What may be read back of a WhatsApp channel's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhatsappConfig {
    /// Meta's id of the number.
    pub phone_number_id: String,
}

/// The secrets of a WhatsApp channel, as they are sealed; read with `serde_json::from_value`.
#[derive(Clone, Debug, Deserialize)]
pub struct WhatsappSecrets {
    /// What sends are authorised with.
    pub access_token: SecretString,
    /// What Meta signs posts with; `None` where the platform's own app is used.
    #[serde(default)]
    pub app_secret: Option<SecretString>,
    /// What Meta shows when it confirms the webhook's address; `None`: the platform's.
    #[serde(default)]
    pub verify_token: Option<SecretString>,
}

/// Checks a WhatsApp channel's configuration.
pub(crate) fn parse_settings(mut fields: Fields) -> Result<ParsedConfig, Vec<FieldError>> {
    let phone_number_id = fields
        .text("phone_number_id", 64)
        .filter(|id| is_number_id(id, &mut fields));
    fields.require("phone_number_id", phone_number_id.as_ref());
    let mut secrets = Map::new();
    for name in SECRETS {
        let secret = fields.text(name, 2000);
        if name == "access_token" {
            fields.require(name, secret.as_ref());
        }
        if let Some(secret) = secret {
            secrets.insert(name.to_owned(), secret.into());
        }
    }
    fields.finish()?;
    Ok(ParsedConfig {
        public: json!({"phone_number_id": phone_number_id}),
        secrets: Some(Value::Object(secrets)),
        external_id: phone_number_id,
    })
}

fn is_number_id(id: &str, fields: &mut Fields) -> bool {
    let is_number = id.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number {
        fields.wrong(
            "phone_number_id",
            "must be Meta's id of the number, digits only",
        );
    }
    is_number
}

#[cfg(test)]
mod tests {
    use domain::ChannelKind::Whatsapp;
    use secrecy::ExposeSecret;

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
