use std::collections::BTreeMap;

use assistant::{connections, dropped_files};
use channels::ParsedConfig;
use chrono::{DateTime, Utc};
use domain::{ChannelId, ChannelKind};
use poem_openapi::param::{Path, Query};
use poem_openapi::{Enum, Object, OpenApi};
use secrets::row_context;
use serde::Deserialize;
use serde_json::Value;
use store::channels::{self as table, Channel, ChannelValues, EXTERNAL_ID_KEY, SECRETS_COLUMN};
use uuid::Uuid;

use super::Tag;
use super::channel_checks::ChannelHealthView;
use crate::answer::{Answer, Created, Done, Found, List};
use crate::auth::Auth;
use crate::payload::{Checks, JsonBody, PageRequest};
use crate::{AppState, Problem};

/// What a channel is made of.
#[derive(Clone, Copy, Debug, Enum, Deserialize)]
#[oai(rename_all = "snake_case", rename = "ChannelType")]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// WhatsApp Business, Cloud API.
    Whatsapp,
    /// The chat bubble on a web site.
    Webchat,
    /// Facebook Messenger, for a page.
    Messenger,
    /// Signed posts from and to a system of yours.
    Http,
}

/// A tenant's WhatsApp number, page, web chat or own system.
#[derive(Debug, Object)]
#[oai(rename = "Channel")]
struct ChannelView {
    /// Its id.
    id: Uuid,
    /// What it is made of.
    #[oai(rename = "type")]
    kind: Kind,
    /// Its name.
    name: String,
    /// Whether what comes in is answered.
    enabled: bool,
    /// The part of its configuration that may be read; its fields depend on the type.
    config: Value,
    /// Which secrets are set, by name: `{"access_token": true}`. The secrets never come back.
    secrets: BTreeMap<String, bool>,
    /// How it was last found to be: by a send, a look, or what its operator told.
    health: ChannelHealthView,
    /// A sentence about that, for people.
    health_note: Option<String>,
    /// Since when it is so.
    health_at: Option<DateTime<Utc>>,
    /// When it was last looked at.
    checked_at: Option<DateTime<Utc>>,
    /// What keeps the tenant's chosen model from answering here: `key_refused`, `quota_spent`,
    /// `misconfigured`, …; `null`: nothing that is known. `GET …/providers` tells more, and whether
    /// another model stands in.
    model_error: Option<String>,
    /// When it was created.
    created_at: DateTime<Utc>,
    /// When it was last changed.
    updated_at: DateTime<Utc>,
}

/// A channel to be created.
#[derive(Object, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(example)]
struct CreateChannel {
    /// What it is made of.
    #[oai(rename = "type")]
    #[serde(rename = "type")]
    kind: Kind,
    /// Its name, 1 to 200 characters.
    name: String,
    /// Its configuration: `GET /api/channel-types` describes the fields of each type.
    #[serde(default)]
    #[oai(default)]
    config: Value,
}

impl poem_openapi::types::Example for CreateChannel {
    fn example() -> Self {
        Self {
            kind: Kind::Whatsapp,
            name: "Shop".to_owned(),
            config: serde_json::json!({
                "phone_number_id": "200000000000001",
                "access_token": "EAAG…",
                "app_secret": "0123456789abcdef",
                "verify_token": "a text of your choice",
            }),
        }
    }
}

/// A change to a channel; what is missing stays.
#[derive(Object, Deserialize)]
#[serde(deny_unknown_fields)]
struct UpdateChannel {
    /// Its name, 1 to 200 characters.
    name: Option<String>,
    /// Whether what comes in is answered.
    enabled: Option<bool>,
    /// What changes of its configuration: a field that is missing keeps its value, secrets
    /// included, and `null` puts one back to its default.
    config: Option<Value>,
}

pub(crate) struct ChannelRoutes;

