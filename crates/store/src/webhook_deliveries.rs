//! Webhook deliveries: one event on its way to one endpoint, with its attempts.

use chrono::{DateTime, Utc};
use db::{Result, TenantTx, Tx as _};
use domain::{Cursor, DeliveryId, EndpointId, EventId, Page};
use uuid::Uuid;

/// One event on its way to one endpoint.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Its id.
    pub id: DeliveryId,
    /// Where it goes.
    pub endpoint_id: EndpointId,
    /// Its position among the endpoint's deliveries, from 1, without gaps.
    pub seq: i64,
    /// The event: the same for every endpoint and attempt.
    pub event_id: EventId,
    /// The event's type.
    pub event_type: String,
    /// What is signed and sent, byte for byte.
    pub body: String,
    /// `pending`, `delivered` or `failed`.
    pub status: String,
    /// Attempts made.
    pub attempt_count: i32,
    /// When the event happened.
    pub created_at: DateTime<Utc>,
    /// When the endpoint took it.
    pub delivered_at: Option<DateTime<Utc>>,
}

/// One attempt to deliver.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// What was to be delivered.
    pub delivery_id: DeliveryId,
    /// When it began.
    pub attempted_at: DateTime<Utc>,
    /// The HTTP status of the answer; `None` if there was none.
    pub response_status: Option<i16>,
    /// How the answer begins.
    pub response_body: Option<String>,
    /// Why there was no answer, or why it does not count.
    pub error: Option<String>,
    /// How long it took.
    pub duration_ms: i32,
}

/// Where an attempt leaves its delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There will be another attempt.
    Pending,
    /// The endpoint took it.
    Delivered,
    /// There will be no more attempts.
    Failed,
}

impl Outcome {
    /// The delivery's status in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }
}

/// Stores a delivery under the endpoint's next `seq`, which it takes under the endpoint's row lock.
/// `None` if the endpoint is gone, or has the event already.
///
/// # Errors
/// Those of the database.
pub async fn insert(
    tx: &mut TenantTx,
    endpoint: EndpointId,
    event: EventId,
    event_type: &str,
    body: &str,
) -> Result<Option<DeliveryId>> {
    let tenant = tx.tenant();
    let seq = sqlx::query_scalar!(
        "
        UPDATE webhook_endpoints AS e
        SET delivery_seq = delivery_seq + 1
        WHERE tenant_id = $1
          AND id = $2
          AND NOT EXISTS (
              SELECT FROM webhook_deliveries AS d
              WHERE d.tenant_id = $1 AND d.endpoint_id = e.id AND d.event_id = $3
          )
        RETURNING delivery_seq
        ",
        tenant.as_uuid(),
        endpoint.as_uuid(),
        event.as_uuid(),
    )
    .fetch_optional(tx.conn())
    .await?;
    let Some(seq) = seq else { return Ok(None) };
    let id = DeliveryId::new();
    sqlx::query!(
        "
        INSERT INTO webhook_deliveries (id, tenant_id, endpoint_id, seq, event_id, event_type, body)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ",
        id.as_uuid(),
        tenant.as_uuid(),
        endpoint.as_uuid(),
        seq,
        event.as_uuid(),
        event_type,
        body,
    )
    .execute(tx.conn())
    .await?;
    Ok(Some(id))
}

/// Finds a delivery of the tenant's.
///
/// # Errors
/// Those of the database.
pub async fn find(tx: &mut TenantTx, id: DeliveryId) -> Result<Option<Delivery>> {
    let tenant = tx.tenant();
    Ok(sqlx::query_as!(
        Delivery,
        r#"
        SELECT id AS "id: DeliveryId", endpoint_id AS "endpoint_id: EndpointId", seq,
               event_id AS "event_id: EventId", event_type, body, status, attempt_count, created_at,
               delivered_at
        FROM webhook_deliveries
        WHERE tenant_id = $1
          AND id = $2
        "#,
        tenant.as_uuid(),
        id.as_uuid(),
    )
    .fetch_optional(tx.conn())
    .await?)
}

