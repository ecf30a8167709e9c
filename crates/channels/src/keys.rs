use std::fmt;

use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;

use crate::BrokenSettings;
use crate::settings::stored;

/// What tells genuine posts of a channel from forged ones.
#[derive(Clone, Default)]
pub struct Keys {
    /// Every secret that may sign a post, the current one first; there are two while one replaces
    /// the other, and none where the platform's own app receives the posts.
    pub signing: Vec<SecretString>,
    /// What the operator shows when it confirms the address.
    pub verify_token: Option<SecretString>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Keys")
            .field("signing", &self.signing.len())
            .field("has_verify_token", &self.verify_token.is_some())
            .finish()
    }
}

/// The part of a channel's secrets that concerns what comes in; WhatsApp and Messenger name it the
/// same.
#[derive(Deserialize)]
struct MetaSecrets {
    #[serde(default)]
    app_secret: Option<SecretString>,
    #[serde(default)]
    previous_app_secret: Option<SecretString>,
    #[serde(default)]
    verify_token: Option<SecretString>,
}

/// The keys of a channel whose operator is Meta.
pub(crate) fn of_meta(secrets: Option<&Value>) -> Result<Keys, BrokenSettings> {
    let secrets: MetaSecrets = stored("the secrets", secrets)?;
    let signing = [secrets.app_secret, secrets.previous_app_secret];
    Ok(Keys {
        signing: signing.into_iter().flatten().collect(),
        verify_token: secrets.verify_token,
    })
}
