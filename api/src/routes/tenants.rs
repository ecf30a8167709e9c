use assistant::ingest;
use chrono::{DateTime, Utc};
use domain::{TenantId, TenantSettings};
use poem_openapi::param::{Path, Query};
use poem_openapi::{Object, OpenApi};
use secrets::row_context;
use serde::Deserialize;
use store::provider_checks;
use store::provider_health;
use store::tenants::{self, SECRETS_COLUMN, Tenant, TenantSecrets, TenantValues};
use uuid::Uuid;

use super::Tag;
use super::settings::{SettingsChange, SettingsView};
use crate::answer::{Answer, Created, Done, Found, List};
use crate::auth::Auth;
use crate::payload::{Checks, JsonBody, PageRequest};
use crate::{AppState, Problem};

/// A business that uses the product.
#[derive(Debug, Object)]
#[oai(rename = "Tenant")]
struct TenantView {
    /// Its id.
    id: Uuid,
    /// Its name.
    name: String,
    /// Whether its channels are answered.
    enabled: bool,
    /// How it is answered for.
    settings: SettingsView,
    /// When it was created.
    created_at: DateTime<Utc>,
    /// When it was last changed.
    updated_at: DateTime<Utc>,
}

/// A tenant to be created.
#[derive(Debug, Object, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(example)]
struct CreateTenant {
    /// Its name, 1 to 200 characters.
    name: String,
    /// How it is answered for; what is missing has its default.
    settings: Option<SettingsChange>,
}

impl poem_openapi::types::Example for CreateTenant {
    fn example() -> Self {
        Self {
            name: "Corner Shop".to_owned(),
            settings: None,
        }
    }
}

/// A change to a tenant; what is missing stays.
#[derive(Debug, Object, Deserialize)]
#[serde(deny_unknown_fields)]
struct UpdateTenant {
    /// Its name, 1 to 200 characters.
    name: Option<String>,
    /// Whether its channels are answered.
    enabled: Option<bool>,
    /// What changes of its settings; `null` puts a setting back to its default.
    settings: Option<SettingsChange>,
}

pub(crate) struct TenantRoutes;

#[OpenApi(prefix_path = "/api", tag = "Tag::Tenants")]
impl TenantRoutes {
    /// Create a tenant
    ///
    /// Needs an operator's key.
    #[oai(path = "/tenants", method = "post", operation_id = "create_tenant")]
    async fn create(
        &self,
        auth: Auth,
        body: JsonBody<CreateTenant>,
    ) -> Result<Created<TenantView>, Problem> {
        let mut tx = auth.0.operate().await?;
        let state = auth.0.state();
        let mut checks = Checks::default();
        let name = checks.text("name", &body.value.name, 200);
        let mut settings = TenantSettings::default();
        let mut secrets = TenantSecrets::default();
        if let Some(change) = body.value.settings {
            change.apply(
                &body.raw["settings"],
                &mut settings,
                &mut secrets,
                &state.guard,
                &mut checks,
            );
        }
        checks.finish()?;
        let id = TenantId::new();
        let sealed = seal(state, id, &secrets)?;
        let values = TenantValues {
            name: &name,
            enabled: true,
            settings: &settings,
            sealed_secrets: sealed.as_deref(),
        };
        let tenant = tenants::insert(&mut tx, id, &values).await?;
        tx.commit().await?;
        Ok(Answer(view(tenant, &secrets)))
    }

    /// List tenants
    ///
    /// All of them, oldest first. Needs an operator's key.
    #[oai(path = "/tenants", method = "get", operation_id = "list_tenants")]
    async fn list(
        &self,
        auth: Auth,
        /// Where the page starts: `next_cursor` of the one before.
        cursor: Query<Option<String>>,
        /// Entries of a page, 1 to 100; 20 if missing.
        limit: Query<Option<u32>>,
    ) -> Result<Found<List<TenantView>>, Problem> {
        let page = PageRequest::read(cursor.0, limit.0)?;
        let mut tx = auth.0.operate().await?;
        let found = tenants::list(&mut tx, page.after, page.limit).await?;
        let mut shown = Vec::new();
        for tenant in found.data {
            let secrets = open(auth.0.state(), &tenant)?;
            shown.push(view(tenant, &secrets));
        }
        let next_cursor = found.next_cursor;
        Ok(List::of(
            domain::Page {
                data: shown,
                next_cursor,
            },
            |tenant| tenant,
        ))
    }

