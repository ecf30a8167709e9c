use chrono::{DateTime, TimeDelta, Utc};
use domain::TenantId;
use store::{
    contacts, conversations, messages, parked_changes, raw_items, tenants, webchat_attachments,
    webhook_deliveries,
};

use crate::Assistant;

/// The most rows that one transaction deletes or empties.
const BATCH: i64 = 500;

/// Lets go of what tenants keep for a number of days only: messages, then conversations without any
/// and contacts without conversations, and copies of what they said. Doing it again changes nothing.
///
/// # Errors
/// Those of the database; what was deleted before stays deleted.
pub async fn forget_old(assistant: &Assistant) -> db::Result<()> {
    let mut tx = assistant.db.system().await?;
    let forgetting = tenants::list_forgetting(&mut tx).await?;
    drop(tx);
    for (tenant, days) in forgetting {
        let before = assistant.clock.now() - TimeDelta::days(days.into());
        let rows = forget_of(assistant, tenant, before).await?;
        if rows > 0 {
            tracing::info!(tenant.id = %tenant, rows, "what a tenant keeps no longer was deleted");
        }
    }
    Ok(())
}

/// What is let go, in this order: conversations only once their messages are gone.
#[derive(Clone, Copy, Debug)]
enum Sort {
    Messages,
    ParkedChanges,
    Conversations,
    Contacts,
    Deliveries,
    RawItems,
    Attachments,
}

async fn forget_of(
    assistant: &Assistant,
    tenant: TenantId,
    before: DateTime<Utc>,
) -> db::Result<u64> {
    let mut rows = 0;
    for sort in [
        Sort::Messages,
        Sort::ParkedChanges,
        Sort::Conversations,
        Sort::Contacts,
        Sort::Deliveries,
        Sort::RawItems,
        Sort::Attachments,
    ] {
        loop {
            let mut tx = assistant.db.tenant(tenant).await?;
            let gone = match sort {
                Sort::Messages => messages::delete_older(&mut tx, before, BATCH).await?,
                Sort::ParkedChanges => {
                    parked_changes::delete_older_of_tenant(&mut tx, before, BATCH).await?
                }
                Sort::Conversations => conversations::delete_idle(&mut tx, before, BATCH).await?,
                Sort::Contacts => contacts::delete_idle(&mut tx, before, BATCH).await?,
                Sort::Deliveries => {
                    webhook_deliveries::delete_older(&mut tx, before, BATCH).await?
                }
                Sort::RawItems => raw_items::empty_older(&mut tx, before, BATCH).await?,
                Sort::Attachments => {
                    webchat_attachments::delete_older(&mut tx, before, BATCH).await?
                }
            };
            tx.commit().await?;
            rows += gone;
            if gone < BATCH.unsigned_abs() {
                break;
            }
        }
    }
    Ok(rows)
}
