use assistant::Assistant;
use jobs::kinds::DeliverWebhook;
use jobs::{Failure, JobHandle};

/// Posts an event to an endpoint. Doing it twice repeats the same `webhook-id`.
pub(crate) async fn run(
    assistant: &Assistant,
    handle: &JobHandle,
    job: DeliverWebhook,
) -> Result<(), Failure> {
    let (db, keyring, client) = (&assistant.db, &assistant.keyring, &assistant.guarded);
    events::deliver(db, keyring, client, &assistant.clock, handle, job).await
}
