//! Exchanges with one contact. The row's lock orders everything that happens in one.

mod assign;
mod list;
mod settle;
mod standing;

use chrono::{DateTime, Utc};
use db::{Error, Result, TenantTx, Tx};
use domain::{AssignReason, ChannelId, ContactId, ConversationId, ConversationStatus};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::contacts::Contact;

pub use assign::{
    Assignment, assign, list_due_for_release, mark_read, postpone_release, reassign, set_status,
};
pub use list::{Filter, delete_idle, list, list_matching, list_of_contact};
pub use settle::settle_turn;
pub use standing::{Standing, list_standing};

/// An exchange with one contact.
#[derive(Clone, Debug)]
pub struct Conversation {
    /// Its id.
    pub id: ConversationId,
    /// The channel it is held on.
    pub channel_id: ChannelId,
    /// With whom.
    pub contact_id: ContactId,
    /// Where it stands.
    pub status: ConversationStatus,
    /// The `seq` of its newest message.
    pub message_seq: i64,
    /// Raised by every inbound message.
    pub turn_seq: i64,
    /// The newest turn that has an answer.
    pub answered_turn: i64,
    /// When the contact last wrote, by the channel's clock.
    pub last_inbound_at: Option<DateTime<Utc>>,
    /// When the contact last did what allows a free answer, by the channel's clock.
    pub window_opened_at: Option<DateTime<Utc>>,
    /// When anybody last wrote.
    pub last_message_at: Option<DateTime<Utc>>,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// Since when a person has it; `None`: the machine does.
    pub assigned_at: Option<DateTime<Utc>>,
    /// Who has it, in the tenant's own words; `None`: nobody in particular.
    pub assigned_to: Option<String>,
    /// Why a person has it.
    pub assign_reason: Option<AssignReason>,
    /// When the machine answers again unless a person writes before.
    pub release_at: Option<DateTime<Utc>>,
    /// The `seq` up to which people have read.
    pub read_seq: i64,
    /// What the tenant keeps with it, for itself.
    pub metadata: Map<String, Value>,
}

struct Row {
    id: Uuid,
    channel_id: Uuid,
    contact_id: Uuid,
    status: String,
    message_seq: i64,
    turn_seq: i64,
    answered_turn: i64,
    last_inbound_at: Option<DateTime<Utc>>,
    window_opened_at: Option<DateTime<Utc>>,
    last_message_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    assigned_at: Option<DateTime<Utc>>,
    assigned_to: Option<String>,
    assign_reason: Option<String>,
    release_at: Option<DateTime<Utc>>,
    read_seq: i64,
    metadata: Value,
}

impl TryFrom<Row> for Conversation {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        let Value::Object(metadata) = row.metadata else {
            return Err(Error::corrupt("conversations.metadata"));
        };
        Ok(Self {
            id: row.id.into(),
            channel_id: row.channel_id.into(),
            contact_id: row.contact_id.into(),
            status: row
                .status
                .parse()
                .map_err(|_| Error::corrupt("conversations.status"))?,
            message_seq: row.message_seq,
            turn_seq: row.turn_seq,
            answered_turn: row.answered_turn,
            last_inbound_at: row.last_inbound_at,
            window_opened_at: row.window_opened_at,
            last_message_at: row.last_message_at,
            created_at: row.created_at,
            assigned_at: row.assigned_at,
            assigned_to: row.assigned_to,
            assign_reason: row
                .assign_reason
                .map(|reason| reason.parse())
                .transpose()
                .map_err(|_| Error::corrupt("conversations.assign_reason"))?,
            release_at: row.release_at,
            read_seq: row.read_seq,
            metadata,
        })
    }
}