#[OpenApi(prefix_path = "/api", tag = "Tag::Channels")]
impl ChannelRoutes {
    /// Connect a channel
    #[oai(
        path = "/tenants/:tenant_id/channels",
        method = "post",
        operation_id = "create_channel"
    )]
    async fn create(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        body: JsonBody<CreateChannel>,
    ) -> Result<Created<ChannelView>, Problem> {
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        let mut checks = Checks::default();
        let name = checks.text("name", &body.value.name, 200);
        checks.finish()?;
        let kind = body.value.kind.into();
        let config = channels::parse(kind, body.value.config)?;
        let id = ChannelId::new();
        let sealed = seal(auth.0.state(), id, &config)?;
        let values = values(&name, true, &config, sealed.as_deref());
        let channel = table::insert(&mut tx, id, kind, &values)
            .await
            .map_err(taken)?;
        connections::follow_limit(&auth.0.state().assistant, &mut tx, None, &channel).await?;
        tx.commit().await?;
        let model_error = model_error(&auth, tenant_id.0).await;
        Ok(Answer(view(channel, config.secrets.as_ref(), model_error)))
    }

    /// List a tenant's channels
    ///
    /// Oldest first.
    #[oai(
        path = "/tenants/:tenant_id/channels",
        method = "get",
        operation_id = "list_channels"
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
    ) -> Result<Found<List<ChannelView>>, Problem> {
        let page = PageRequest::read(cursor.0, limit.0)?;
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        let found = table::list(&mut tx, page.after, page.limit).await?;
        drop(tx);
        let model_error = model_error(&auth, tenant_id.0).await;
        let opened = found
            .data
            .into_iter()
            .map(|channel| opened(auth.0.state(), channel, model_error.clone()));
        let data = opened.collect::<Result<Vec<_>, _>>()?;
        let page = domain::Page {
            data,
            next_cursor: found.next_cursor,
        };
        Ok(List::of(page, |view| view))
    }

    /// Get a channel
    #[oai(
        path = "/tenants/:tenant_id/channels/:channel_id",
        method = "get",
        operation_id = "get_channel"
    )]
    async fn get(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        /// The channel.
        channel_id: Path<Uuid>,
    ) -> Result<Found<ChannelView>, Problem> {
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        let channel = table::get(&mut tx, channel_id.0.into()).await?;
        drop(tx);
        let model_error = model_error(&auth, tenant_id.0).await;
        Ok(Answer(opened(auth.0.state(), channel, model_error)?))
    }

    /// Change a channel
    ///
    /// What the body does not name stays as it is; the type never changes.
    #[oai(
        path = "/tenants/:tenant_id/channels/:channel_id",
        method = "put",
        operation_id = "update_channel"
    )]
    async fn update(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        /// The channel.
        channel_id: Path<Uuid>,
        body: JsonBody<UpdateChannel>,
    ) -> Result<Found<ChannelView>, Problem> {
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        let state = auth.0.state();
        let id = ChannelId::from(channel_id.0);
        let old = table::find_for_update(&mut tx, id)
            .await?
            .ok_or_else(Problem::not_found)?;
        let mut checks = Checks::default();
        let name = match &body.value.name {
            Some(name) => checks.text("name", name, 200),
            None => old.name.clone(),
        };
        checks.finish()?;
        let secrets = connections::open_secrets(&state.assistant, &old)?;
        let change = body.value.config.unwrap_or_default();
        let config = channels::merge(old.kind, change, &old.config, secrets.as_ref())?;
        let sealed = seal(state, id, &config)?;
        let enabled = body.value.enabled.unwrap_or(old.enabled);
        let values = values(&name, enabled, &config, sealed.as_deref());
        let channel = table::update(&mut tx, id, &values).await.map_err(taken)?;
        connections::follow_limit(&state.assistant, &mut tx, Some(&old), &channel).await?;
        tx.commit().await?;
        let model_error = model_error(&auth, tenant_id.0).await;
        Ok(Answer(view(channel, config.secrets.as_ref(), model_error)))
    }

    /// Delete a channel
    ///
    /// With its contacts and conversations.
    #[oai(
        path = "/tenants/:tenant_id/channels/:channel_id",
        method = "delete",
        operation_id = "delete_channel"
    )]
    async fn delete(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        /// The channel.
        channel_id: Path<Uuid>,
    ) -> Result<Done, Problem> {
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        let id = channel_id.0.into();
        if !table::delete(&mut tx, id).await? {
            return Err(Problem::not_found());
        }
        tx.commit().await?;
        dropped_files::sweep_soon(&auth.0.state().assistant).await;
        Ok(Done)
    }
}

