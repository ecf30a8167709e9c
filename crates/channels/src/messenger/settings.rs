use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::{Field, FieldKind, Schema};

/// The events a page's subscription must name for everything here to work.
pub const SUBSCRIBED_FIELDS: [&str; 10] = [
    "messages",
    "messaging_postbacks",
    "message_deliveries",
    "message_reads",
    "message_reactions",
    "message_echoes",
    "message_edits",
    "messaging_referrals",
    "messaging_handovers",
    "standby",
];

/// What can be set of a Messenger channel.
pub(super) const SCHEMA: Schema = Schema {
    fields: &[
        Field::required(
            "page_id",
            FieldKind::Digits,
            "Page ID",
            "The page's id: its About section, Page transparency.",
        ),
        Field::required(
            "page_access_token",
            FieldKind::Secret,
            "Page access token",
            "A token of the page with the permission pages_messaging. It dies when the person who \
             made it changes the password or leaves the page: a system user's does not.",
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
            "hand_off_to_inbox",
            FieldKind::Flag,
            "Hand over to the page's inbox",
            "A conversation that needs a person goes to the page's own inbox, and is taken back when \
             it is released, resolved or closed here. Leave it off where people answer here: while \
             the inbox has a conversation, nothing can be sent from here.",
        ),
    ],
    external_id: Some("page_id"),
};

/// What may be read back of a Messenger channel's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessengerConfig {
    /// The page's id.
    pub page_id: String,
    /// Whether conversations that need a person go to the page's own inbox.
    #[serde(default)]
    pub hand_off_to_inbox: bool,
}

/// The secrets of a Messenger channel, as they are sealed; read with `serde_json::from_value`.
#[derive(Clone, Debug, Deserialize)]
pub struct MessengerSecrets {
    /// What sends are authorised with.
    pub page_access_token: SecretString,
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
