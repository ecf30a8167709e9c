//! The job engine: durable jobs on Postgres, run by apalis workers through a backend of our own.
//!
//! A job is enqueued in its caller's transaction, claimed under a lease, run, and finished by a
//! statement that is fenced by (id, claim, session): whoever lost the lease can neither finish
//! nor commit. `docs/jobs.md` tells the model, its states and what happens in each crash.

pub mod control;
pub mod counters;
mod engine;
mod enqueue;
mod failure;
pub mod inspect;
mod job;
mod keys;
pub mod kinds;
pub mod metrics;
mod policy;
pub mod retention;
pub mod schedules;
mod signal;

pub use engine::{
    Batch, ClaimedJob, DeadHook, DeadHooks, DeadJob, Engine, EngineOptions, JobHandle, LaneBackend,
    LostLease, work, work_batches,
};
pub use enqueue::{Enqueued, Gathered, enqueue, enqueue_gathered, enqueue_many};
pub use failure::Failure;
pub use inspect::{AttemptView, JobFilter, JobState, JobView, attempts, get, list};
pub use job::{Job, KindInfo, Lane, OnDuplicate, Options, Unique, Until};
pub use metrics::{JobMetrics, KindDepth};
pub use policy::{Backoff, Policy};
