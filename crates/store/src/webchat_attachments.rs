//! Files that visitors of web chats sent, or are about to.

use chrono::{DateTime, Utc};
use db::{Error, Result, SystemTx, TenantTx, Tx as _};
use domain::{AttachmentId, ChannelId, WebchatSessionId};

/// A visitor's file.
#[derive(Clone, Debug)]
pub struct WebchatAttachment {
    /// Its id.
    pub id: AttachmentId,
    /// The chat.
    pub channel_id: ChannelId,
    /// Whose it is.
    pub visitor_id: String,
    /// Where it is kept.
    pub file_key: String,
    /// Its name, without folders.
    pub name: String,
    /// What it was recognised as, for example `image/png`.
    pub media_type: String,
    /// Its length.
    pub size_bytes: i64,
    /// The SHA-256 of its content.
    pub sha256: Vec<u8>,
}

/// Stores a file's row, unless its session has `max` already; tells whether it did.
///
/// # Errors
/// Those of the database.
pub async fn insert(
    tx: &mut TenantTx,
    session: WebchatSessionId,
    new: &WebchatAttachment,
    now: DateTime<Utc>,
    max: i64,
) -> Result<bool> {
    let tenant = tx.tenant();
    let inserted = sqlx::query!(
        "INSERT INTO webchat_attachments (id, tenant_id, channel_id, session_id, visitor_id, file_key,
                                          name, media_type, size_bytes, sha256, created_at)
         SELECT $2, $1, $3, $4, $5, $6, $7, $8, $9, $10, $11
         WHERE (SELECT count(*) FROM webchat_attachments
                WHERE tenant_id = $1 AND session_id = $4) < $12",
        tenant.as_uuid(),
        new.id.as_uuid(),
        new.channel_id.as_uuid(),
        session.as_uuid(),
        new.visitor_id,
        new.file_key,
        new.name,
        new.media_type,
        new.size_bytes,
        new.sha256,
        now,
        max,
    )
    .execute(tx.conn())
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// Counts the files of a session of one of the tenant's chats.
///
/// # Errors
/// Those of the database.
pub async fn count(tx: &mut TenantTx, session: WebchatSessionId) -> Result<i64> {
    let tenant = tx.tenant();
    Ok(sqlx::query_scalar!(
        r#"
        SELECT count(*) AS "count!"
        FROM webchat_attachments
        WHERE tenant_id = $1
          AND session_id = $2
        "#,
        tenant.as_uuid(),
        session.as_uuid(),
    )
    .fetch_one(tx.conn())
    .await?)
}

/// Finds a file of one of the tenant's chats.
///
/// # Errors
/// Those of the database.
pub async fn find(tx: &mut TenantTx, id: AttachmentId) -> Result<Option<WebchatAttachment>> {
    let tenant = tx.tenant();
    Ok(sqlx::query_as!(
        WebchatAttachment,
        r#"
        SELECT id AS "id: AttachmentId", channel_id AS "channel_id: ChannelId", visitor_id, file_key,
               name, media_type, size_bytes, sha256
        FROM webchat_attachments
        WHERE tenant_id = $1
          AND id = $2
        "#,
        tenant.as_uuid(),
        id.as_uuid(),
    )
    .fetch_optional(tx.conn())
    .await?)
}

/// Gets a file of one of the tenant's chats.
///
/// # Errors
/// `NotFound`, and those of the database.
pub async fn get(tx: &mut TenantTx, id: AttachmentId) -> Result<WebchatAttachment> {
    find(tx, id).await?.ok_or(Error::NotFound)
}

/// Notes that a file goes with a message, so that it is kept.
///
/// # Errors
/// Those of the database.
pub async fn mark_sent(tx: &mut TenantTx, id: AttachmentId, now: DateTime<Utc>) -> Result<()> {
    let tenant = tx.tenant();
    sqlx::query!(
        "UPDATE webchat_attachments SET sent_at = coalesce(sent_at, $3)
         WHERE tenant_id = $1 AND id = $2",
        tenant.as_uuid(),
        id.as_uuid(),
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Deletes the files of a visitor; says how many.
///
/// # Errors
/// Those of the database.
pub async fn delete_of_visitor(
    tx: &mut TenantTx,
    channel: ChannelId,
    visitor_id: &str,
) -> Result<u64> {
    let tenant = tx.tenant();
    let deleted = sqlx::query!(
        "DELETE FROM webchat_attachments
         WHERE tenant_id = $1 AND channel_id = $2 AND visitor_id = $3",
        tenant.as_uuid(),
        channel.as_uuid(),
        visitor_id,
    )
    .execute(tx.conn())
    .await?;
    Ok(deleted.rows_affected())
}

/// Deletes up to `limit` files of the tenant's that are older than a time; says how many.
///
/// # Errors
/// Those of the database.
pub async fn delete_older(tx: &mut TenantTx, before: DateTime<Utc>, limit: i64) -> Result<u64> {
    let tenant = tx.tenant();
    let deleted = sqlx::query!(
        "DELETE FROM webchat_attachments WHERE id IN (
             SELECT id FROM webchat_attachments
             WHERE tenant_id = $1 AND created_at < $2 LIMIT $3)",
        tenant.as_uuid(),
        before,
        limit,
    )
    .execute(tx.conn())
    .await?;
    Ok(deleted.rows_affected())
}

/// Deletes up to `limit` files of all tenants that were stored before a time and went with no
/// message; says how many.
///
/// # Errors
/// Those of the database.
pub async fn delete_unsent(tx: &mut SystemTx, before: DateTime<Utc>, limit: i64) -> Result<u64> {
    let deleted = sqlx::query!(
        "DELETE FROM webchat_attachments WHERE id IN (
             SELECT id FROM webchat_attachments
             WHERE sent_at IS NULL AND created_at < $1
             ORDER BY created_at
             LIMIT $2
             FOR UPDATE)",
        before,
        limit,
    )
    .execute(tx.conn())
    .await?;
    Ok(deleted.rows_affected())
}
