use db::{Result, TenantTx};
use domain::{Clock, EventId};
use jobs::kinds::DeliverWebhook;
use store::{webhook_deliveries, webhook_endpoints};

use crate::Event;

/// Sends an event on its way to every endpoint of the tenant that wants it, within the caller's
/// transaction: it is told if, and only if, that commits. Without a subscriber nothing is stored.
///
/// Call it last: it locks the rows of the endpoints, in the order of their ids, until commit.
///
/// # Errors
/// `Corrupt` if the event has no JSON form, and those of the database.
pub async fn emit(tx: &mut TenantTx, event: &Event, clock: &Clock) -> Result<()> {
    let endpoints = webhook_endpoints::list_subscribed(tx, event.event_type()).await?;
    if endpoints.is_empty() {
        return Ok(());
    }
    let id = EventId::new();
    let body = event.render(clock.now())?;
    for endpoint in endpoints {
        let delivery =
            webhook_deliveries::insert(tx, endpoint, id, event.event_type(), &body).await?;
        // Deleted since it was listed.
        let Some(delivery_id) = delivery else {
            continue;
        };
        let job = DeliverWebhook {
            tenant_id: tx.tenant(),
            endpoint_id: endpoint,
            delivery_id,
        };
        jobs::enqueue(tx, &job).await?;
    }
    Ok(())
}
