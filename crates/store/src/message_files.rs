//! Files of messages: those that contacts sent by channels whose operators keep them for a while only, and
//! those that people of the tenant's sent.

use chrono::{DateTime, Utc};
use db::{Error, Result, TenantTx, Tx};
use domain::{ChannelId, MessageFileId, MessageFileState, MessageId};
use uuid::Uuid;

/// A file of a message.
#[derive(Clone, Debug)]
pub struct MessageFile {
    /// Its id.
    pub id: MessageFileId,
    /// Its message.
    pub message_id: MessageId,
    /// Its place among the files of its message, from 0.
    pub nth: i16,
    /// What it is shown as, for example `image`.
    pub media_kind: String,
    /// As the contact's app named it.
    pub name: Option<String>,
    /// What the channel says it is, for example `image/jpeg`.
    pub media_type: Option<String>,
    /// Whether it is here.
    pub state: MessageFileState,
    /// Why it could not be had.
    pub error: Option<String>,
    /// Where it is kept.
    pub file_key: Option<String>,
    /// Its length.
    pub size_bytes: Option<i64>,
}

struct Row {
    id: Uuid,
    message_id: Uuid,
    nth: i16,
    media_kind: String,
    name: Option<String>,
    media_type: Option<String>,
    state: String,
    error: Option<String>,
    file_key: Option<String>,
    size_bytes: Option<i64>,
}

impl TryFrom<Row> for MessageFile {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: row.id.into(),
            message_id: row.message_id.into(),
            nth: row.nth,
            media_kind: row.media_kind,
            name: row.name,
            media_type: row.media_type,
            state: row
                .state
                .parse()
                .map_err(|_| Error::corrupt(format!("state of message file {}", row.id)))?,
            error: row.error,
            file_key: row.file_key,
            size_bytes: row.size_bytes,
        })
    }
}

/// A file that is to be fetched.
#[derive(Clone, Debug)]
pub struct NewMessageFile<'a> {
    /// Its message.
    pub message_id: MessageId,
    /// Its place among the files of its message, from 0.
    pub nth: i16,
    /// What it is shown as.
    pub media_kind: &'a str,
    /// As the contact's app named it.
    pub name: Option<&'a str>,
    /// What the channel says it is.
    pub media_type: Option<&'a str>,
}

/// Notes that a file is to be fetched.
///
/// # Errors
/// `Constraint` `message_files_once_key` if it is noted already.
pub async fn insert(tx: &mut TenantTx, new: &NewMessageFile<'_>) -> Result<MessageFileId> {
    let tenant = tx.tenant();
    let id = MessageFileId::new();
    sqlx::query!(
        "INSERT INTO message_files (id, tenant_id, message_id, nth, media_kind, name, media_type)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        id.as_uuid(),
        tenant.as_uuid(),
        new.message_id.as_uuid(),
        new.nth,
        new.media_kind,
        new.name,
        new.media_type,
    )
    .execute(tx.conn())
    .await?;
    Ok(id)
}

/// A file that is here before its message is stored.
#[derive(Clone, Debug)]
pub struct KeptMessageFile<'a> {
    /// Its id.
    pub id: MessageFileId,
    /// Its message, of which it is the only file.
    pub message_id: MessageId,
    /// What it is shown as.
    pub media_kind: &'a str,
    /// Its name.
    pub name: &'a str,
    /// What it was recognised as.
    pub media_type: &'a str,
    /// Where it is kept.
    pub file_key: &'a str,
    /// Its length.
    pub size_bytes: i64,
    /// The SHA-256 of its content.
    pub sha256: &'a [u8],
    /// When it came.
    pub at: DateTime<Utc>,
}

