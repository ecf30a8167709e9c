//! The attempts of a delivery: one POST each, recorded, and judged by what the endpoint answered.

mod failure;
mod request;

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use db::{Db, TenantTx};
use domain::Clock;
use http::StatusCode;
use jobs::kinds::DeliverWebhook;
use jobs::{DeadJob, Failure, Job as _, JobHandle};
use secrets::Keyring;
use store::webhook_deliveries::{self, Attempt, Delivery, Outcome};
use store::webhook_endpoints::{self, Endpoint};

use failure::Undelivered;
use request::Answer;

/// The longest that an endpoint may put off the next attempt, unless twice the schedule is longer.
const MAX_PUT_OFF: Duration = Duration::from_hours(1);

/// Why an endpoint that answered 410 is off.
const GONE: &str = "the endpoint answered 410 Gone";

/// Posts one event to one endpoint, once, and records the attempt.
///
/// Only an answer of 2xx counts; a redirect is not followed. 410 switches the endpoint off. What was
/// delivered already is left alone, so running it again is harmless; an endpoint can still be posted
/// to twice when the process dies between its answer and the record of it.
///
/// # Errors
/// A retry while the endpoint does not take the event, at the time it asks for if that is sensible;
/// `Cancel` if the endpoint is deleted, switched off or gone.
pub async fn deliver(
    db: &Db,
    keyring: &Keyring,
    client: &outbound::Client,
    clock: &Clock,
    handle: &JobHandle,
    job: DeliverWebhook,
) -> Result<(), Failure> {
    let Some((delivery, endpoint)) = load(db, handle, &job).await? else {
        return Ok(());
    };
    let attempted_at = clock.now();
    let prepared = request::prepare(client, keyring, &endpoint, &delivery, attempted_at);
    handle.check_lease()?;
    let started = Instant::now();
    let answered = match prepared {
        Ok(request) => request::send(request).await,
        Err(undelivered) => Err(undelivered),
    };
    let tried = Tried::new(attempted_at, started.elapsed(), answered);
    let is_gone = record(db, handle, &job, &endpoint, &tried).await?;
    tried.log(&delivery, handle);
    tried.end(handle, is_gone)
}

/// Marks the delivery of a dead job as failed, in the transaction that buries the job.
///
/// # Errors
/// Those of the database.
pub async fn on_dead(tx: &mut TenantTx, dead: &DeadJob) -> db::Result<()> {
    match dead.job.decode::<DeliverWebhook>() {
        Ok(job) => webhook_deliveries::mark_failed(tx, job.delivery_id).await,
        Err(error) => {
            tracing::error!(job.id = dead.job.id, error = %error, "no delivery to mark as failed");
            Ok(())
        }
    }
}

/// Reads what is to be delivered, and where; `None` if that is done.
async fn load(
    db: &Db,
    handle: &JobHandle,
    job: &DeliverWebhook,
) -> Result<Option<(Delivery, Endpoint)>, Failure> {
    let mut tx = db.tenant(job.tenant_id).await?;
    let delivery = webhook_deliveries::find(&mut tx, job.delivery_id).await?;
    let endpoint = webhook_endpoints::find(&mut tx, job.endpoint_id).await?;
    match (delivery, endpoint) {
        (Some(delivery), _) if delivery.status == Outcome::Delivered.as_str() => Ok(None),
        (Some(delivery), Some(endpoint)) if endpoint.enabled => Ok(Some((delivery, endpoint))),
        (Some(_), Some(_)) => {
            handle.fence(&mut tx).await?;
            webhook_deliveries::mark_failed(&mut tx, job.delivery_id).await?;
            tx.commit().await?;
            Err(Failure::Cancel("the endpoint is switched off".to_owned()))
        }
        _ => Err(Failure::Cancel("the endpoint is deleted".to_owned())),
    }
}

/// An attempt that was made.
struct Tried {
    attempted_at: DateTime<Utc>,
    took: Duration,
    status: Option<StatusCode>,
    body: Option<String>,
    retry_after: Option<Duration>,
    /// `None`: the endpoint took the event.
    undelivered: Option<Undelivered>,
}

