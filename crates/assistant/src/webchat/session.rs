use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use channels::webchat::WebchatConfig;
use chrono::{DateTime, TimeDelta, Utc};
use db::TenantTx;
use domain::{ChannelId, ChannelKind, TenantId, WebchatSessionId};
use secrecy::{ExposeSecret as _, SecretString};
use secrets::VisitorClaims;
use store::channels::{self as stored_channels, Channel};
use store::webchat_sessions::{self, NewWebchatSession, WebchatSession};
use store::{contacts, tenants};

use super::identity::is_user;
use super::{Identity, Origins, Webchat};
use crate::Error;

/// How long a session's token works.
pub const SESSION_LIFETIME: TimeDelta = TimeDelta::days(30);

/// What the caps count over.
const WINDOW: TimeDelta = TimeDelta::hours(1);

/// After how long a visitor whom a cap held back may try again: the window slides, so some room
/// comes back long before its end.
const TRY_AGAIN: Duration = Duration::from_mins(5);

/// Tokens of before they were signed begin so; the last of them ends 30 days after.
const UNSIGNED: &str = "mcw_";

/// What a visitor shows to open a session.
#[derive(Clone, Debug)]
pub struct Opening<'a> {
    /// The chat.
    pub channel_id: ChannelId,
    /// The page that asks, by the header `Origin`.
    pub origin: Option<&'a str>,
    /// Where the request came from.
    pub address: Option<IpAddr>,
    /// The token of an earlier session, which keeps an anonymous visitor's conversation.
    pub earlier_token: Option<&'a str>,
    /// Who it is, as the tenant's own server vouches; then nothing else says who it is.
    pub identity: Option<Identity>,
}

/// A session that was opened just now.
#[derive(Debug)]
pub struct OpenedSession {
    /// Its id.
    pub session_id: WebchatSessionId,
    /// What the visitor shows with each request; it is not kept and cannot be told again.
    pub token: SecretString,
    /// Who visits: the same for a user who logged in, and for a visitor who showed an earlier token
    /// of this chat.
    pub visitor_id: String,
    /// When the token stops working.
    pub expires_at: DateTime<Utc>,
    /// What the visitor sees before anything was written.
    pub config: WebchatConfig,
}

/// A visitor's session, as its token proved it.
#[derive(Clone, Debug)]
pub struct Session {
    pub(super) row: WebchatSession,
}

impl Session {
    /// Its id.
    pub const fn id(&self) -> WebchatSessionId {
        self.row.id
    }

    /// Whose chat it is.
    pub const fn tenant_id(&self) -> TenantId {
        self.row.tenant_id
    }

    /// The chat.
    pub const fn channel_id(&self) -> ChannelId {
        self.row.channel_id
    }

    /// When its token stops working.
    pub const fn expires_at(&self) -> DateTime<Utc> {
        self.row.expires_at
    }
}

/// A chat that takes visitors.
struct Chat {
    config: WebchatConfig,
    origins: Origins,
}

impl Webchat {
    /// Opens a session in a chat.
    ///
    /// The caps are counted before the session is stored, so requests at the same instant can pass
    /// them by as many as the pool has connections.
    ///
    /// # Errors
    /// `NotFound` if there is no such chat or it is switched off, `OriginNotAllowed`, `RateLimited`,
    /// `IdentityRequired` and `IdentityNotVerified`, and those of the database.
    pub async fn open_session(&self, opening: Opening<'_>) -> Result<OpenedSession, Error> {
        let now = self.clock.now();
        let address = opening.address.map(counted_address);
        let (channel, earlier) = self.look_up(&opening, address, now).await?;
        let channel_id = channel.id;
        let mut tx = self.db.tenant(channel.tenant_id).await?;
        let chat = Chat::of(&mut tx, channel).await?;
        chat.origins.check_opening(opening.origin)?;
        let begun = webchat_sessions::count_of_tenant(&mut tx, now - WINDOW).await?;
        check_cap(begun, self.caps.sessions_per_tenant_hour)?;

        let session_id = WebchatSessionId::new();
        let visitor_id = match &opening.identity {
            Some(identity) => {
                identity
                    .verify(&mut tx, &self.keyring, channel_id, now)
                    .await?;
                note_user(&mut tx, channel_id, identity).await?;
                identity.visitor_id()
            }
            None if chat.config.require_identity => return Err(Error::IdentityRequired),
            None => earlier.unwrap_or_else(|| session_id.to_string()),
        };
        let expires_at = now + SESSION_LIFETIME;
        let claims = VisitorClaims {
            session: session_id.as_uuid(),
            visitor: visitor_id.clone(),
            channel: channel_id.as_uuid(),
            issued_at: now.timestamp(),
            expires_at: expires_at.timestamp(),
        };
        let token = claims.sign(&self.keyring);
        let new = NewWebchatSession {
            id: session_id,
            channel_id,
            token_hash: &secrets::hash_token(token.expose_secret()),
            visitor_id: &visitor_id,
            address,
            created_at: now,
            expires_at,
        };
        webchat_sessions::insert(&mut tx, &new).await?;
        tx.commit().await?;
        Ok(OpenedSession {
            session_id,
            token,
            visitor_id,
            expires_at,
            config: chat.config,
        })
    }

