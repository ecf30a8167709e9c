//! How long single jobs wait: from the commit of whoever enqueues them to the start of their handler.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::ensure;
use db::Db;
use jobs::Job;

use super::run::{LOOK, PATIENCE};
use crate::stats::percentile_ms;

/// When handlers began, by the place of their job in the measure.
#[derive(Clone, Default)]
pub(super) struct Starts(Arc<Mutex<Vec<(usize, Instant)>>>);

/// The waits of the jobs of one round.
pub(super) struct Waits {
    /// From the return of the commit.
    pub(super) after_commit: Vec<Duration>,
    /// From before the transaction was begun.
    pub(super) after_call: Vec<Duration>,
}

impl Starts {
    /// Notes that the handler of job `n` begins.
    pub(super) fn note(&self, n: usize) {
        let now = Instant::now();
        let mut starts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        starts.push((n, now));
    }

    fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// Enqueues `count` jobs, one `every` so often and each in a transaction of its own, and waits until
/// the handler of each has begun.
///
/// # Errors
/// When one does not begin in time, and those of the database.
pub(super) async fn measure<J: Job>(
    db: &Db,
    starts: &Starts,
    count: usize,
    every: Duration,
    job: impl Fn(usize) -> J,
) -> anyhow::Result<Waits> {
    let mut calls = Vec::with_capacity(count);
    let mut commits = Vec::with_capacity(count);
    let mut ticks = tokio::time::interval(every);
    for n in 0..count {
        ticks.tick().await;
        calls.push(Instant::now());
        let mut tx = db.system().await?;
        jobs::enqueue(&mut tx, &job(n)).await?;
        tx.commit().await?;
        commits.push(Instant::now());
    }
    let patience = Instant::now();
    while starts.len() < count {
        let begun = starts.len();
        ensure!(
            patience.elapsed() < PATIENCE,
            "{begun} of {count} jobs were picked up"
        );
        tokio::time::sleep(LOOK).await;
    }
    let starts = starts.0.lock().unwrap_or_else(PoisonError::into_inner);
    let since = |marks: &[Instant]| {
        let waits = starts.iter();
        waits
            .filter_map(|(n, start)| Some(start.saturating_duration_since(*marks.get(*n)?)))
            .collect()
    };
    Ok(Waits {
        after_commit: since(&commits),
        after_call: since(&calls),
    })
}

/// Percentiles of several rounds, in milliseconds.
#[derive(Default)]
pub(super) struct Percentiles {
    /// The medians.
    pub(super) p50: Vec<f64>,
    /// What 99 of a hundred jobs do not exceed.
    pub(super) p99: Vec<f64>,
}

impl Percentiles {
    /// Adds a round.
    pub(super) fn push(&mut self, waits: &[Duration]) {
        self.p50.push(percentile_ms(waits, 50));
        self.p99.push(percentile_ms(waits, 99));
    }
}