/// Stores a file that is here already.
///
/// # Errors
/// `Constraint` `message_files_once_key` if the message has a file.
pub async fn insert_kept(tx: &mut TenantTx, kept: &KeptMessageFile<'_>) -> Result<()> {
    let tenant = tx.tenant();
    sqlx::query!(
        "INSERT INTO message_files (id, tenant_id, message_id, nth, media_kind, name, media_type,
             state, file_key, size_bytes, sha256, stored_at)
         VALUES ($1, $2, $3, 0, $4, $5, $6, 'stored', $7, $8, $9, $10)",
        kept.id.as_uuid(),
        tenant.as_uuid(),
        kept.message_id.as_uuid(),
        kept.media_kind,
        kept.name,
        kept.media_type,
        kept.file_key,
        kept.size_bytes,
        kept.sha256,
        kept.at,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Gets a file that was sent to a visitor of a web chat.
///
/// # Errors
/// `NotFound` if the visitor was sent none of that id.
pub async fn get_of_visitor(
    tx: &mut TenantTx,
    id: MessageFileId,
    channel: ChannelId,
    visitor: &str,
) -> Result<MessageFile> {
    let tenant = tx.tenant();
    let row = sqlx::query_as!(
        Row,
        "SELECT f.id, f.message_id, f.nth, f.media_kind, f.name, f.media_type, f.state, f.error,
                f.file_key, f.size_bytes
         FROM message_files AS f
         JOIN messages AS m ON m.id = f.message_id
         JOIN conversations AS v ON v.id = m.conversation_id
         JOIN contacts AS c ON c.id = v.contact_id
         WHERE f.tenant_id = $1 AND f.id = $2 AND m.tenant_id = $1 AND v.tenant_id = $1
           AND v.channel_id = $3 AND c.tenant_id = $1 AND c.external_id = $4",
        tenant.as_uuid(),
        id.as_uuid(),
        channel.as_uuid(),
        visitor,
    )
    .fetch_one(tx.conn())
    .await?;
    row.try_into()
}

/// Gets a file.
///
/// # Errors
/// `NotFound` if the tenant has none of that id.
pub async fn get(tx: &mut TenantTx, id: MessageFileId) -> Result<MessageFile> {
    let tenant = tx.tenant();
    let row = sqlx::query_as!(
        Row,
        "SELECT id, message_id, nth, media_kind, name, media_type, state, error, file_key, size_bytes
         FROM message_files WHERE tenant_id = $1 AND id = $2",
        tenant.as_uuid(),
        id.as_uuid(),
    )
    .fetch_one(tx.conn())
    .await?;
    row.try_into()
}

/// Lists the files of messages, in their order.
///
/// # Errors
/// Those of the database.
pub async fn list(tx: &mut TenantTx, messages: &[MessageId]) -> Result<Vec<MessageFile>> {
    let tenant = tx.tenant();
    let ids: Vec<Uuid> = messages.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query_as!(
        Row,
        "SELECT id, message_id, nth, media_kind, name, media_type, state, error, file_key, size_bytes
         FROM message_files WHERE tenant_id = $1 AND message_id = ANY($2)
         ORDER BY message_id, nth",
        tenant.as_uuid(),
        &ids,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(MessageFile::try_from).collect()
}

/// Deletes the rows of a message's files; the files follow.
///
/// # Errors
/// Those of the database.
pub async fn delete_of_message(tx: &mut TenantTx, message: MessageId) -> Result<()> {
    let tenant = tx.tenant();
    sqlx::query!(
        "DELETE FROM message_files WHERE tenant_id = $1 AND message_id = $2",
        tenant.as_uuid(),
        message.as_uuid(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// A file that is here.
#[derive(Clone, Debug)]
pub struct Fetched<'a> {
    /// Where it is kept.
    pub file_key: &'a str,
    /// Its length.
    pub size_bytes: i64,
    /// The SHA-256 of its content.
    pub sha256: &'a [u8],
    /// What the channel says it is, where it told only now.
    pub media_type: Option<&'a str>,
    /// When it came.
    pub at: DateTime<Utc>,
}

/// Notes that a file is here. False if it was settled before, or its message is gone.
///
/// # Errors
/// Those of the database.
pub async fn mark_stored(
    tx: &mut TenantTx,
    id: MessageFileId,
    fetched: &Fetched<'_>,
) -> Result<bool> {
    let tenant = tx.tenant();
    let changed = sqlx::query!(
        "UPDATE message_files
         SET state = 'stored', error = NULL, file_key = $3, size_bytes = $4, sha256 = $5,
             media_type = coalesce(media_type, $6), stored_at = $7
         WHERE tenant_id = $1 AND id = $2 AND state = 'waiting'",
        tenant.as_uuid(),
        id.as_uuid(),
        fetched.file_key,
        fetched.size_bytes,
        fetched.sha256,
        fetched.media_type,
        fetched.at,
    )
    .execute(tx.conn())
    .await?
    .rows_affected();
    Ok(changed == 1)
}

/// Notes that a file cannot be had.
///
/// # Errors
/// Those of the database.
pub async fn mark_failed(tx: &mut TenantTx, id: MessageFileId, why: &str) -> Result<()> {
    let tenant = tx.tenant();
    sqlx::query!(
        "UPDATE message_files SET state = 'failed', error = $3
         WHERE tenant_id = $1 AND id = $2 AND state = 'waiting'",
        tenant.as_uuid(),
        id.as_uuid(),
        why,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