impl Tried {
    fn new(
        attempted_at: DateTime<Utc>,
        took: Duration,
        answered: Result<Answer, Undelivered>,
    ) -> Self {
        let (status, body, retry_after, undelivered) = match answered {
            Ok(answer) => (
                Some(answer.status),
                answer.body,
                request::retry_after(answer.status, answer.retry_after.as_deref(), attempted_at),
                Undelivered::by(answer.status),
            ),
            Err(undelivered) => (None, None, None, Some(undelivered)),
        };
        Self {
            attempted_at,
            took,
            status,
            body,
            retry_after,
            undelivered,
        }
    }

    fn log(&self, delivery: &Delivery, handle: &JobHandle) {
        tracing::info!(
            delivery.id = %delivery.id,
            endpoint.id = %delivery.endpoint_id,
            event.id = %delivery.event_id,
            attempt = handle.job.attempt,
            status = self.status.map(|status| status.as_u16()),
            delivered = self.undelivered.is_none(),
            duration_ms = self.duration_ms(),
            "an event was posted to an endpoint"
        );
    }

    fn duration_ms(&self) -> i32 {
        i32::try_from(self.took.as_millis()).unwrap_or(i32::MAX)
    }

    /// What becomes of the job.
    fn end(self, handle: &JobHandle, is_gone: bool) -> Result<(), Failure> {
        if is_gone {
            return Err(Failure::Cancel(GONE.to_owned()));
        }
        match (self.undelivered, self.retry_after) {
            (None, _) => Ok(()),
            (Some(undelivered), None) => Err(Failure::retry(undelivered)),
            (Some(undelivered), Some(asked)) => {
                // The engine sees to it that this is no less than the schedule's wait.
                let twice = DeliverWebhook::POLICY.backoff.delay(handle.job.attempt) * 2;
                let after = asked.min(twice.max(MAX_PUT_OFF));
                Err(Failure::retry_after(after, undelivered))
            }
        }
    }
}

/// Stores the attempt and moves the delivery on; tells whether the endpoint is gone, and so off.
async fn record(
    db: &Db,
    handle: &JobHandle,
    job: &DeliverWebhook,
    endpoint: &Endpoint,
    tried: &Tried,
) -> Result<bool, Failure> {
    let mut tx = db.tenant(job.tenant_id).await?;
    // That it was taken is true whoever has the job by now, and saves the endpoint a repeat.
    if tried.undelivered.is_some() {
        handle.fence(&mut tx).await?;
    }
    let is_gone = tried.status == Some(StatusCode::GONE) && disable(&mut tx, endpoint).await?;
    let outcome = match &tried.undelivered {
        None => Outcome::Delivered,
        Some(_) if is_gone => Outcome::Failed,
        Some(_) => Outcome::Pending,
    };
    let attempt = Attempt {
        delivery_id: job.delivery_id,
        attempted_at: tried.attempted_at,
        response_status: tried
            .status
            .and_then(|status| i16::try_from(status.as_u16()).ok()),
        response_body: tried.body.clone(),
        error: tried.undelivered.as_ref().map(Undelivered::for_tenant),
        duration_ms: tried.duration_ms(),
    };
    webhook_deliveries::record_attempt(&mut tx, &attempt, outcome).await?;
    tx.commit().await?;
    Ok(is_gone)
}

/// Switches off an endpoint that is gone; false if it has moved since it was asked.
async fn disable(tx: &mut TenantTx, asked: &Endpoint) -> db::Result<bool> {
    let found = webhook_endpoints::find_for_update(tx, asked.id).await?;
    if found.is_none_or(|endpoint| endpoint.url != asked.url) {
        return Ok(false);
    }
    if webhook_endpoints::disable(tx, asked.id, GONE).await? {
        tracing::warn!(endpoint.id = %asked.id, "an endpoint is gone and switched off");
    }
    Ok(true)
}
