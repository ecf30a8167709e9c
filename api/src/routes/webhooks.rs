use chrono::{DateTime, Utc};
use domain::EndpointId;
use outbound::Guard;
use poem_openapi::param::{Path, Query};
use poem_openapi::{Object, OpenApi};
use secrecy::ExposeSecret as _;
use secrets::{WebhookSecret, row_context};
use serde::Deserialize;
use store::webhook_deliveries::{self, Attempt, Delivery};
use store::webhook_endpoints::{self, Endpoint, EndpointValues, SECRET_COLUMN};
use url::Url;
use uuid::Uuid;

use super::Tag;
use crate::answer::{Answer, Created, Done, Found, List};
use crate::auth::Auth;
use crate::payload::{Checks, JsonBody, PageRequest};
use crate::{AppState, Problem};

/// An address that receives a tenant's events.
#[derive(Debug, Object)]
#[oai(rename = "WebhookEndpoint")]
struct EndpointView {
    /// Its id.
    id: Uuid,
    /// The address.
    url: String,
    /// What it is for.
    description: String,
    /// The events it receives; empty: every event.
    event_types: Vec<String>,
    /// Whether it receives anything.
    enabled: bool,
    /// Why it was switched off, if not by you.
    disabled_reason: Option<String>,
    /// When it was created.
    created_at: DateTime<Utc>,
    /// When it was last changed.
    updated_at: DateTime<Utc>,
}

/// An endpoint with its signing secret: shown on creation and rotation, and never again.
#[derive(Object)]
struct EndpointWithSecret {
    /// Its id.
    id: Uuid,
    /// What deliveries are signed with, by Standard Webhooks. Keep it: it is shown this once.
    secret: String,
    /// The address.
    url: String,
    /// What it is for.
    description: String,
    /// The events it receives; empty: every event.
    event_types: Vec<String>,
    /// Whether it receives anything.
    enabled: bool,
    /// When it was created.
    created_at: DateTime<Utc>,
}

/// An endpoint to be created.
#[derive(Debug, Object, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(example)]
struct CreateEndpoint {
    /// The address: `http` or `https`, public.
    url: String,
    /// What it is for, up to 500 characters.
    #[serde(default)]
    #[oai(default)]
    description: String,
    /// The events it is to receive, such as `message.received`; empty: every event.
    #[serde(default)]
    #[oai(default)]
    event_types: Vec<String>,
}

impl poem_openapi::types::Example for CreateEndpoint {
    fn example() -> Self {
        Self {
            url: "https://hooks.example.com/metachat".to_owned(),
            description: String::new(),
            event_types: vec!["message.received".to_owned()],
        }
    }
}

/// A change to an endpoint; what is missing stays.
#[derive(Debug, Object, Deserialize)]
#[serde(deny_unknown_fields)]
struct UpdateEndpoint {
    /// The address: `http` or `https`, public.
    url: Option<String>,
    /// What it is for, up to 500 characters.
    description: Option<String>,
    /// The events it is to receive; empty: every event.
    event_types: Option<Vec<String>>,
    /// Whether it receives anything.
    enabled: Option<bool>,
}

/// One event on its way to one endpoint.
#[derive(Debug, Object)]
#[oai(rename = "WebhookDelivery")]
struct DeliveryView {
    /// Its id.
    id: Uuid,
    /// Its position among the endpoint's deliveries, from 1.
    seq: i64,
    /// The event: the header `webhook-id`, the same for every attempt.
    event_id: Uuid,
    /// The event's type.
    event_type: String,
    /// `pending`, `delivered` or `failed`.
    status: String,
    /// Attempts made.
    attempt_count: i32,
    /// The body as it is signed and sent.
    body: String,
    /// When the event happened.
    created_at: DateTime<Utc>,
    /// When the endpoint took it.
    delivered_at: Option<DateTime<Utc>>,
    /// The attempts, oldest first.
    attempts: Vec<AttemptView>,
}

/// One attempt to deliver.
#[derive(Debug, Object)]
#[oai(rename = "WebhookAttempt")]
struct AttemptView {
    /// When it began.
    attempted_at: DateTime<Utc>,
    /// The HTTP status of the answer; `null` if there was none.
    response_status: Option<i16>,
    /// How the answer begins.
    response_body: Option<String>,
    /// Why it does not count.
    error: Option<String>,
    /// How long it took.
    duration_ms: i32,
}

pub(crate) struct WebhookRoutes;

