use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::{Field, FieldKind, Schema};

/// What can be set of a generic channel.
pub(super) const SCHEMA: Schema = Schema {
    fields: &[
        Field::required(
            "send_url",
            FieldKind::Url,
            "Address",
            "Where your system takes answers: an address that can be reached from the internet.",
        ),
        Field::required(
            "secret",
            FieldKind::SigningSecret,
            "Signing secret",
            "Signs the posts of both sides: whsec_ and 24 to 64 random bytes in base64.",
        ),
        Field::optional(
            "previous_secret",
            FieldKind::SigningSecret,
            "Previous signing secret",
            "Counts beside the signing secret, while one replaces the other.",
        ),
    ],
    external_id: None,
};

/// What may be read back of a generic channel's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpConfig {
    /// Where answers are posted to.
    pub send_url: Url,
}

/// The secrets of a generic channel, as they are sealed; read with `serde_json::from_value`.
#[derive(Clone, Debug, Deserialize)]
pub struct HttpSecrets {
    /// What both sides sign with, as `whsec_…`.
    pub secret: SecretString,
    /// What they signed with before; counts too where it is set.
    #[serde(default)]
    pub previous_secret: Option<SecretString>,
}

impl HttpSecrets {
    /// Every secret that may sign a post, the current one first.
    pub fn signing(&self) -> Vec<&SecretString> {
        let mut all = vec![&self.secret];
        all.extend(&self.previous_secret);
        all
    }
}
