use db::{Error, Result, SystemTx, Tx};
use domain::{ConversationId, ConversationStatus, TenantId};
use uuid::Uuid;

use super::Conversation;

/// Where a conversation stands, as far as answers to it go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Where it stands.
    pub status: ConversationStatus,
    /// Its newest turn.
    pub turn_seq: i64,
    /// The newest turn that has an answer.
    pub answered_turn: i64,
}

impl Conversation {
    /// Where it stands, as far as answers to it go.
    pub const fn standing(&self) -> Standing {
        Standing {
            status: self.status,
            turn_seq: self.turn_seq,
            answered_turn: self.answered_turn,
        }
    }
}

/// Lists where conversations stand, each looked for at the tenant that it is named with; those that
/// are not there are left out.
///
/// # Errors
/// Those of the database.
pub async fn list_standing(
    tx: &mut SystemTx,
    wanted: &[(TenantId, ConversationId)],
) -> Result<Vec<(ConversationId, Standing)>> {
    let (tenants, ids): (Vec<Uuid>, Vec<Uuid>) = wanted
        .iter()
        .map(|(tenant, id)| (tenant.as_uuid(), id.as_uuid()))
        .unzip();
    let rows = sqlx::query!(
        r#"
        SELECT v.id AS "id: ConversationId", v.status, v.turn_seq, v.answered_turn
        FROM unnest($1::uuid[], $2::uuid[]) AS wanted (tenant_id, id)
        JOIN conversations AS v ON v.tenant_id = wanted.tenant_id AND v.id = wanted.id
        "#,
        &tenants,
        &ids,
    )
    .fetch_all(tx.conn())
    .await?;
    let found = rows.into_iter().map(|row| {
        let status = row.status.parse();
        let standing = Standing {
            status: status.map_err(|_| Error::corrupt("conversations.status"))?,
            turn_seq: row.turn_seq,
            answered_turn: row.answered_turn,
        };
        Ok((row.id, standing))
    });
    found.collect()
}
