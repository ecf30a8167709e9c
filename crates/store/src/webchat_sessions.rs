//! Web chat sessions: a visitor's stay, known by its token. Only the token's hash is stored.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use db::{Result, SystemTx, TenantTx, Tx as _};
use domain::{ChannelId, ConversationId, TenantId, WebchatSessionId};

/// A visitor's stay in a web chat.
#[derive(Clone, Debug)]
pub struct WebchatSession {
    /// Its id.
    pub id: WebchatSessionId,
    /// Whose chat it is.
    pub tenant_id: TenantId,
    /// The chat.
    pub channel_id: ChannelId,
    /// Who visits: the same over several sessions of one browser.
    pub visitor_id: String,
    /// Messages written in it.
    pub message_count: i32,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// When its token stops working.
    pub expires_at: DateTime<Utc>,
}

/// A session to be stored.
#[derive(Clone, Debug)]
pub struct NewWebchatSession<'a> {
    /// Its id.
    pub id: WebchatSessionId,
    /// The chat.
    pub channel_id: ChannelId,
    /// SHA-256 of the token.
    pub token_hash: &'a [u8; 32],
    /// Who visits.
    pub visitor_id: &'a str,
    /// Where the visitor's request came from.
    pub address: Option<IpAddr>,
    /// When it begins.
    pub created_at: DateTime<Utc>,
    /// When its token stops working.
    pub expires_at: DateTime<Utc>,
}

/// Stores a session of one of the tenant's chats.
///
/// # Errors
/// Those of the database.
pub async fn insert(tx: &mut TenantTx, session: &NewWebchatSession<'_>) -> Result<()> {
    let tenant = tx.tenant();
    sqlx::query!(
        "
        INSERT INTO webchat_sessions (id, tenant_id, channel_id, token_hash, visitor_id, address,
                                      created_at, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6::text::inet, $7, $8)
        ",
        session.id.as_uuid(),
        tenant.as_uuid(),
        session.channel_id.as_uuid(),
        session.token_hash,
        session.visitor_id,
        session.address.map(|address| address.to_string()),
        session.created_at,
        session.expires_at,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Finds the session of a token, of any tenant; an expired one is not there.
///
/// # Errors
/// Those of the database.
pub async fn find_by_token(
    tx: &mut SystemTx,
    token_hash: &[u8; 32],
    now: DateTime<Utc>,
) -> Result<Option<WebchatSession>> {
    Ok(sqlx::query_as!(
        WebchatSession,
        r#"
        SELECT id AS "id: WebchatSessionId", tenant_id AS "tenant_id: TenantId",
               channel_id AS "channel_id: ChannelId", visitor_id, message_count, created_at,
               expires_at
        FROM webchat_sessions
        WHERE token_hash = $1
          AND expires_at > $2
        "#,
        token_hash,
        now,
    )
    .fetch_optional(tx.conn())
    .await?)
}

/// Counts the sessions that an address began since a time, over all tenants.
///
/// # Errors
/// Those of the database.
pub async fn count_of_address(
    tx: &mut SystemTx,
    address: IpAddr,
    since: DateTime<Utc>,
) -> Result<i64> {
    Ok(sqlx::query_scalar!(
        r#"
        SELECT count(*) AS "count!"
        FROM webchat_sessions
        WHERE address = $1::text::inet
          AND created_at > $2
        "#,
        address.to_string(),
        since,
    )
    .fetch_one(tx.conn())
    .await?)
}

/// Counts the sessions that began in the tenant's chats since a time.
///
/// # Errors
/// Those of the database.
pub async fn count_of_tenant(tx: &mut TenantTx, since: DateTime<Utc>) -> Result<i64> {
    let tenant = tx.tenant();
    Ok(sqlx::query_scalar!(
        r#"
        SELECT count(*) AS "count!"
        FROM webchat_sessions
        WHERE tenant_id = $1
          AND created_at > $2
        "#,
        tenant.as_uuid(),
        since,
    )
    .fetch_one(tx.conn())
    .await?)
}

/// Counts one more message of a session, unless it has `max` already; tells whether it counted.
///
/// # Errors
/// Those of the database.
pub async fn count_message(tx: &mut TenantTx, id: WebchatSessionId, max: i32) -> Result<bool> {
    let tenant = tx.tenant();
    let counted = sqlx::query!(
        "
        UPDATE webchat_sessions
        SET message_count = message_count + 1
        WHERE tenant_id = $1
          AND id = $2
          AND message_count < $3
        ",
        tenant.as_uuid(),
        id.as_uuid(),
        max,
    )
    .execute(tx.conn())
    .await?;
    Ok(counted.rows_affected() == 1)
}

/// Finds the conversation that a visitor of one of the tenant's chats is in: the open one, else the
/// latest.
///
/// # Errors
/// Those of the database.
pub async fn find_conversation(
    tx: &mut TenantTx,
    channel_id: ChannelId,
    visitor_id: &str,
) -> Result<Option<ConversationId>> {
    let tenant = tx.tenant();
    Ok(sqlx::query_scalar!(
        r#"
        SELECT v.id AS "id: ConversationId"
        FROM contacts AS c
        JOIN conversations AS v ON v.contact_id = c.id
        WHERE c.tenant_id = $1
          AND c.channel_id = $2
          AND c.external_id = $3
          AND v.tenant_id = $1
          AND v.channel_id = $2
        ORDER BY v.status IN ('open', 'waiting', 'assigned_human') DESC, v.created_at DESC
        LIMIT 1
        "#,
        tenant.as_uuid(),
        channel_id.as_uuid(),
        visitor_id,
    )
    .fetch_optional(tx.conn())
    .await?)
}

/// Deletes sessions of all tenants that expired before a time; returns how many.
///
/// # Errors
/// Those of the database.
pub async fn delete_expired(tx: &mut SystemTx, before: DateTime<Utc>) -> Result<u64> {
    let deleted = sqlx::query!("DELETE FROM webchat_sessions WHERE expires_at < $1", before)
        .execute(tx.conn())
        .await?;
    Ok(deleted.rows_affected())
}

/// When a visitor's sessions began, and from which addresses, oldest first.
///
/// # Errors
/// Those of the database.
pub async fn list_of_visitor(
    tx: &mut TenantTx,
    channel_id: ChannelId,
    visitor_id: &str,
) -> Result<Vec<(DateTime<Utc>, Option<String>)>> {
    let tenant = tx.tenant();
    let rows = sqlx::query!(
        r#"
        SELECT created_at, host(address) AS "address?"
        FROM webchat_sessions
        WHERE tenant_id = $1
          AND channel_id = $2
          AND visitor_id = $3
        ORDER BY created_at
        "#,
        tenant.as_uuid(),
        channel_id.as_uuid(),
        visitor_id,
    )
    .fetch_all(tx.conn())
    .await?;
    let sessions = rows.into_iter();
    Ok(sessions.map(|row| (row.created_at, row.address)).collect())
}

/// Deletes a visitor's sessions, whose tokens work no longer; returns how many.
///
/// # Errors
/// Those of the database.
pub async fn delete_of_visitor(
    tx: &mut TenantTx,
    channel_id: ChannelId,
    visitor_id: &str,
) -> Result<u64> {
    let tenant = tx.tenant();
    let deleted = sqlx::query!(
        "
        DELETE FROM webchat_sessions
        WHERE tenant_id = $1
          AND channel_id = $2
          AND visitor_id = $3
        ",
        tenant.as_uuid(),
        channel_id.as_uuid(),
        visitor_id,
    )
    .execute(tx.conn())
    .await?;
    Ok(deleted.rows_affected())
}
