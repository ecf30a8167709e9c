use chrono::{DateTime, Utc};
use db::{Result, SystemTx, TenantTx, Tx};
use domain::{AssignReason, ConversationId, ConversationStatus, TenantId, UnansweredReason};

use super::{Conversation, Row, settle_turn};

/// How a conversation goes to a person.
#[derive(Clone, Copy, Debug)]
pub struct Assignment<'a> {
    /// Why.
    pub reason: AssignReason,
    /// To whom, in the tenant's own words; `None`: nobody in particular.
    pub to: Option<&'a str>,
    /// When.
    pub at: DateTime<Utc>,
    /// When the machine answers again unless a person writes before; `None`: when it is told.
    pub release_at: Option<DateTime<Utc>>,
}

/// Gives a conversation to a person, who has what the contact wrote so far to answer: the open turn
/// is settled. The caller holds the conversation's lock.
///
/// # Errors
/// `NotFound` if the tenant has none of that id; `Constraint` `conversations_one_open_key` if the
/// contact has another one open.
pub async fn assign(
    tx: &mut TenantTx,
    id: ConversationId,
    assignment: &Assignment<'_>,
) -> Result<Conversation> {
    settle_turn(tx, id, Some(UnansweredReason::WithPerson)).await?;
    let tenant = tx.tenant();
    let row = sqlx::query_as!(
        Row,
        "UPDATE conversations SET status = 'assigned_human', assigned_at = $3, assigned_to = $4,
                assign_reason = $5, release_at = $6, updated_at = now()
         WHERE tenant_id = $1 AND id = $2
         RETURNING id, channel_id, contact_id, status, message_seq, turn_seq, answered_turn,
                   last_inbound_at, window_opened_at, last_message_at, created_at,
                   assigned_at, assigned_to, assign_reason, release_at, read_seq, metadata",
        tenant.as_uuid(),
        id.as_uuid(),
        assignment.at,
        assignment.to,
        assignment.reason.as_str(),
        assignment.release_at,
    )
    .fetch_one(tx.conn())
    .await?;
    row.try_into()
}

/// Gives a conversation that a person has to another one.
///
/// # Errors
/// `NotFound` if the tenant has none of that id that a person has.
pub async fn reassign(
    tx: &mut TenantTx,
    id: ConversationId,
    to: Option<&str>,
) -> Result<Conversation> {
    let tenant = tx.tenant();
    let row = sqlx::query_as!(
        Row,
        "UPDATE conversations SET assigned_to = $3, updated_at = now()
         WHERE tenant_id = $1 AND id = $2 AND status = 'assigned_human'
         RETURNING id, channel_id, contact_id, status, message_seq, turn_seq, answered_turn,
                   last_inbound_at, window_opened_at, last_message_at, created_at,
                   assigned_at, assigned_to, assign_reason, release_at, read_seq, metadata",
        tenant.as_uuid(),
        id.as_uuid(),
        to,
    )
    .fetch_one(tx.conn())
    .await?;
    row.try_into()
}

/// Puts a conversation into another status; nobody has it any more unless that is
/// `assigned_human`.
///
/// # Errors
/// `NotFound` if the tenant has none of that id; `Constraint` `conversations_one_open_key` if the
/// contact has another one open.
pub async fn set_status(
    tx: &mut TenantTx,
    id: ConversationId,
    status: ConversationStatus,
) -> Result<Conversation> {
    let tenant = tx.tenant();
    let row = sqlx::query_as!(
        Row,
        "UPDATE conversations SET status = $3, updated_at = now(),
                assigned_at = CASE $3 WHEN 'assigned_human' THEN assigned_at END,
                assigned_to = CASE $3 WHEN 'assigned_human' THEN assigned_to END,
                assign_reason = CASE $3 WHEN 'assigned_human' THEN assign_reason END,
                release_at = CASE $3 WHEN 'assigned_human' THEN release_at END
         WHERE tenant_id = $1 AND id = $2
         RETURNING id, channel_id, contact_id, status, message_seq, turn_seq, answered_turn,
                   last_inbound_at, window_opened_at, last_message_at, created_at,
                   assigned_at, assigned_to, assign_reason, release_at, read_seq, metadata",
        tenant.as_uuid(),
        id.as_uuid(),
        status.as_str(),
    )
    .fetch_one(tx.conn())
    .await?;
    row.try_into()
}

/// Puts off when the machine answers again: a person wrote.
///
/// # Errors
/// Those of the database.
pub async fn postpone_release(
    tx: &mut TenantTx,
    id: ConversationId,
    release_at: Option<DateTime<Utc>>,
) -> Result<()> {
    let tenant = tx.tenant();
    sqlx::query!(
        "UPDATE conversations SET release_at = $3, updated_at = now()
         WHERE tenant_id = $1 AND id = $2 AND status = 'assigned_human'",
        tenant.as_uuid(),
        id.as_uuid(),
        release_at,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Notes up to which message people have read; never back, and never past the newest one.
///
/// # Errors
/// `NotFound` if the tenant has none of that id.
pub async fn mark_read(tx: &mut TenantTx, id: ConversationId, seq: i64) -> Result<Conversation> {
    let tenant = tx.tenant();
    let row = sqlx::query_as!(
        Row,
        "UPDATE conversations SET read_seq = greatest(read_seq, least($3, message_seq))
         WHERE tenant_id = $1 AND id = $2
         RETURNING id, channel_id, contact_id, status, message_seq, turn_seq, answered_turn,
                   last_inbound_at, window_opened_at, last_message_at, created_at,
                   assigned_at, assigned_to, assign_reason, release_at, read_seq, metadata",
        tenant.as_uuid(),
        id.as_uuid(),
        seq,
    )
    .fetch_one(tx.conn())
    .await?;
    row.try_into()
}

/// Lists conversations of all tenants that are to go back to the machine at a time, the longest due
/// first, and whose they are.
///
/// # Errors
/// Those of the database.
pub async fn list_due_for_release(
    tx: &mut SystemTx,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<(TenantId, ConversationId)>> {
    let rows = sqlx::query!(
        "SELECT tenant_id, id FROM conversations WHERE release_at <= $1
         ORDER BY release_at LIMIT $2",
        now,
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    let due = rows.into_iter();
    Ok(due
        .map(|row| (row.tenant_id.into(), row.id.into()))
        .collect())
}
