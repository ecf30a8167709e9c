use telemetry::metrics::{
    Counter, Counters, Histogram, Histograms, OTHER, Part, long_histograms, short_histograms,
};

use super::OUTCOMES;

/// What is told apart by kind.
pub(super) struct Families {
    claims: Counters<1>,
    direct_starts: Counters<1>,
    attempts: Counters<1>,
    outcomes: Counters<2>,
    buried: Counters<1>,
    leases_lost: Counters<1>,
    pick_up: Histograms<1>,
    run: Histograms<1>,
    claim: Histograms<1>,
    finish: Histograms<1>,
}

/// The series of one kind, looked up once: every job touches half a dozen of them.
pub(super) struct OfKind {
    pub(super) claims: Counter,
    pub(super) direct_starts: Counter,
    pub(super) attempts: Counter,
    /// In the order of [`OUTCOMES`].
    outcomes: Vec<Counter>,
    other_outcome: Counter,
    pub(super) buried: Counter,
    pub(super) leases_lost: Counter,
    pub(super) pick_up: Histogram,
    pub(super) run: Histogram,
    pub(super) claim: Histogram,
    pub(super) finish: Histogram,
}

impl Families {
    pub(super) fn new() -> Self {
        Self {
            claims: Counters::default(),
            direct_starts: Counters::default(),
            attempts: Counters::default(),
            outcomes: Counters::default(),
            buried: Counters::default(),
            leases_lost: Counters::default(),
            pick_up: long_histograms(),
            run: long_histograms(),
            claim: short_histograms(),
            finish: short_histograms(),
        }
    }

    /// The series of a kind, which begin at zero: a rate needs a first value to count from.
    pub(super) fn of(&self, kind: &'static str) -> OfKind {
        let label = [("kind", kind.into())];
        let outcome = |name: &'static str| {
            let labels = [("kind", kind.into()), ("outcome", name.into())];
            self.outcomes.get_or_create_owned(&labels)
        };
        OfKind {
            claims: self.claims.get_or_create_owned(&label),
            direct_starts: self.direct_starts.get_or_create_owned(&label),
            attempts: self.attempts.get_or_create_owned(&label),
            outcomes: OUTCOMES.map(outcome).into(),
            other_outcome: outcome(OTHER),
            buried: self.buried.get_or_create_owned(&label),
            leases_lost: self.leases_lost.get_or_create_owned(&label),
            pick_up: self.pick_up.get_or_create_owned(&label),
            run: self.run.get_or_create_owned(&label),
            claim: self.claim.get_or_create_owned(&label),
            finish: self.finish.get_or_create_owned(&label),
        }
    }

    pub(super) fn add_to(&self, part: &mut Part) {
        part.register(
            "metachat_job_claims",
            "Jobs that this process claimed",
            self.claims.clone(),
        );
        part.register(
            "metachat_job_direct_starts",
            "Jobs that began in this process when it enqueued them, without a claim",
            self.direct_starts.clone(),
        );
        part.register(
            "metachat_job_attempts",
            "Attempts whose handler was begun",
            self.attempts.clone(),
        );
        part.register(
            "metachat_job_outcomes",
            "Attempts that came to an end, by how they ended",
            self.outcomes.clone(),
        );
        part.register(
            "metachat_job_buried",
            "Jobs that became dead letters",
            self.buried.clone(),
        );
        part.register(
            "metachat_job_leases_lost",
            "Leases that ran out while this process still held the job",
            self.leases_lost.clone(),
        );
        part.register(
            "metachat_job_pick_up_delay_seconds",
            "From when a job was due to when its handler was begun",
            self.pick_up.clone(),
        );
        part.register(
            "metachat_job_run_duration_seconds",
            "How long a handler ran",
            self.run.clone(),
        );
        part.register(
            "metachat_job_kind_claim_duration_seconds",
            "How long a statement took that claimed jobs of the kind",
            self.claim.clone(),
        );
        part.register(
            "metachat_job_kind_finish_duration_seconds",
            "How long a step of committing outcomes took that held some of the kind",
            self.finish.clone(),
        );
    }
}

impl OfKind {
    pub(super) fn outcome(&self, name: &str) -> &Counter {
        let nth = OUTCOMES.iter().position(|known| *known == name);
        nth.and_then(|nth| self.outcomes.get(nth))
            .unwrap_or(&self.other_outcome)
    }
}
