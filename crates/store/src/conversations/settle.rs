use db::{Result, TenantTx, Tx};
use domain::{ConversationId, UnansweredReason};

/// Notes that the open turn needs no answer any more, and on each message of it why it gets none; one
/// that has a reason keeps it, and one that was taken back needs none. Without a reason nothing is
/// noted: the turn has an answer, or nothing is left of it. The caller holds the conversation's lock.
///
/// # Errors
/// Those of the database.
pub async fn settle_turn(
    tx: &mut TenantTx,
    id: ConversationId,
    reason: Option<UnansweredReason>,
) -> Result<()> {
    let tenant = tx.tenant();
    // Both halves see the conversation as it stood before.
    sqlx::query!(
        "WITH silenced AS (
             UPDATE messages AS m SET unanswered_reason = $3::text, updated_at = now()
             FROM conversations AS v
             WHERE v.tenant_id = $1 AND v.id = $2
               AND m.tenant_id = $1 AND m.conversation_id = $2 AND m.direction = 'inbound'
               AND m.turn > v.answered_turn AND m.revoked_at IS NULL
               AND m.unanswered_reason IS NULL AND $3::text IS NOT NULL)
         UPDATE conversations SET answered_turn = turn_seq, updated_at = now()
         WHERE tenant_id = $1 AND id = $2",
        tenant.as_uuid(),
        id.as_uuid(),
        reason.map(UnansweredReason::as_str),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