#[OpenApi(prefix_path = "/api", tag = "Tag::Webhooks")]
impl WebhookRoutes {
    /// Add a webhook endpoint
    ///
    /// The signing secret is shown in this answer and never again.
    #[oai(
        path = "/tenants/:tenant_id/webhooks",
        method = "post",
        operation_id = "create_webhook"
    )]
    async fn create(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        body: JsonBody<CreateEndpoint>,
    ) -> Result<Created<EndpointWithSecret>, Problem> {
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        let (body, state) = (body.value, auth.0.state());
        let values = EndpointValues {
            url: &body.url,
            description: &body.description,
            event_types: &body.event_types,
            enabled: true,
        };
        check(&values, &state.guard)?;
        let id = EndpointId::new();
        let secret = WebhookSecret::generate();
        let sealed = seal(state, id, &secret)?;
        let endpoint = webhook_endpoints::insert(&mut tx, id, &values, &sealed).await?;
        tx.commit().await?;
        Ok(Answer(with_secret(endpoint, &secret)))
    }

    /// List a tenant's webhook endpoints
    ///
    /// Oldest first.
    #[oai(
        path = "/tenants/:tenant_id/webhooks",
        method = "get",
        operation_id = "list_webhooks"
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
    ) -> Result<Found<List<EndpointView>>, Problem> {
        let page = PageRequest::read(cursor.0, limit.0)?;
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        Ok(List::of(
            webhook_endpoints::list(&mut tx, page.after, page.limit).await?,
            view,
        ))
    }

    /// Get a webhook endpoint
    #[oai(
        path = "/tenants/:tenant_id/webhooks/:webhook_id",
        method = "get",
        operation_id = "get_webhook"
    )]
    async fn get(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        /// The endpoint.
        webhook_id: Path<Uuid>,
    ) -> Result<Found<EndpointView>, Problem> {
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        Ok(Answer(view(
            webhook_endpoints::get(&mut tx, webhook_id.0.into()).await?,
        )))
    }

    /// Change a webhook endpoint
    ///
    /// What the body does not name stays as it is.
    #[oai(
        path = "/tenants/:tenant_id/webhooks/:webhook_id",
        method = "put",
        operation_id = "update_webhook"
    )]
    async fn update(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        /// The endpoint.
        webhook_id: Path<Uuid>,
        body: JsonBody<UpdateEndpoint>,
    ) -> Result<Found<EndpointView>, Problem> {
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        let id = EndpointId::from(webhook_id.0);
        let old = webhook_endpoints::find_for_update(&mut tx, id).await?;
        let (old, body) = (old.ok_or_else(Problem::not_found)?, body.value);
        let values = EndpointValues {
            url: body.url.as_deref().unwrap_or(&old.url),
            description: body.description.as_deref().unwrap_or(&old.description),
            event_types: body.event_types.as_deref().unwrap_or(&old.event_types),
            enabled: body.enabled.unwrap_or(old.enabled),
        };
        check(&values, &auth.0.state().guard)?;
        let endpoint = webhook_endpoints::update(&mut tx, id, &values).await?;
        tx.commit().await?;
        Ok(Answer(view(endpoint)))
    }

    /// Delete a webhook endpoint
    ///
    /// With its deliveries.
    #[oai(
        path = "/tenants/:tenant_id/webhooks/:webhook_id",
        method = "delete",
        operation_id = "delete_webhook"
    )]
    async fn delete(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        /// The endpoint.
        webhook_id: Path<Uuid>,
    ) -> Result<Done, Problem> {
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        if !webhook_endpoints::delete(&mut tx, webhook_id.0.into()).await? {
            return Err(Problem::not_found());
        }
        tx.commit().await?;
        Ok(Done)
    }

    /// Give a webhook endpoint a fresh signing secret
    ///
    /// Deliveries are signed with it from the next attempt on; it is shown in this answer alone.
    #[oai(
        path = "/tenants/:tenant_id/webhooks/:webhook_id/rotate-secret",
        method = "post",
        operation_id = "rotate_webhook_secret"
    )]
    async fn rotate(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        /// The endpoint.
        webhook_id: Path<Uuid>,
    ) -> Result<Found<EndpointWithSecret>, Problem> {
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        let id = EndpointId::from(webhook_id.0);
        let secret = WebhookSecret::generate();
        let sealed = seal(auth.0.state(), id, &secret)?;
        let endpoint = webhook_endpoints::set_secret(&mut tx, id, &sealed).await?;
        tx.commit().await?;
        Ok(Answer(with_secret(endpoint, &secret)))
    }

    /// List the deliveries of a webhook endpoint
    ///
    /// Newest first, each with its attempts.
    #[oai(
        path = "/tenants/:tenant_id/webhooks/:webhook_id/deliveries",
        method = "get",
        operation_id = "list_webhook_deliveries"
    )]
    async fn list_deliveries(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        /// The endpoint.
        webhook_id: Path<Uuid>,
        /// Where the page starts: `next_cursor` of the one before.
        cursor: Query<Option<String>>,
        /// Entries of a page, 1 to 100; 20 if missing.
        limit: Query<Option<u32>>,
    ) -> Result<Found<List<DeliveryView>>, Problem> {
        let page = PageRequest::read(cursor.0, limit.0)?;
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        let endpoint = webhook_endpoints::get(&mut tx, webhook_id.0.into()).await?;
        let found = webhook_deliveries::list(&mut tx, endpoint.id, page.after, page.limit).await?;
        let ids: Vec<_> = found.data.iter().map(|delivery| delivery.id).collect();
        let attempts = webhook_deliveries::list_attempts(&mut tx, &ids).await?;
        Ok(List::of(found, |delivery| {
            view_delivery(delivery, &attempts)
        }))
    }
}

