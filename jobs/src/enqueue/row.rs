use chrono::{DateTime, Utc};
use db::Result;

use super::{encode, traceparent};
use crate::engine::{Seat, Started};
use crate::signal::Word;
use crate::{Job, OnDuplicate, Options, Until};

/// The numbers of states.
pub(super) const READY: i16 = 0;
pub(super) const SCHEDULED: i16 = 1;
pub(super) const HELD: i16 = 2;
pub(super) const RUNNING: i16 = 3;

/// What a row of `jobs` is made from.
pub(super) struct Row<'a> {
    pub(super) kind: &'static str,
    pub(super) lane: i16,
    pub(super) max_attempts: i16,
    pub(super) payload: String,
    pub(super) options: &'a Options,
    pub(super) unique_key: Option<&'a str>,
    pub(super) until_started: bool,
    pub(super) delay_secs: f64,
    /// After it was due.
    pub(super) deadline_secs: Option<f64>,
    /// Zero where a duplicate is left alone.
    pub(super) max_wait_secs: f64,
    pub(super) traceparent: Option<String>,
    /// Who runs the job at once, if nothing stands in its way, and for how long that holds at first.
    pub(super) session: Option<i64>,
    pub(super) lease_secs: Option<f64>,
}

impl<'a> Row<'a> {
    pub(super) fn new<J: Job>(job: &J, options: &'a Options, seat: Option<&Seat>) -> Result<Self> {
        let unique = options.unique.as_ref();
        let max_wait_secs = match unique.map(|unique| unique.on_duplicate) {
            Some(OnDuplicate::Push { max_wait }) => max_wait.as_secs_f64(),
            Some(OnDuplicate::Keep) | None => 0.0,
        };
        Ok(Self {
            kind: J::KIND,
            lane: J::LANE.number(),
            max_attempts: J::POLICY.max_attempts,
            payload: encode(job)?,
            options,
            unique_key: unique.map(|unique| unique.key.as_str()),
            until_started: unique.is_some_and(|unique| unique.until == Until::Started),
            delay_secs: options.delay.as_secs_f64(),
            deadline_secs: J::DEADLINE.map(|deadline| deadline.as_secs_f64()),
            max_wait_secs,
            traceparent: traceparent(),
            session: seat.map(Seat::session),
            lease_secs: seat.map(|seat| seat.lease().as_secs_f64()),
        })
    }

    /// Whether the unique key keeps nobody out once the job runs, which it may do at once.
    pub(super) const fn may_drop_unique_key(&self) -> bool {
        self.until_started && self.session.is_some()
    }

    /// What runs the inserted job has to know.
    pub(super) fn started(self, inserted: &Inserted) -> Started {
        Started {
            id: inserted.id,
            flow: inserted.flow,
            max_attempts: self.max_attempts,
            ordering_key: self.options.ordering_key.clone(),
            payload: self.payload,
            created_at: inserted.created_at,
            deadline_in: inserted.deadline_in,
            traceparent: self.traceparent,
        }
    }
}

/// What an insert came to.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub(super) struct Inserted {
    pub(super) id: i64,
    pub(super) flow: i64,
    pub(super) state: i16,
    pub(super) duplicate: bool,
    /// It was ready, and waits for its time.
    pub(super) is_put_off: bool,
    pub(super) created_at: DateTime<Utc>,
    pub(super) deadline_in: Option<f64>,
}

impl Inserted {
    /// What workers have to know once it is committed.
    pub(super) fn word(self) -> Option<Word> {
        match self.state {
            READY => Some(Word::Flow {
                flow: self.flow,
                id: self.id,
            }),
            SCHEDULED => Some(Word::Due),
            _ => None,
        }
    }

    /// It is new, and this process runs it.
    pub(super) const fn begins(self) -> bool {
        !self.duplicate && self.state == RUNNING
    }
}