    /// Get a tenant
    #[oai(
        path = "/tenants/:tenant_id",
        method = "get",
        operation_id = "get_tenant"
    )]
    async fn get(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
    ) -> Result<Found<TenantView>, Problem> {
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        let tenant = tenants::get(&mut tx).await?;
        let secrets = open(auth.0.state(), &tenant)?;
        Ok(Answer(view(tenant, &secrets)))
    }

    /// Change a tenant
    ///
    /// What the body does not name stays as it is.
    #[oai(
        path = "/tenants/:tenant_id",
        method = "put",
        operation_id = "update_tenant"
    )]
    async fn update(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        body: JsonBody<UpdateTenant>,
    ) -> Result<Found<TenantView>, Problem> {
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        let state = auth.0.state();
        let old = tenants::find_for_update(&mut tx)
            .await?
            .ok_or_else(Problem::not_found)?;
        let mut secrets = open(state, &old)?;
        let providers = (old.settings.llm.clone(), secrets.clone());
        let mut settings = old.settings;
        let embedding = settings.embedding.clone();
        let mut checks = Checks::default();
        let name = match &body.value.name {
            Some(name) => checks.text("name", name, 200),
            None => old.name,
        };
        if let Some(change) = body.value.settings {
            change.apply(
                &body.raw["settings"],
                &mut settings,
                &mut secrets,
                &state.guard,
                &mut checks,
            );
        }
        checks.finish()?;
        let sealed = seal(state, old.id, &secrets)?;
        let values = TenantValues {
            name: &name,
            enabled: body.value.enabled.unwrap_or(old.enabled),
            settings: &settings,
            sealed_secrets: sealed.as_deref(),
        };
        let tenant = tenants::update(&mut tx, &values).await?;
        let has_other_embedding = tenant.settings.embedding != embedding;
        if has_other_embedding {
            ingest::change_embedder(&mut tx).await?;
        }
        if has_other_embedding || providers != (settings.llm, secrets.clone()) {
            // What was seen of them was seen with other keys or addresses.
            provider_health::delete_all(&mut tx).await?;
            provider_checks::make_due(&mut tx).await?;
        }
        tx.commit().await?;
        Ok(Answer(view(tenant, &secrets)))
    }

    /// Delete a tenant
    ///
    /// With its channels, documents, conversations, keys and waiting jobs. There is no way back.
    #[oai(
        path = "/tenants/:tenant_id",
        method = "delete",
        operation_id = "delete_tenant"
    )]
    async fn delete(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
    ) -> Result<Done, Problem> {
        let id = TenantId::from(tenant_id.0);
        let mut tx = auth.0.operate().await?;
        let state = auth.0.state();
        if !tenants::delete(&mut tx, id).await? {
            return Err(Problem::not_found());
        }
        tx.commit().await?;
        state.keys.clear();
        if let Err(error) = state.files.delete_tenant(id).await {
            tracing::error!(%error, tenant.id = %id, "a deleted tenant's files are still there");
        }
        Ok(Done)
    }
}

fn view(tenant: Tenant, secrets: &TenantSecrets) -> TenantView {
    TenantView {
        id: tenant.id.as_uuid(),
        name: tenant.name,
        enabled: tenant.enabled,
        settings: SettingsView::new(tenant.settings, secrets),
        created_at: tenant.created_at,
        updated_at: tenant.updated_at,
    }
}

fn context(id: TenantId) -> Vec<u8> {
    row_context(SECRETS_COLUMN.0, SECRETS_COLUMN.1, id.as_uuid())
}

fn open(state: &AppState, tenant: &Tenant) -> Result<TenantSecrets, Problem> {
    match &tenant.sealed_secrets {
        Some(sealed) => Ok(state.keyring.open_json(&context(tenant.id), sealed)?),
        None => Ok(TenantSecrets::default()),
    }
}

fn seal(
    state: &AppState,
    id: TenantId,
    secrets: &TenantSecrets,
) -> Result<Option<Vec<u8>>, Problem> {
    if secrets.is_empty() {
        return Ok(None);
    }
    Ok(Some(state.keyring.seal_json(&context(id), secrets)?))
}
