use chrono::{DateTime, Utc};
use domain::ApiKeyId;
use poem_openapi::param::{Path, Query};
use poem_openapi::{Object, OpenApi};
use secrecy::ExposeSecret as _;
use secrets::ApiKey;
use serde::Deserialize;
use store::api_keys::{self, NewApiKey};
use uuid::Uuid;

use super::Tag;
use crate::Problem;
use crate::answer::{Answer, Created, Done, Found, List};
use crate::auth::Auth;
use crate::payload::{Checks, JsonBody, PageRequest};

/// A key to this API, without the key itself.
#[derive(Debug, Object)]
#[oai(rename = "ApiKey")]
struct ApiKeyView {
    /// Its id.
    id: Uuid,
    /// What people call it.
    name: String,
    /// How the key begins, to tell keys apart.
    prefix: String,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// When it was last used, to the minute.
    last_used_at: Option<DateTime<Utc>>,
    /// When it stops working; `null`: never.
    expires_at: Option<DateTime<Utc>>,
    /// When it was revoked.
    revoked_at: Option<DateTime<Utc>>,
}

/// A fresh key: the only answer that shows it.
#[derive(Object)]
struct CreatedApiKey {
    /// Its id.
    id: Uuid,
    /// The key. Keep it: it is shown this once.
    key: String,
    /// What people call it.
    name: String,
    /// How the key begins, to tell keys apart.
    prefix: String,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// When it stops working; `null`: never.
    expires_at: Option<DateTime<Utc>>,
}

/// A key to be made.
#[derive(Debug, Object, Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateApiKey {
    /// What people call it, 1 to 200 characters. Default `API key`.
    name: Option<String>,
    /// When it is to stop working; missing or `null`: never.
    expires_at: Option<DateTime<Utc>>,
}

pub(crate) struct ApiKeyRoutes;

#[OpenApi(prefix_path = "/api", tag = "Tag::ApiKeys")]
impl ApiKeyRoutes {
    /// Make an API key for a tenant
    ///
    /// The key is shown in this answer and never again.
    #[oai(
        path = "/tenants/:tenant_id/api-keys",
        method = "post",
        operation_id = "create_api_key"
    )]
    async fn create(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        body: JsonBody<CreateApiKey>,
    ) -> Result<Created<CreatedApiKey>, Problem> {
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        let mut checks = Checks::default();
        let name = checks.text("name", body.value.name.as_deref().unwrap_or("API key"), 200);
        let expires_at = body.value.expires_at;
        let is_ahead = expires_at.is_none_or(|at| at > auth.0.state().clock.now());
        checks.require(is_ahead, "expires_at", "must lie ahead");
        checks.finish()?;
        let key = ApiKey::generate();
        let hash = key.hash();
        let new = NewApiKey {
            id: ApiKeyId::new(),
            name: &name,
            prefix: key.prefix(),
            hash: &hash,
            expires_at,
        };
        let stored = api_keys::insert(&mut tx, &new).await?;
        tx.commit().await?;
        Ok(Answer(CreatedApiKey {
            id: stored.id.as_uuid(),
            key: key.secret().expose_secret().to_owned(),
            name: stored.name,
            prefix: stored.prefix,
            created_at: stored.created_at,
            expires_at: stored.expires_at,
        }))
    }

    /// List a tenant's API keys
    ///
    /// Oldest first, revoked ones included.
    #[oai(
        path = "/tenants/:tenant_id/api-keys",
        method = "get",
        operation_id = "list_api_keys"
    )]
    async fn list(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        /// Where the page starts: `next_cursor` of the one before.
        cursor: Query<Option<String>>,
        /// Entries of a page, 1 to 100; 20 if missing.
        limit: Query<Option<u32>>,
    ) -> Result<Found<List<ApiKeyView>>, Problem> {
        let page = PageRequest::read(cursor.0, limit.0)?;
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        Ok(List::of(
            api_keys::list(&mut tx, page.after, page.limit).await?,
            view,
        ))
    }

    /// Revoke an API key
    ///
    /// It stops working within ten seconds.
    #[oai(
        path = "/tenants/:tenant_id/api-keys/:api_key_id",
        method = "delete",
        operation_id = "delete_api_key"
    )]
    async fn delete(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        /// The key's id.
        api_key_id: Path<Uuid>,
    ) -> Result<Done, Problem> {
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        let state = auth.0.state();
        if !api_keys::revoke(&mut tx, api_key_id.0.into(), state.clock.now()).await? {
            return Err(Problem::not_found());
        }
        tx.commit().await?;
        state.keys.clear();
        Ok(Done)
    }
}

fn view(key: api_keys::ApiKey) -> ApiKeyView {
    ApiKeyView {
        id: key.id.as_uuid(),
        name: key.name,
        prefix: key.prefix,
        created_at: key.created_at,
        last_used_at: key.last_used_at,
        expires_at: key.expires_at,
        revoked_at: key.revoked_at,
    }
}
