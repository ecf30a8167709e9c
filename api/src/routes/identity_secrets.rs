use chrono::{DateTime, TimeDelta, Utc};
use poem_openapi::param::Path;
use poem_openapi::{Object, OpenApi};
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use uuid::Uuid;

use super::Tag;
use crate::Problem;
use crate::answer::{Answer, Created};
use crate::auth::Auth;
use crate::payload::{Checks, OptionalBody};

/// How long the secret before counts on, where nothing is said.
const OVERLAP_SECONDS: u32 = 86_400;
const MAX_OVERLAP_SECONDS: u32 = 7 * 86_400;

/// A secret to be made.
#[derive(Debug, Object, Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateIdentitySecret {
    /// How long the secret before counts on, in seconds, 0 to 604800; 86400 if missing. 0 after a
    /// leak: it stops at once.
    overlap_seconds: Option<u32>,
}

/// A fresh secret: the only answer that shows it.
#[derive(Object)]
#[oai(rename = "CreatedIdentitySecret")]
struct FreshSecret {
    /// The secret. Keep it on your server, never in a page: it is shown this once.
    secret: String,
    /// Until when the secret before counts, if there was one.
    previous_until: DateTime<Utc>,
}

pub(crate) struct IdentitySecretRoutes;

#[OpenApi(prefix_path = "/api", tag = "Tag::Channels")]
impl IdentitySecretRoutes {
    /// Make a web chat's identity secret
    ///
    /// Your server signs with it who a logged-in user is. Made again, it replaces the one before,
    /// which counts on for a while.
    #[oai(
        path = "/tenants/:tenant_id/channels/:channel_id/identity-secret",
        method = "post",
        operation_id = "create_identity_secret"
    )]
    async fn create(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        /// The web chat.
        channel_id: Path<Uuid>,
        body: OptionalBody<CreateIdentitySecret>,
    ) -> Result<Created<FreshSecret>, Problem> {
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        let seconds = body.0.and_then(|body| body.overlap_seconds);
        let seconds = seconds.unwrap_or(OVERLAP_SECONDS);
        let mut checks = Checks::default();
        checks.require(
            seconds <= MAX_OVERLAP_SECONDS,
            "overlap_seconds",
            format!("must be 0 to {MAX_OVERLAP_SECONDS}"),
        );
        checks.finish()?;
        let state = auth.0.state();
        let fresh = assistant::webchat::replace_identity_secret(
            &mut tx,
            &state.keyring,
            channel_id.0.into(),
            TimeDelta::seconds(seconds.into()),
            state.clock.now(),
        )
        .await?;
        tx.commit().await?;
        Ok(Answer(FreshSecret {
            secret: fresh.secret.expose_secret().to_owned(),
            previous_until: fresh.previous_until,
        }))
    }
}
