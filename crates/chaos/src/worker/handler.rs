use std::time::Duration;

use db::Db;
use jobs::{Batch, Failure, JobHandle};

use super::record::Recorder;
use crate::kinds::{Does, Plain, Work};
use crate::sabotage::Sabotage;

/// How long a job waits to be cancelled.
const PATIENCE: Duration = Duration::from_secs(4);

/// How long a job puts itself off.
const SNOOZE: Duration = Duration::from_millis(200);

/// What runs every kind.
pub(super) struct Handler {
    recorder: Recorder,
    sabotage: Option<Sabotage>,
}

impl Handler {
    pub(super) fn new(db: Db, session: i64, sabotage: Option<Sabotage>) -> Self {
        Self {
            recorder: Recorder::new(db, session),
            sabotage,
        }
    }

    /// Runs one job, or several of a kind that takes them together.
    pub(super) async fn run(&self, batch: Batch) -> Vec<Result<(), Failure>> {
        match batch.handles.as_slice() {
            [only] => vec![self.run_one(only).await],
            many => self.run_many(many).await,
        }
    }

    async fn run_one(&self, handle: &JobHandle) -> Result<(), Failure> {
        // Every kind has the same payload.
        let work = match handle.job.decode::<Plain>() {
            Ok(Plain(work)) => work,
            Err(_) if self.sabotage == Some(Sabotage::Swallow) => return Ok(()),
            Err(failure) => return Err(failure),
        };
        let run = self.recorder.begin(vec![handle]).await;
        let result = self.act(&work, handle).await;
        self.recorder.end(run, std::slice::from_ref(&result)).await;
        result
    }

    async fn act(&self, work: &Work, handle: &JobHandle) -> Result<(), Failure> {
        let attempt = handle.job.attempt;
        match work.does {
            Does::Slow { ms } => tokio::time::sleep(Duration::from_millis(ms)).await,
            Does::FailThenSucceed { times } if attempt <= times => {
                return Err(Failure::retry("not yet"));
            }
            Does::FailAlways => return Err(Failure::retry("never")),
            Does::Panic { times } if attempt <= times => self.panic(),
            Does::Succeed | Does::FailThenSucceed { .. } | Does::Panic { .. } | Does::Relay => {}
            Does::Hang => std::future::pending().await,
            Does::Snooze { times } => {
                if self.recorder.snoozes(handle.job.id).await? < times {
                    return Err(Failure::snooze(SNOOZE, "later"));
                }
            }
            Does::GiveUp => return Err(Failure::dead("there is no use")),
            Does::AwaitCancel => {
                if tokio::time::timeout(PATIENCE, handle.cancelled())
                    .await
                    .is_ok()
                {
                    return Err(Failure::retry("told to end"));
                }
            }
            Does::HoldConnection { ms } => self.recorder.hold_connection(ms).await?,
        }
        let effects = [(handle, work.next())];
        let mut results = self.recorder.effects(&effects, self.is_fenced()).await?;
        results.pop().unwrap_or(Ok(()))
    }

    /// Fences every job of the batch by itself: one that is lost does not take the others with it.
    async fn run_many(&self, handles: &[JobHandle]) -> Vec<Result<(), Failure>> {
        let all: Vec<&JobHandle> = handles.iter().collect();
        let run = self.recorder.begin(all.clone()).await;
        let mut wants_effect = Vec::with_capacity(all.len());
        let mut results = Vec::with_capacity(all.len());
        for handle in &all {
            let decided = handle
                .job
                .decode::<Plain>()
                .and_then(|Plain(work)| match work.does {
                    Does::Panic { times } if handle.job.attempt <= times => self.panic(),
                    Does::FailThenSucceed { times } if handle.job.attempt <= times => {
                        Err(Failure::retry("not yet"))
                    }
                    _ => Ok(()),
                });
            if decided.is_ok() {
                wants_effect.push((*handle, None));
            }
            results.push(decided);
        }
        let written = self.recorder.effects(&wants_effect, self.is_fenced()).await;
        let mut written = match written {
            Ok(written) => written.into_iter(),
            Err(failure) => {
                let text = failure.chain();
                let failed = wants_effect
                    .iter()
                    .map(|_| Err(Failure::retry(text.clone())));
                failed.collect::<Vec<_>>().into_iter()
            }
        };
        for result in results.iter_mut().filter(|result| result.is_ok()) {
            *result = written.next().unwrap_or(Ok(()));
        }
        self.recorder.end(run, &results).await;
        results
    }

    const fn is_fenced(&self) -> bool {
        !matches!(self.sabotage, Some(Sabotage::Double))
    }

    fn panic(&self) -> ! {
        if self.sabotage == Some(Sabotage::Fragile) {
            std::process::exit(70);
        }
        // As `panic!`, but without a backtrace in the log of every run.
        std::panic::resume_unwind(Box::new("told to panic"))
    }
}
