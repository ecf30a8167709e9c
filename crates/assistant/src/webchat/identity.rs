use chrono::{DateTime, TimeDelta, Utc};
use db::TenantTx;
use domain::{ChannelId, IdentitySecretId};
use secrecy::{ExposeSecret as _, SecretString};
use secrets::{Keyring, row_context};
use store::channels;
use store::webchat_identity_secrets::{self, IdentitySecret, SECRET_COLUMN};

use crate::Error;

// The longest id, name and mail address of a user, in characters.
const MAX_USER_ID_CHARS: usize = 120;
const MAX_NAME_CHARS: usize = 200;
const MAX_EMAIL_CHARS: usize = 254;

/// The visitor ids of logged-in users begin so; those of others are UUIDs.
const USER: &str = "user:";

/// Who a visitor is, as the tenant's own server vouches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The tenant's own id of the user, 1 to 120 characters.
    pub user_id: String,
    /// When the hash stops counting, in seconds since 1970; `None`: never.
    pub expires_at: Option<i64>,
    /// What the user is called, 1 to 200 characters.
    pub name: Option<String>,
    /// The user's mail address, 1 to 254 characters.
    pub email: Option<String>,
    /// The HMAC-SHA256 of [`Identity::signed_text`] under the chat's secret, as 64 hexadecimal
    /// digits.
    pub hash: String,
}

/// A secret that was made just now.
#[derive(Debug)]
pub struct FreshIdentitySecret {
    /// The secret; it cannot be told again.
    pub secret: SecretString,
    /// Until when the one before counts.
    pub previous_until: DateTime<Utc>,
}

impl Identity {
    /// What is signed: the user's id, and below it a line for each other field that is sent, in this
    /// order: `expires_at=…`, `name=…`, `email=…`.
    ///
    /// No field may hold a line break, so that no two identities have the same text.
    pub fn signed_text(&self) -> String {
        let mut text = self.user_id.clone();
        let expires_at = self.expires_at.map(|at| at.to_string());
        for (field, value) in [
            ("expires_at", &expires_at),
            ("name", &self.name),
            ("email", &self.email),
        ] {
            if let Some(value) = value {
                text.push('\n');
                text.push_str(field);
                text.push('=');
                text.push_str(value);
            }
        }
        text
    }

    /// The visitor that the user is, on whatever device.
    pub(super) fn visitor_id(&self) -> String {
        format!("{USER}{}", self.user_id)
    }

    fn has_good_form(&self) -> bool {
        let fits = |text: &str, max_chars| {
            !text.trim().is_empty()
                && text.chars().count() <= max_chars
                && !text.contains(char::is_control)
        };
        fits(&self.user_id, MAX_USER_ID_CHARS)
            && self
                .name
                .as_deref()
                .is_none_or(|it| fits(it, MAX_NAME_CHARS))
            && self
                .email
                .as_deref()
                .is_none_or(|it| fits(it, MAX_EMAIL_CHARS))
    }

    /// Checks that one of the chat's secrets signed it and that its time is not over.
    ///
    /// # Errors
    /// `IdentityNotVerified`, and those of the database.
    pub(super) async fn verify(
        &self,
        tx: &mut TenantTx,
        keyring: &Keyring,
        channel: ChannelId,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let is_running = self.expires_at.is_none_or(|at| now.timestamp() < at);
        let tag = hex_bytes(&self.hash).filter(|_| self.has_good_form() && is_running);
        let tag = tag.ok_or(Error::IdentityNotVerified)?;
        let text = self.signed_text();
        for sealed in webchat_identity_secrets::list_valid(tx, channel, now).await? {
            let secret = keyring
                .open(&context(sealed.id), &sealed.sealed_secret)
                .map_err(|error| Error::broken("the identity secret of a web chat", error))?;
            if secrets::is_hmac_sha256(&secret, text.as_bytes(), &tag) {
                return Ok(());
            }
        }
        Err(Error::IdentityNotVerified)
    }
}

/// Whether a visitor is a logged-in user, whom only the tenant's server can vouch for again.
pub(super) fn is_user(visitor_id: &str) -> bool {
    visitor_id.starts_with(USER)
}

/// Gives one of the tenant's web chats a fresh identity secret; the one before counts for `overlap`
/// longer.
///
/// # Errors
/// `NotFound` if there is no such web chat, and those of the database.
pub async fn replace_identity_secret(
    tx: &mut TenantTx,
    keyring: &Keyring,
    channel: ChannelId,
    overlap: TimeDelta,
    now: DateTime<Utc>,
) -> Result<FreshIdentitySecret, Error> {
    // Locked: two at the same time would both be the current one.
    channels::find_for_update(tx, channel)
        .await?
        .filter(|channel| channel.kind == domain::ChannelKind::Webchat)
        .ok_or(Error::NotFound)?;
    let secret = secrets::generate_identity_secret();
    let id = IdentitySecretId::new();
    let sealed_secret = keyring
        .seal(&context(id), secret.expose_secret().as_bytes())
        .map_err(|error| Error::broken("a fresh identity secret", error))?;
    let new = IdentitySecret { id, sealed_secret };
    let previous_until = now + overlap;
    webchat_identity_secrets::replace(tx, channel, &new, now, previous_until).await?;
    Ok(FreshIdentitySecret {
        secret,
        previous_until,
    })
}

fn context(id: IdentitySecretId) -> Vec<u8> {
    row_context(SECRET_COLUMN.0, SECRET_COLUMN.1, id.as_uuid())
}

/// The bytes that 64 hexadecimal digits stand for.
fn hex_bytes(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        Identity {
            user_id: "42".to_owned(),
            expires_at: None,
            name: None,
            email: None,
            hash: String::new(),
        }
    }

    #[test]
    fn the_signed_text_is_the_id_and_a_line_for_what_else_is_sent() {
        assert_eq!(identity().signed_text(), "42");
        let whole = Identity {
            expires_at: Some(1_790_000_000),
            name: Some("Ada".to_owned()),
            email: Some("ada@shop.example".to_owned()),
            ..identity()
        };
        assert_eq!(
            whole.signed_text(),
            "42\nexpires_at=1790000000\nname=Ada\nemail=ada@shop.example"
        );
    }

    #[test]
    fn no_field_can_pretend_to_be_another() {
        assert!(identity().has_good_form());
        for wrong in [
            Identity {
                user_id: "42\nname=Ada".to_owned(),
                ..identity()
            },
            Identity {
                user_id: " ".to_owned(),
                ..identity()
            },
            Identity {
                user_id: "x".repeat(121),
                ..identity()
            },
            Identity {
                name: Some("Ada\nemail=a@b".to_owned()),
                ..identity()
            },
            Identity {
                email: Some(String::new()),
                ..identity()
            },
        ] {
            assert!(!wrong.has_good_form(), "{wrong:?}");
        }
    }
}
