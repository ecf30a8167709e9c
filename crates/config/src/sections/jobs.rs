use std::num::NonZeroUsize;
use std::time::Duration;

use crate::section::section;

section! {
    /// The job engine.
    Jobs, "Jobs";

    /// Jobs that a worker process runs at once while a customer waits for them.
    "METACHAT_WORKER_SLOTS_INTERACTIVE" = "64" => slots_interactive: NonZeroUsize;

    /// Answers that a worker process makes at once. A slow model takes none of the slots above, so
    /// messages are taken in, handed to people and sent meanwhile.
    "METACHAT_WORKER_SLOTS_ANSWERS" = "64" => slots_answers: NonZeroUsize;

    /// Jobs that a worker process runs at once in the background, such as reading documents.
    "METACHAT_WORKER_SLOTS_BULK" = "16" => slots_bulk: NonZeroUsize;

    /// Seconds after which the jobs of a worker that gives no sign of life go to another.
    "METACHAT_JOB_LEASE_SECONDS" = "30" => lease: Duration;

    /// Seconds that a message whose sending was cut off waits for the channel's word on it, before it is
    /// sent once more or fails, as the channel is set.
    "METACHAT_SEND_RECONCILE_SECONDS" = "30" => send_reconcile: Duration;
}
