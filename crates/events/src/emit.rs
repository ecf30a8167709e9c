use db::{Result, TenantTx};
use domain::{Clock, EventId};
use jobs::kinds::DeliverWebhook;
use store::webhook_endpoints::Subscriber;
use store::{webhook_deliveries, webhook_endpoints};

use crate::Event;

/// Sends events on their way to every endpoint of the tenant that wants them, within the caller's
/// transaction: they are told if, and only if, that commits. Without a subscriber nothing is stored.
///
/// Call it last: it locks the rows of the endpoints, in the order of their ids, until commit.
///
/// # Errors
/// `Corrupt` if an event has no JSON form, and those of the database.
pub async fn emit(tx: &mut TenantTx, happened: &[Event], clock: &Clock) -> Result<()> {
    if happened.is_empty() {
        return Ok(());
    }
    let subscribers = webhook_endpoints::list_subscribers(tx).await?;
    for event in happened {
        tell(tx, event, &subscribers, clock).await?;
    }
    Ok(())
}

async fn tell(
    tx: &mut TenantTx,
    event: &Event,
    subscribers: &[Subscriber],
    clock: &Clock,
) -> Result<()> {
    let event_type = event.event_type();
    let wanting: Vec<_> = subscribers
        .iter()
        .filter(|subscriber| subscriber.wants(event_type))
        .map(|subscriber| subscriber.id)
        .collect();
    if wanting.is_empty() {
        return Ok(());
    }
    let id = EventId::new();
    let body = event.render(clock.now())?;
    for endpoint in wanting {
        let delivery = webhook_deliveries::insert(tx, endpoint, id, event_type, &body).await?;
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