/// Lists an endpoint's deliveries, newest first.
///
/// # Errors
/// Those of the database.
pub async fn list(
    tx: &mut TenantTx,
    endpoint: EndpointId,
    before_seq: Option<i64>,
    limit: usize,
) -> Result<Page<Delivery>> {
    let tenant = tx.tenant();
    let deliveries = sqlx::query_as!(
        Delivery,
        r#"
        SELECT id AS "id: DeliveryId", endpoint_id AS "endpoint_id: EndpointId", seq,
               event_id AS "event_id: EventId", event_type, body, status, attempt_count, created_at,
               delivered_at
        FROM webhook_deliveries
        WHERE tenant_id = $1
          AND endpoint_id = $2
          AND ($3::bigint IS NULL OR seq < $3)
        ORDER BY seq DESC
        LIMIT $4
        "#,
        tenant.as_uuid(),
        endpoint.as_uuid(),
        before_seq,
        crate::probe(limit),
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(Page::from_rows(deliveries, limit, |delivery| {
        Cursor::after(delivery.seq)
    }))
}

/// Lists the attempts of some deliveries, oldest first, at most 1000.
///
/// # Errors
/// Those of the database.
pub async fn list_attempts(tx: &mut TenantTx, deliveries: &[DeliveryId]) -> Result<Vec<Attempt>> {
    let tenant = tx.tenant();
    let ids: Vec<Uuid> = deliveries.iter().map(|id| id.as_uuid()).collect();
    Ok(sqlx::query_as!(
        Attempt,
        r#"
        SELECT delivery_id AS "delivery_id: DeliveryId", attempted_at, response_status,
               response_body, error, duration_ms
        FROM webhook_attempts
        WHERE tenant_id = $1
          AND delivery_id = ANY($2)
        ORDER BY attempted_at, id
        LIMIT 1000
        "#,
        tenant.as_uuid(),
        &ids,
    )
    .fetch_all(tx.conn())
    .await?)
}

/// Stores an attempt and moves its delivery on. A delivery that was taken stays so.
///
/// # Errors
/// Those of the database.
pub async fn record_attempt(tx: &mut TenantTx, attempt: &Attempt, outcome: Outcome) -> Result<()> {
    let tenant = tx.tenant();
    sqlx::query!(
        "
        INSERT INTO webhook_attempts (id, tenant_id, delivery_id, attempted_at, response_status,
                                      response_body, error, duration_ms)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        ",
        EventId::new().as_uuid(),
        tenant.as_uuid(),
        attempt.delivery_id.as_uuid(),
        attempt.attempted_at,
        attempt.response_status,
        attempt.response_body,
        attempt.error,
        attempt.duration_ms,
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        "
        UPDATE webhook_deliveries
        SET attempt_count = attempt_count + 1,
            status = CASE WHEN status = 'delivered' THEN status ELSE $3 END,
            delivered_at = CASE WHEN $3 = 'delivered' THEN coalesce(delivered_at, $4)
                                ELSE delivered_at END
        WHERE tenant_id = $1
          AND id = $2
        ",
        tenant.as_uuid(),
        attempt.delivery_id.as_uuid(),
        outcome.as_str(),
        attempt.attempted_at,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Notes that a delivery will not be tried again; one that was taken stays so.
///
/// # Errors
/// Those of the database.
pub async fn mark_failed(tx: &mut TenantTx, id: DeliveryId) -> Result<()> {
    let tenant = tx.tenant();
    sqlx::query!(
        "
        UPDATE webhook_deliveries
        SET status = 'failed'
        WHERE tenant_id = $1
          AND id = $2
          AND status = 'pending'
        ",
        tenant.as_uuid(),
        id.as_uuid(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Deletes the deliveries whose body names one of these, with their attempts, whether they are made
/// or not; returns how many deliveries.
///
/// # Errors
/// Those of the database.
pub async fn delete_naming(tx: &mut TenantTx, names: &[String]) -> Result<u64> {
    let tenant = tx.tenant();
    let deleted = sqlx::query_scalar!(
        r#"
        WITH gone AS (
            DELETE FROM webhook_deliveries
            WHERE tenant_id = $1
              AND EXISTS (SELECT FROM unnest($2::text[]) AS name WHERE strpos(body, name) > 0)
            RETURNING id
        ),
        attempts AS (
            DELETE FROM webhook_attempts
            WHERE tenant_id = $1
              AND delivery_id IN (SELECT id FROM gone)
        )
        SELECT count(*) AS "count!" FROM gone
        "#,
        tenant.as_uuid(),
        names,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(deleted.unsigned_abs())
}

/// Deletes up to `limit` of a tenant's deliveries that are over and were stored before a time, with
/// their attempts; returns how many deliveries.
///
/// # Errors
/// Those of the database.
pub async fn delete_older(tx: &mut TenantTx, before: DateTime<Utc>, limit: i64) -> Result<u64> {
    let tenant = tx.tenant();
    let deleted = sqlx::query_scalar!(
        r#"
        WITH gone AS (
            DELETE FROM webhook_deliveries
            WHERE tenant_id = $1
              AND id = ANY(ARRAY(
                  SELECT id
                  FROM webhook_deliveries
                  WHERE tenant_id = $1
                    AND created_at < $2
                    AND status <> 'pending'
                  ORDER BY id
                  LIMIT $3))
            RETURNING id
        ),
        attempts AS (
            DELETE FROM webhook_attempts
            WHERE tenant_id = $1
              AND delivery_id IN (SELECT id FROM gone)
        )
        SELECT count(*) AS "count!" FROM gone
        "#,
        tenant.as_uuid(),
        before,
        limit,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(deleted.unsigned_abs())
}
