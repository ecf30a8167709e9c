use std::time::Duration;

use crate::{JobMetrics, KindInfo, Lane};

/// How one process runs jobs.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// The kinds this process knows; it claims no others.
    pub kinds: Vec<KindInfo>,
    /// How many interactive jobs run at a time. Nothing else takes one of these slots.
    pub interactive_slots: usize,
    /// How many answers are made at a time: slow models take nothing but these slots.
    pub answers_slots: usize,
    /// How many bulk jobs run at a time.
    pub bulk_slots: usize,
    /// How long a claim holds without a heartbeat. Default 30 seconds; renewed every third of it,
    /// and at least every 10 seconds.
    pub lease: Duration,
    /// The longest wait between looks at the tables, for signals that were lost. Default 1 second.
    pub poll: Duration,
    /// How long running jobs may go on once the process shall end. Default 25 seconds.
    pub drain: Duration,
    /// The most jobs of one tenant that this process has claimed and not begun, in each lane.
    /// Default 2,000. Handlers that take longer than some milliseconds claim hardly anything ahead.
    pub unstarted_per_tenant: usize,
    /// Where the engine counts; `None`: into metrics that nobody sees.
    pub metrics: Option<JobMetrics>,
}

impl EngineOptions {
    /// Options with 64 slots for interactive jobs, as many for answers, and 16 for bulk work.
    pub fn new(kinds: Vec<KindInfo>) -> Self {
        Self {
            kinds,
            interactive_slots: 64,
            answers_slots: 64,
            bulk_slots: 16,
            lease: Duration::from_secs(30),
            poll: Duration::from_secs(1),
            drain: Duration::from_secs(25),
            unstarted_per_tenant: 2000,
            metrics: None,
        }
    }

    pub(super) const fn slots(&self, lane: Lane) -> usize {
        match lane {
            Lane::Interactive => self.interactive_slots,
            Lane::Answers => self.answers_slots,
            Lane::Bulk => self.bulk_slots,
        }
    }
}