    /// Finds the chat, of whatever tenant, and the anonymous visitor of an earlier token of it, and
    /// holds the address to its cap.
    async fn look_up(
        &self,
        opening: &Opening<'_>,
        address: Option<IpAddr>,
        now: DateTime<Utc>,
    ) -> Result<(Channel, Option<String>), Error> {
        let mut tx = self.db.system().await?;
        let channel = stored_channels::find_any(&mut tx, opening.channel_id).await?;
        let channel = channel.ok_or(Error::NotFound)?;
        if let Some(address) = address {
            let begun = webchat_sessions::count_of_address(&mut tx, address, now - WINDOW).await?;
            check_cap(begun, self.caps.sessions_per_address_hour)?;
        }
        let earlier = match opening.earlier_token {
            Some(token) if self.may_be_ours(token, now) => {
                let hash = secrets::hash_token(token);
                webchat_sessions::find_by_token(&mut tx, &hash, now).await?
            }
            _ => None,
        };
        // Who logged out is not the user any more: only the tenant's server vouches for users.
        let visitor = earlier
            .filter(|session| session.channel_id == channel.id && !is_user(&session.visitor_id))
            .map(|session| session.visitor_id);
        Ok((channel, visitor))
    }

    /// Whether a token is worth looking up: ours, and its time not over.
    fn may_be_ours(&self, token: &str, now: DateTime<Utc>) -> bool {
        token.starts_with(UNSIGNED)
            || VisitorClaims::verify(token, &self.keyring, now.timestamp()).is_ok()
    }

    /// Finds the session of a token that a page of `origin` shows.
    ///
    /// # Errors
    /// `Unauthenticated` for a token of no running session, `NotFound` if the chat was switched off,
    /// `OriginNotAllowed`, and those of the database.
    pub async fn authenticate(&self, token: &str, origin: Option<&str>) -> Result<Session, Error> {
        let now = self.clock.now();
        if !self.may_be_ours(token, now) {
            return Err(Error::Unauthenticated);
        }
        let mut tx = self.db.system().await?;
        let hash = secrets::hash_token(token);
        let row = webchat_sessions::find_by_token(&mut tx, &hash, now).await?;
        drop(tx);
        let row = row.ok_or(Error::Unauthenticated)?;
        let mut tx = self.db.tenant(row.tenant_id).await?;
        let channel = stored_channels::find(&mut tx, row.channel_id).await?;
        let chat = Chat::of(&mut tx, channel.ok_or(Error::NotFound)?).await?;
        chat.origins.check(origin)?;
        Ok(Session { row })
    }

    /// Checks that a page of `origin` may open sessions in a chat; stores nothing.
    ///
    /// # Errors
    /// `NotFound` if there is no such chat or it is switched off, `OriginNotAllowed`, and those of
    /// the database.
    pub async fn check_origin(&self, channel_id: ChannelId, origin: &str) -> Result<(), Error> {
        let mut tx = self.db.system().await?;
        let channel = stored_channels::find_any(&mut tx, channel_id).await?;
        drop(tx);
        let channel = channel.ok_or(Error::NotFound)?;
        let mut tx = self.db.tenant(channel.tenant_id).await?;
        Chat::of(&mut tx, channel)
            .await?
            .origins
            .check(Some(origin))
    }
}

impl Chat {
    /// The chat that a channel is, if it and its tenant are switched on.
    async fn of(tx: &mut TenantTx, channel: Channel) -> Result<Self, Error> {
        let tenant = tenants::find(tx).await?;
        let tenant = tenant
            .filter(|tenant| {
                tenant.enabled && channel.enabled && channel.kind == ChannelKind::Webchat
            })
            .ok_or(Error::NotFound)?;
        let config: WebchatConfig = serde_json::from_value(channel.config).map_err(|error| {
            Error::broken(
                format!("the configuration of channel {}", channel.id),
                error,
            )
        })?;
        Ok(Self {
            origins: Origins::new(config.clone(), &tenant.settings),
            config,
        })
    }
}

/// Keeps what the tenant's own server vouches for of a user.
async fn note_user(
    tx: &mut TenantTx,
    channel: ChannelId,
    identity: &Identity,
) -> Result<(), Error> {
    let (name, email) = (identity.name.as_deref(), identity.email.as_deref());
    contacts::identify(tx, channel, &identity.visitor_id(), name, email).await?;
    Ok(())
}

fn check_cap(count: i64, cap: u32) -> Result<(), Error> {
    if count < i64::from(cap) {
        Ok(())
    } else {
        Err(Error::RateLimited {
            retry_after: TRY_AGAIN,
        })
    }
}

/// The address that the cap counts: IPv4 as it is, IPv6 by its /64, all of which one line has.
fn counted_address(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_counts_as_one_address() {
        for (address, counted) in [
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("2001:db8:1:2::9", "2001:db8:1:2::"),
        ] {
            let address = counted_address(address.parse().unwrap());
            assert_eq!(address, counted.parse::<IpAddr>().unwrap());
        }
    }
}
