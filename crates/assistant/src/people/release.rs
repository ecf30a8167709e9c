use chrono::{DateTime, Utc};
use db::TenantTx;
use domain::{ConversationId, ConversationStatus, TenantId};
use events::{ConversationData, Event};
use store::conversations::{self, Conversation};

use super::{say, tell, thread};
use crate::{Assistant, TenantProfile};

/// How many conversations are looked up at once.
const BATCH: i64 = 100;

/// Gives back to the machine every conversation in which no person wrote for as long as its tenant
/// allows; says how many. A second run finds none.
///
/// # Errors
/// Those of the database; what was given back before stays so.
pub async fn release_due(assistant: &Assistant) -> db::Result<u64> {
    let mut released = 0;
    loop {
        let now = assistant.clock.now();
        let mut tx = assistant.db.system().await?;
        let due = conversations::list_due_for_release(&mut tx, now, BATCH).await?;
        drop(tx);
        for (tenant, conversation) in &due {
            if release_one(assistant, *tenant, *conversation, now).await? {
                released += 1;
            }
        }
        if due.len() < usize::try_from(BATCH).unwrap_or_default() {
            return Ok(released);
        }
    }
}

async fn release_one(
    assistant: &Assistant,
    tenant: TenantId,
    id: ConversationId,
    now: DateTime<Utc>,
) -> db::Result<bool> {
    let mut tx = assistant.db.tenant(tenant).await?;
    // Deleted since it was listed.
    let conversation = match conversations::lock(&mut tx, id).await {
        Err(db::Error::NotFound) => return Ok(false),
        found => found?,
    };
    let profile = TenantProfile::load(&mut tx, &assistant.keyring).await?;
    let due = release_due_of(assistant, &mut tx, &profile, &conversation, now).await?;
    let Some((_, event)) = due else {
        return Ok(false);
    };
    tell(assistant, &mut tx, &[event]).await?;
    tx.commit().await?;
    Ok(true)
}

/// Gives one conversation, whose lock the caller holds, back to the machine if its time has come;
/// returns it as it stands then, and what integrators are to be told.
///
/// # Errors
/// Those of the database.
pub async fn release_due_of(
    assistant: &Assistant,
    tx: &mut TenantTx,
    profile: &TenantProfile,
    conversation: &Conversation,
    now: DateTime<Utc>,
) -> db::Result<Option<(Conversation, Event)>> {
    let is_due = conversation.release_at.is_some_and(|at| at <= now);
    if !is_due || conversation.status != ConversationStatus::AssignedHuman {
        return Ok(None);
    }
    let status = ConversationStatus::Open;
    let released = conversations::set_status(tx, conversation.id, status).await?;
    say::show_status(tx, &released);
    thread::follow(assistant, tx, &released).await?;
    let within_hours = profile.settings.hours.is_open(now);
    let data = ConversationData::of(&released, within_hours, now);
    Ok(Some((released, Event::ConversationReleased(data))))
}
