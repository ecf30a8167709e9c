//! Items as channels posted them: written before anybody tried to understand them.

use chrono::{DateTime, Utc};
use db::{Error, Result, SystemTx, TenantTx, Tx};
use domain::{ChannelId, ChannelKind, Cursor, Page, RawItemId, RawOutcome, TenantId};
use serde_json::Value;
use uuid::Uuid;

use crate::channels::{self, Channel};

/// An item to be kept.
#[derive(Clone, Debug)]
pub struct NewRawItem {
    /// Its id.
    pub id: RawItemId,
    /// When it came; with the id it finds the row again.
    pub received_at: DateTime<Utc>,
    /// What sort of channel posted it.
    pub channel_kind: ChannelKind,
    /// Whose it is, once the channel is known.
    pub owner: Option<(TenantId, ChannelId)>,
    /// The item, where it is JSON.
    pub payload: Option<Value>,
    /// The bytes, where it is not.
    pub body: Option<Vec<u8>>,
    /// Where it stands: `pending`, or settled from the start.
    pub outcome: RawOutcome,
    /// Why it is not pending.
    pub error: Option<String>,
}

/// An item as it was kept.
#[derive(Clone, Debug)]
pub struct RawItem {
    /// Its id.
    pub id: RawItemId,
    /// When it came.
    pub received_at: DateTime<Utc>,
    /// What sort of channel posted it.
    pub channel_kind: ChannelKind,
    /// Whose it is.
    pub tenant_id: Option<TenantId>,
    /// Which channel's.
    pub channel_id: Option<ChannelId>,
    /// The item, where it is JSON.
    pub payload: Option<Value>,
    /// Where it stands.
    pub outcome: RawOutcome,
    /// Why it did not become anything.
    pub error: Option<String>,
}

/// What finds an item again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawItemAt {
    /// Its id.
    pub id: RawItemId,
    /// When it came.
    pub received_at: DateTime<Utc>,
}

struct Row {
    id: Uuid,
    received_at: DateTime<Utc>,
    channel_kind: String,
    tenant_id: Option<Uuid>,
    channel_id: Option<Uuid>,
    payload: Option<Value>,
    outcome: String,
    error: Option<String>,
}

impl TryFrom<Row> for RawItem {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: row.id.into(),
            received_at: row.received_at,
            channel_kind: named(&row.channel_kind)?,
            tenant_id: row.tenant_id.map(Into::into),
            channel_id: row.channel_id.map(Into::into),
            payload: row.payload,
            outcome: named(&row.outcome)?,
            error: row.error,
        })
    }
}

/// Keeps an item.
///
/// # Errors
/// Those of the database.
pub async fn insert(tx: &mut SystemTx, item: &NewRawItem) -> Result<()> {
    sqlx::query!(
        "INSERT INTO raw_items (id, received_at, channel_kind, tenant_id, channel_id, payload, body,
                                outcome, error)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        item.id.as_uuid(),
        item.received_at,
        item.channel_kind.as_str(),
        item.owner.map(|(tenant, _)| tenant.as_uuid()),
        item.owner.map(|(_, channel)| channel.as_uuid()),
        item.payload,
        item.body,
        item.outcome.as_str(),
        item.error,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Keeps many items by one statement; for those of several posts.
///
/// # Errors
/// Those of the database; then none is kept.
pub async fn insert_many(tx: &mut SystemTx, items: &[&NewRawItem]) -> Result<()> {
    sqlx::query!(
        "INSERT INTO raw_items (id, received_at, channel_kind, tenant_id, channel_id, payload, body,
                                outcome, error)
         SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::uuid[], $5::uuid[],
                              $6::jsonb[], $7::bytea[], $8::text[], $9::text[])",
        &column(items, |item| item.id.as_uuid()),
        &column(items, |item| item.received_at),
        &column(items, |item| item.channel_kind.as_str()) as &[&str],
        &column(items, |item| item.owner.map(|(tenant, _)| tenant.as_uuid())) as &[Option<Uuid>],
        &column(items, |item| item.owner.map(|(_, channel)| channel.as_uuid())) as &[Option<Uuid>],
        &column(items, |item| item.payload.as_ref()) as &[Option<&Value>],
        &column(items, |item| item.body.as_deref()) as &[Option<&[u8]>],
        &column(items, |item| item.outcome.as_str()) as &[&str],
        &column(items, |item| item.error.as_deref()) as &[Option<&str>],
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

fn column<'a, T>(items: &[&'a NewRawItem], pick: impl Fn(&'a NewRawItem) -> T) -> Vec<T> {
    items.iter().map(|item| pick(item)).collect()
}

/// Takes what a channel of the tenant's posted, and the channel, and notes that it became what it
/// was to: whoever finds otherwise calls [`settle`] in the same transaction.
///
/// # Errors
/// `NotFound` if one of them is not, or no longer, there.
pub async fn take_posted(
    tx: &mut TenantTx,
    id: RawItemId,
    received_at: DateTime<Utc>,
) -> Result<(Option<Value>, Channel)> {
    let tenant = tx.tenant();
    let row = sqlx::query!(
        r#"
        UPDATE raw_items AS r SET outcome = $4, error = NULL
        FROM channels AS c
        WHERE r.id = $1 AND r.received_at = $2 AND r.tenant_id = $3
          AND c.id = r.channel_id AND c.tenant_id = $3
        RETURNING r.payload, c.id AS "id: ChannelId", c.tenant_id AS "tenant_id: TenantId", c.kind,
                  c.name, c.enabled, c.config, c.sealed_secrets, c.external_id, c.health,
                  c.health_note, c.health_at, c.checked_at, c.created_at, c.updated_at
        "#,
        id.as_uuid(),
        received_at,
        tenant.as_uuid(),
        RawOutcome::Done.as_str(),
    )
    .fetch_one(tx.conn())
    .await?;
    let channel = channels::Row {
        id: row.id,
        tenant_id: row.tenant_id,
        kind: row.kind,
        name: row.name,
        enabled: row.enabled,
        config: row.config,
        sealed_secrets: row.sealed_secrets,
        external_id: row.external_id,
        health: row.health,
        health_note: row.health_note,
        health_at: row.health_at,
        checked_at: row.checked_at,
        created_at: row.created_at,
        updated_at: row.updated_at,
    };
    Ok((row.payload, channel.try_into()?))
}

