use chrono::{DateTime, Utc};
use db::{Result, TenantTx, Tx};
use domain::{ChannelId, ContactId, ConversationId, ConversationStatus, Cursor, Page};

use super::{Conversation, Row};

/// Which conversations are looked for; what is `None` does not narrow.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Those that stand so.
    pub status: Option<ConversationStatus>,
    /// Those of this channel.
    pub channel: Option<ChannelId>,
    /// Those with this contact.
    pub contact: Option<ContactId>,
    /// Those whose contact's name, address or id at the channel holds this, in whatever case.
    pub text: Option<String>,
    /// Those whose newest message is the contact's, or is not.
    pub unanswered: Option<bool>,
}

/// Lists a tenant's conversations, newest first; what is `None` does not narrow.
///
/// # Errors
/// Those of the database.
pub async fn list(
    tx: &mut TenantTx,
    status: Option<ConversationStatus>,
    channel: Option<ChannelId>,
    before: Option<ConversationId>,
    limit: usize,
) -> Result<Page<Conversation>> {
    let filter = Filter {
        status,
        channel,
        ..Filter::default()
    };
    list_matching(tx, &filter, before, limit).await
}

/// Lists a tenant's conversations that match, newest first.
///
/// # Errors
/// Those of the database.
pub async fn list_matching(
    tx: &mut TenantTx,
    filter: &Filter,
    before: Option<ConversationId>,
    limit: usize,
) -> Result<Page<Conversation>> {
    let tenant = tx.tenant();
    let rows = sqlx::query_as!(
        Row,
        "SELECT id, channel_id, contact_id, status, message_seq, turn_seq, answered_turn,
                last_inbound_at, window_opened_at, last_message_at, created_at,
                assigned_at, assigned_to, assign_reason, release_at, read_seq, metadata
         FROM conversations AS v
         WHERE tenant_id = $1
           AND ($2::text IS NULL OR status = $2)
           AND ($3::uuid IS NULL OR channel_id = $3)
           AND ($4::uuid IS NULL OR contact_id = $4)
           AND ($5::text IS NULL OR EXISTS (
               SELECT FROM contacts AS c
               WHERE c.tenant_id = $1 AND c.id = v.contact_id
                 AND (strpos(lower(c.display_name), lower($5)) > 0
                      OR strpos(lower(c.address), lower($5)) > 0
                      OR strpos(lower(c.external_id), lower($5)) > 0)))
           AND ($6::bool IS NULL OR $6 = EXISTS (
               SELECT FROM messages AS m
               WHERE m.tenant_id = $1 AND m.conversation_id = v.id AND m.seq = v.message_seq
                 AND m.direction = 'inbound'))
           AND ($7::uuid IS NULL OR id < $7)
         ORDER BY id DESC LIMIT $8",
        tenant.as_uuid(),
        filter.status.map(ConversationStatus::as_str),
        filter.channel.map(ChannelId::as_uuid),
        filter.contact.map(ContactId::as_uuid),
        filter.text,
        filter.unanswered,
        before.map(ConversationId::as_uuid),
        crate::probe(limit),
    )
    .fetch_all(tx.conn())
    .await?;
    let found = rows
        .into_iter()
        .map(Conversation::try_from)
        .collect::<Result<Vec<_>>>()?;
    Ok(Page::from_rows(found, limit, |conversation| {
        Cursor::after(conversation.id)
    }))
}

/// Lists every conversation with a contact, oldest first.
///
/// # Errors
/// Those of the database.
pub async fn list_of_contact(tx: &mut TenantTx, contact: ContactId) -> Result<Vec<Conversation>> {
    let tenant = tx.tenant();
    let rows = sqlx::query_as!(
        Row,
        "SELECT id, channel_id, contact_id, status, message_seq, turn_seq, answered_turn,
                last_inbound_at, window_opened_at, last_message_at, created_at,
                assigned_at, assigned_to, assign_reason, release_at, read_seq, metadata
         FROM conversations WHERE tenant_id = $1 AND contact_id = $2 ORDER BY id",
        tenant.as_uuid(),
        contact.as_uuid(),
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(Conversation::try_from).collect()
}

/// Deletes up to `limit` of a tenant's conversations that hold no message any more and in which
/// nothing happened since a time; returns how many.
///
/// # Errors
/// Those of the database.
pub async fn delete_idle(tx: &mut TenantTx, before: DateTime<Utc>, limit: i64) -> Result<u64> {
    let tenant = tx.tenant();
    let deleted = sqlx::query!(
        "DELETE FROM conversations WHERE tenant_id = $1 AND id = ANY(ARRAY(
             SELECT id FROM conversations AS v
             WHERE tenant_id = $1 AND coalesce(last_message_at, created_at) < $2
               AND coalesce(last_message_at, created_at) > '-infinity'
               AND NOT EXISTS (
                   SELECT FROM messages AS m WHERE m.tenant_id = $1 AND m.conversation_id = v.id)
             ORDER BY coalesce(last_message_at, created_at) LIMIT $3
             FOR UPDATE SKIP LOCKED))",
        tenant.as_uuid(),
        before,
        limit,
    )
    .execute(tx.conn())
    .await?;
    Ok(deleted.rows_affected())
}