/// Finds the running conversation with a contact, opens a resolved one again, or begins one, as
/// [`ConversationStatus::after`] says of `ContactWrote`; locks its row until commit. One that has
/// just begun has no message yet.
///
/// # Errors
/// Those of the database.
pub async fn open(
    tx: &mut TenantTx,
    channel: ChannelId,
    contact: ContactId,
) -> Result<Conversation> {
    let tenant = tx.tenant();
    let row = sqlx::query_as!(
        Row,
        r#"
        WITH reopened AS (
            UPDATE conversations SET status = 'open', updated_at = now()
            WHERE tenant_id = $2 AND id = (
                SELECT id FROM conversations
                WHERE tenant_id = $2 AND channel_id = $3 AND contact_id = $4
                ORDER BY created_at DESC LIMIT 1)
              AND status = 'resolved'
              AND NOT EXISTS (
                  SELECT FROM conversations
                  WHERE tenant_id = $2 AND channel_id = $3 AND contact_id = $4
                    AND status IN ('open', 'waiting', 'assigned_human'))
            RETURNING *
        ), running AS (
            INSERT INTO conversations AS c (id, tenant_id, channel_id, contact_id)
            SELECT $1, $2, $3, $4 WHERE NOT EXISTS (SELECT FROM reopened)
            ON CONFLICT (channel_id, contact_id)
                WHERE status IN ('open', 'waiting', 'assigned_human')
                DO UPDATE SET
                    status = CASE c.status WHEN 'waiting' THEN 'open' ELSE c.status END,
                    updated_at = now()
            RETURNING *
        )
        SELECT id AS "id!", channel_id AS "channel_id!", contact_id AS "contact_id!",
               status AS "status!", message_seq AS "message_seq!", turn_seq AS "turn_seq!",
               answered_turn AS "answered_turn!", last_inbound_at, window_opened_at,
               last_message_at, created_at AS "created_at!", assigned_at, assigned_to,
               assign_reason, release_at, read_seq AS "read_seq!", metadata AS "metadata!"
        FROM (SELECT * FROM reopened UNION ALL SELECT * FROM running) AS found
        "#,
        ConversationId::new().as_uuid(),
        tenant.as_uuid(),
        channel.as_uuid(),
        contact.as_uuid(),
    )
    .fetch_one(tx.conn())
    .await?;
    row.try_into()
}

/// Finds the running conversation with a contact.
///
/// # Errors
/// Those of the database.
pub async fn find_running(
    tx: &mut TenantTx,
    channel: ChannelId,
    contact: ContactId,
) -> Result<Option<Conversation>> {
    let tenant = tx.tenant();
    let row = sqlx::query_as!(
        Row,
        "SELECT id, channel_id, contact_id, status, message_seq, turn_seq, answered_turn,
                last_inbound_at, window_opened_at, last_message_at, created_at,
                assigned_at, assigned_to, assign_reason, release_at, read_seq, metadata
         FROM conversations
         WHERE tenant_id = $1 AND channel_id = $2 AND contact_id = $3
           AND status IN ('open', 'waiting', 'assigned_human')",
        tenant.as_uuid(),
        channel.as_uuid(),
        contact.as_uuid(),
    )
    .fetch_optional(tx.conn())
    .await?;
    row.map(Conversation::try_from).transpose()
}

/// Gets a conversation.
///
/// # Errors
/// `NotFound` if the tenant has none of that id.
pub async fn get(tx: &mut TenantTx, id: ConversationId) -> Result<Conversation> {
    let tenant = tx.tenant();
    let row = sqlx::query_as!(
        Row,
        "SELECT id, channel_id, contact_id, status, message_seq, turn_seq, answered_turn,
                last_inbound_at, window_opened_at, last_message_at, created_at,
                assigned_at, assigned_to, assign_reason, release_at, read_seq, metadata
         FROM conversations WHERE tenant_id = $1 AND id = $2",
        tenant.as_uuid(),
        id.as_uuid(),
    )
    .fetch_one(tx.conn())
    .await?;
    row.try_into()
}

/// Gets a conversation and whom it is held with.
///
/// # Errors
/// `NotFound` if the tenant has none of that id.
pub async fn get_with_contact(
    tx: &mut TenantTx,
    id: ConversationId,
) -> Result<(Conversation, Contact)> {
    let tenant = tx.tenant();
    let row = sqlx::query!(
        "SELECT v.id, v.channel_id, v.contact_id, v.status, v.message_seq, v.turn_seq,
                v.answered_turn, v.last_inbound_at, v.window_opened_at, v.last_message_at,
                v.created_at, v.assigned_at, v.assigned_to, v.assign_reason, v.release_at,
                v.read_seq, v.metadata, c.external_id, c.address, c.display_name, c.email,
                c.opted_out_at, c.created_at AS known_since
         FROM conversations AS v JOIN contacts AS c ON c.id = v.contact_id
         WHERE v.tenant_id = $1 AND c.tenant_id = $1 AND v.id = $2",
        tenant.as_uuid(),
        id.as_uuid(),
    )
    .fetch_one(tx.conn())
    .await?;
    let contact = Contact {
        id: row.contact_id.into(),
        external_id: row.external_id,
        address: row.address,
        display_name: row.display_name,
        email: row.email,
        channel_id: row.channel_id.into(),
        opted_out_at: row.opted_out_at,
        created_at: row.known_since,
    };
    let conversation = Row {
        id: row.id,
        channel_id: row.channel_id,
        contact_id: row.contact_id,
        status: row.status,
        message_seq: row.message_seq,
        turn_seq: row.turn_seq,
        answered_turn: row.answered_turn,
        last_inbound_at: row.last_inbound_at,
        window_opened_at: row.window_opened_at,
        last_message_at: row.last_message_at,
        created_at: row.created_at,
        assigned_at: row.assigned_at,
        assigned_to: row.assigned_to,
        assign_reason: row.assign_reason,
        release_at: row.release_at,
        read_seq: row.read_seq,
        metadata: row.metadata,
    };
    Ok((conversation.try_into()?, contact))
}