/// Notes what became of an item.
///
/// # Errors
/// Those of the database.
pub async fn settle(
    tx: &mut TenantTx,
    id: RawItemId,
    received_at: DateTime<Utc>,
    outcome: RawOutcome,
    error: Option<&str>,
) -> Result<()> {
    let tenant = tx.tenant();
    sqlx::query!(
        "UPDATE raw_items SET outcome = $3, error = $4
         WHERE id = $1 AND received_at = $2 AND tenant_id = $5",
        id.as_uuid(),
        received_at,
        outcome.as_str(),
        error,
        tenant.as_uuid(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Lists items of one outcome, newest first, for operators.
///
/// # Errors
/// Those of the database.
pub async fn list(
    tx: &mut SystemTx,
    outcome: RawOutcome,
    before: Option<RawItemId>,
    limit: usize,
) -> Result<Page<RawItem>> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT id, received_at, channel_kind, tenant_id, channel_id, payload, outcome, error
         FROM raw_items
         WHERE outcome = $1 AND ($2::uuid IS NULL OR id < $2)
         ORDER BY id DESC LIMIT $3",
        outcome.as_str(),
        before.map(RawItemId::as_uuid),
        crate::probe(limit),
    )
    .fetch_all(tx.conn())
    .await?;
    let items = rows
        .into_iter()
        .map(RawItem::try_from)
        .collect::<Result<Vec<_>>>()?;
    Ok(Page::from_rows(items, limit, |item| Cursor::after(item.id)))
}

fn named<T: std::str::FromStr<Err = domain::UnknownName>>(name: &str) -> Result<T> {
    name.parse()
        .map_err(|error: domain::UnknownName| Error::corrupt(error.to_string()))
}

/// Lists items of a channel that are settled and hold one of these texts, by id.
///
/// # Errors
/// Those of the database.
pub async fn list_holding(
    tx: &mut TenantTx,
    channel: ChannelId,
    texts: &[String],
    after: Option<RawItemId>,
    limit: i64,
) -> Result<Vec<RawItem>> {
    let tenant = tx.tenant();
    let rows = sqlx::query_as!(
        Row,
        "SELECT id, received_at, channel_kind, tenant_id, channel_id, payload, outcome, error
         FROM raw_items
         WHERE tenant_id = $1 AND channel_id = $2 AND outcome <> 'pending'
           AND payload IS NOT NULL
           AND EXISTS (SELECT FROM unnest($3::text[]) AS held
                       WHERE strpos(payload::text, to_json(held)::text) > 0)
           AND ($4::uuid IS NULL OR id > $4)
         ORDER BY id LIMIT $5",
        tenant.as_uuid(),
        channel.as_uuid(),
        texts,
        after.map(RawItemId::as_uuid),
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(RawItem::try_from).collect()
}

/// Empties items: what they were and when stays, what they said goes. Returns how many.
///
/// # Errors
/// Those of the database.
pub async fn empty(tx: &mut TenantTx, ids: &[RawItemId]) -> Result<u64> {
    let tenant = tx.tenant();
    let ids: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
    let emptied = sqlx::query!(
        "UPDATE raw_items SET payload = NULL, body = NULL
         WHERE tenant_id = $1 AND id = ANY($2) AND outcome <> 'pending'",
        tenant.as_uuid(),
        &ids,
    )
    .execute(tx.conn())
    .await?;
    Ok(emptied.rows_affected())
}

/// Empties the items of a channel that could not be read and hold one of these texts; returns how
/// many.
///
/// # Errors
/// Those of the database.
pub async fn empty_unreadable(
    tx: &mut TenantTx,
    channel: ChannelId,
    texts: &[String],
) -> Result<u64> {
    let tenant = tx.tenant();
    let emptied = sqlx::query!(
        "UPDATE raw_items SET body = NULL
         WHERE tenant_id = $1 AND channel_id = $2 AND body IS NOT NULL
           AND EXISTS (SELECT FROM unnest($3::text[]) AS held
                       WHERE position(convert_to(held, 'UTF8') IN body) > 0)",
        tenant.as_uuid(),
        channel.as_uuid(),
        texts,
    )
    .execute(tx.conn())
    .await?;
    Ok(emptied.rows_affected())
}

/// Empties up to `limit` of a tenant's settled items that came before a time; returns how many.
///
/// # Errors
/// Those of the database.
pub async fn empty_older(tx: &mut TenantTx, before: DateTime<Utc>, limit: i64) -> Result<u64> {
    let tenant = tx.tenant();
    let emptied = sqlx::query!(
        "UPDATE raw_items SET payload = NULL, body = NULL
         WHERE tenant_id = $1 AND (id, received_at) IN (
             SELECT id, received_at FROM raw_items
             WHERE tenant_id = $1 AND received_at < $2 AND outcome <> 'pending'
               AND (payload IS NOT NULL OR body IS NOT NULL)
             ORDER BY received_at, id LIMIT $3 FOR UPDATE SKIP LOCKED)",
        tenant.as_uuid(),
        before,
        limit,
    )
    .execute(tx.conn())
    .await?;
    Ok(emptied.rows_affected())
}