fn check(values: &EndpointValues<'_>, guard: &Guard) -> Result<(), Problem> {
    let mut checks = Checks::default();
    match values.url.parse::<Url>() {
        Ok(url) => {
            if let Err(outbound::Error::Refused(refusal)) = outbound::check_url(&url, guard) {
                checks.require(false, "url", refusal.to_string());
            }
        }
        Err(_) => checks.require(false, "url", "must be an http:// or https:// URL"),
    }
    checks.require(
        values.url.len() <= 2000,
        "url",
        "must have at most 2000 characters",
    );
    let is_short = values.description.chars().count() <= 500 && !values.description.contains('\0');
    checks.require(is_short, "description", "must have at most 500 characters");
    checks.require(
        values.event_types.len() <= 50,
        "event_types",
        "must list at most 50 types",
    );
    for (at, event_type) in values.event_types.iter().enumerate() {
        let field = format!("event_types[{at}]");
        checks.require(
            is_event_type(event_type),
            &field,
            "must be a type such as message.received",
        );
    }
    checks.finish()
}

fn is_event_type(text: &str) -> bool {
    let is_word =
        |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    text.len() <= 64 && text.contains('.') && text.split('.').all(is_word)
}

fn seal(state: &AppState, id: EndpointId, secret: &WebhookSecret) -> Result<Vec<u8>, Problem> {
    let context = row_context(SECRET_COLUMN.0, SECRET_COLUMN.1, id.as_uuid());
    Ok(state
        .keyring
        .seal(&context, secret.to_text().expose_secret().as_bytes())?)
}

fn with_secret(endpoint: Endpoint, secret: &WebhookSecret) -> EndpointWithSecret {
    EndpointWithSecret {
        id: endpoint.id.as_uuid(),
        secret: secret.to_text().expose_secret().to_owned(),
        url: endpoint.url,
        description: endpoint.description,
        event_types: endpoint.event_types,
        enabled: endpoint.enabled,
        created_at: endpoint.created_at,
    }
}

fn view(endpoint: Endpoint) -> EndpointView {
    EndpointView {
        id: endpoint.id.as_uuid(),
        url: endpoint.url,
        description: endpoint.description,
        event_types: endpoint.event_types,
        enabled: endpoint.enabled,
        disabled_reason: endpoint.disabled_reason,
        created_at: endpoint.created_at,
        updated_at: endpoint.updated_at,
    }
}

fn view_delivery(delivery: Delivery, attempts: &[Attempt]) -> DeliveryView {
    let own = attempts
        .iter()
        .filter(|attempt| attempt.delivery_id == delivery.id);
    DeliveryView {
        id: delivery.id.as_uuid(),
        seq: delivery.seq,
        event_id: delivery.event_id.as_uuid(),
        event_type: delivery.event_type,
        status: delivery.status,
        attempt_count: delivery.attempt_count,
        body: delivery.body,
        created_at: delivery.created_at,
        delivered_at: delivery.delivered_at,
        attempts: own.cloned().map(view_attempt).collect(),
    }
}

fn view_attempt(attempt: Attempt) -> AttemptView {
    AttemptView {
        attempted_at: attempt.attempted_at,
        response_status: attempt.response_status,
        response_body: attempt.response_body,
        error: attempt.error,
        duration_ms: attempt.duration_ms,
    }
}