/// Gets a conversation and locks its row until commit.
///
/// # Errors
/// `NotFound` if the tenant has none of that id.
pub async fn lock(tx: &mut TenantTx, id: ConversationId) -> Result<Conversation> {
    let tenant = tx.tenant();
    let row = sqlx::query_as!(
        Row,
        "SELECT id, channel_id, contact_id, status, message_seq, turn_seq, answered_turn,
                last_inbound_at, window_opened_at, last_message_at, created_at,
                assigned_at, assigned_to, assign_reason, release_at, read_seq, metadata
         FROM conversations WHERE tenant_id = $1 AND id = $2 FOR UPDATE",
        tenant.as_uuid(),
        id.as_uuid(),
    )
    .fetch_one(tx.conn())
    .await?;
    row.try_into()
}

/// Puts another object in the place of what a tenant keeps with a conversation.
///
/// # Errors
/// `NotFound` if the tenant has none of that id.
pub async fn set_metadata(
    tx: &mut TenantTx,
    id: ConversationId,
    metadata: &Map<String, Value>,
) -> Result<Conversation> {
    let tenant = tx.tenant();
    let row = sqlx::query_as!(
        Row,
        "UPDATE conversations SET metadata = $3, updated_at = now()
         WHERE tenant_id = $1 AND id = $2
         RETURNING id, channel_id, contact_id, status, message_seq, turn_seq, answered_turn,
                   last_inbound_at, window_opened_at, last_message_at, created_at,
                   assigned_at, assigned_to, assign_reason, release_at, read_seq, metadata",
        tenant.as_uuid(),
        id.as_uuid(),
        Value::Object(metadata.clone()),
    )
    .fetch_one(tx.conn())
    .await?;
    row.try_into()
}

/// Makes room for one inbound message: the next `seq`, and the next turn if the machine is to
/// answer it.
///
/// # Errors
/// Those of the database.
pub async fn add_inbound(
    tx: &mut TenantTx,
    id: ConversationId,
    occurred_at: DateTime<Utc>,
    is_answered: bool,
    opens_window: bool,
) -> Result<(i64, Option<i64>)> {
    let tenant = tx.tenant();
    let row = sqlx::query!(
        "UPDATE conversations SET
             message_seq = message_seq + 1,
             turn_seq = turn_seq + CASE WHEN $4 THEN 1 ELSE 0 END,
             last_inbound_at = greatest(last_inbound_at, $3),
             window_opened_at =
                 CASE WHEN $5 THEN greatest(window_opened_at, $3) ELSE window_opened_at END,
             last_message_at = greatest(last_message_at, $3),
             updated_at = now()
         WHERE tenant_id = $1 AND id = $2
         RETURNING message_seq, turn_seq",
        tenant.as_uuid(),
        id.as_uuid(),
        occurred_at,
        is_answered,
        opens_window,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok((row.message_seq, is_answered.then_some(row.turn_seq)))
}

/// Makes the answer to a turn whose words changed be made anew.
///
/// # Errors
/// Those of the database.
pub async fn raise_turn(tx: &mut TenantTx, id: ConversationId) -> Result<()> {
    let tenant = tx.tenant();
    sqlx::query!(
        "UPDATE conversations SET turn_seq = turn_seq + 1, updated_at = now()
         WHERE tenant_id = $1 AND id = $2",
        tenant.as_uuid(),
        id.as_uuid(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Makes room for one outbound message, and notes the turn it answers, if it answers one.
///
/// # Errors
/// Those of the database.
pub async fn add_outbound(
    tx: &mut TenantTx,
    id: ConversationId,
    answered_turn: Option<i64>,
) -> Result<i64> {
    let tenant = tx.tenant();
    let seq = sqlx::query_scalar!(
        "UPDATE conversations SET
             message_seq = message_seq + 1,
             answered_turn = greatest(answered_turn, $3),
             last_message_at = now(),
             updated_at = now()
         WHERE tenant_id = $1 AND id = $2
         RETURNING message_seq",
        tenant.as_uuid(),
        id.as_uuid(),
        answered_turn,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(seq)
}