fn values<'a>(
    name: &'a str,
    enabled: bool,
    config: &'a ParsedConfig,
    sealed_secrets: Option<&'a [u8]>,
) -> ChannelValues<'a> {
    let external_id = config.external_id.as_deref();
    ChannelValues {
        name,
        enabled,
        config: &config.public,
        sealed_secrets,
        external_id,
    }
}

/// Two channels of one number would both answer it.
fn taken(error: db::Error) -> Problem {
    if error.violates(EXTERNAL_ID_KEY) {
        return Problem::conflict(
            "channel_already_connected",
            "This number is connected already.",
        );
    }
    error.into()
}

fn context(id: ChannelId) -> Vec<u8> {
    row_context(SECRETS_COLUMN.0, SECRETS_COLUMN.1, id.as_uuid())
}

fn seal(
    state: &AppState,
    id: ChannelId,
    config: &ParsedConfig,
) -> Result<Option<Vec<u8>>, Problem> {
    let sealed = config.secrets.as_ref();
    Ok(sealed
        .map(|secrets| state.keyring.seal_json(&context(id), secrets))
        .transpose()?)
}

/// What keeps the tenant's model from answering. That it cannot be found out keeps no channel from being
/// shown, nor from having been created.
async fn model_error(auth: &Auth, tenant: Uuid) -> Option<String> {
    let providers = auth.0.state().providers.list(tenant.into()).await;
    let providers = providers.inspect_err(|error| {
        tracing::warn!(%tenant, %error, "how the tenant's providers do is not known");
    });
    providers.ok()?.fault_of_first().map(str::to_owned)
}

fn opened(
    state: &AppState,
    channel: Channel,
    model_error: Option<String>,
) -> Result<ChannelView, Problem> {
    let secrets = connections::open_secrets(&state.assistant, &channel)?;
    Ok(view(channel, secrets.as_ref(), model_error))
}

fn view(channel: Channel, secrets: Option<&Value>, model_error: Option<String>) -> ChannelView {
    let names = secrets.and_then(Value::as_object).into_iter().flatten();
    ChannelView {
        id: channel.id.as_uuid(),
        kind: channel.kind.into(),
        name: channel.name,
        enabled: channel.enabled,
        config: channel.config,
        secrets: names
            .map(|(name, value)| (name.clone(), !value.is_null()))
            .collect(),
        health: channel.health.into(),
        health_note: channel.health_note,
        health_at: channel.health_at,
        checked_at: channel.checked_at,
        model_error,
        created_at: channel.created_at,
        updated_at: channel.updated_at,
    }
}

impl From<Kind> for ChannelKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Whatsapp => Self::Whatsapp,
            Kind::Webchat => Self::Webchat,
            Kind::Messenger => Self::Messenger,
            Kind::Http => Self::Http,
        }
    }
}

impl From<ChannelKind> for Kind {
    fn from(kind: ChannelKind) -> Self {
        match kind {
            ChannelKind::Whatsapp => Self::Whatsapp,
            ChannelKind::Webchat => Self::Webchat,
            ChannelKind::Messenger => Self::Messenger,
            ChannelKind::Http => Self::Http,
        }
    }
}
