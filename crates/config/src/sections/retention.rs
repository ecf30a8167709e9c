use std::num::NonZeroU32;

use crate::section::section;

/// The most days: more than a life.
const MAX_DAYS: u32 = 36_500;

section! {
    /// For how long what only grows is kept. Days are those of UTC, and go a whole one at a time.
    Retention, "Retention";

    /// Days for which finished jobs and the attempts of jobs are kept.
    "METACHAT_JOB_HISTORY_DAYS" = "30" => job_history_days: NonZeroU32, check at_most;

    /// Days for which dead jobs are kept, so that they can be run again. 0: for ever.
    "METACHAT_DEAD_JOBS_DAYS" = "90" => dead_jobs_days: u32, check at_most;

    /// Days for which items are kept as channels posted them. Messages made from them stay.
    "METACHAT_RAW_ITEMS_DAYS" = "30" => raw_items_days: NonZeroU32, check at_most;

    /// Days for which attempts to deliver webhooks are kept, with what the receivers answered.
    "METACHAT_WEBHOOK_ATTEMPTS_DAYS" = "30" => webhook_attempts_days: NonZeroU32, check at_most;

    /// Days for which a vector is kept after it was last used, so that indexing the same text again costs
    /// nothing.
    "METACHAT_EMBEDDING_CACHE_DAYS" = "90" => embedding_cache_days: NonZeroU32, check at_most;
    /// Days for which calls to models are kept one by one. Their sums by day and model stay.
    "METACHAT_MODEL_CALLS_DAYS" = "90" => model_calls_days: NonZeroU32, check at_most;
}

fn at_most<T: Copy + Into<u32>>(days: &T) -> Result<(), &'static str> {
    if (*days).into() <= MAX_DAYS {
        Ok(())
    } else {
        Err("must be at most 36500 days")
    }
}
