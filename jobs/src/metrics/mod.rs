//! What the engine counts and measures, for Prometheus. `docs/metrics.md` says what each means.

mod kind;
mod look;
mod tables;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use domain::TenantId;
use telemetry::metrics::{BoundedLabel, Counters, Histograms, OTHER, Registry, short_histograms};

use crate::Lane;
use kind::{Families, OfKind};

pub use look::depths;
pub use tables::KindDepth;

/// How an attempt can end, as the attempt log and the label `outcome` name it.
pub const OUTCOMES: [&str; 9] = [
    "done",
    "retry",
    "snoozed",
    "cancelled",
    "dead",
    "panicked",
    "timed_out",
    "crashed",
    "expired",
];

/// How many tenants have a series of their own; later ones share one.
const MOST_TENANTS: usize = 100;

/// How long a look at the tables may take before a scrape goes on without it.
const PATIENCE: Duration = Duration::from_secs(2);

/// The metrics of one engine; clones are the same ones.
///
/// They count whether or not they are registered anywhere, so that an engine always has them.
#[derive(Clone)]
pub struct JobMetrics(Arc<Inner>);

struct Inner {
    families: Families,
    kinds: HashMap<&'static str, OfKind>,
    claim: Histograms<1>,
    finish: Histograms<1>,
    limiter_waits: Counters<1>,
    limited_tenants: BoundedLabel,
    depths: tables::Depths,
    slots: tables::Slots,
}

impl fmt::Debug for JobMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobMetrics").finish_non_exhaustive()
    }
}

impl JobMetrics {
    /// Metrics of an engine that knows these kinds, all at zero.
    pub fn new(kinds: impl IntoIterator<Item = &'static str>) -> Self {
        let families = Families::new();
        let kinds = kinds.into_iter().map(|kind| (kind, families.of(kind)));
        Self(Arc::new(Inner {
            kinds: kinds.collect(),
            families,
            claim: short_histograms(),
            finish: short_histograms(),
            limiter_waits: Counters::default(),
            limited_tenants: BoundedLabel::new(MOST_TENANTS),
            depths: tables::Depths::default(),
            slots: tables::Slots::default(),
        }))
    }

    /// Shows them in a process's registry; call it once for a process.
    pub fn register(&self, registry: &Registry) {
        let inner = &self.0;
        registry.add("jobs", |part| {
            inner.families.add_to(part);
            part.register(
                "metachat_job_claim_duration_seconds",
                "How long a statement that claims jobs took",
                inner.claim.clone(),
            );
            part.register(
                "metachat_job_finish_duration_seconds",
                "How long a statement that commits outcomes took, by step",
                inner.finish.clone(),
            );
            part.register(
                "metachat_job_limiter_waits",
                "Claims that left jobs of a tenant waiting because a limit was spent",
                inner.limiter_waits.clone(),
            );
            part.register_collector(Box::new(inner.depths.clone()));
            part.register_collector(Box::new(inner.slots.clone()));
        });
    }

    /// Has the tables looked at before each scrape. A look that fails or takes longer than two
    /// seconds leaves the gauges out of that scrape: an old number would look like a new one.
    pub fn look_at_tables<F, Fut>(&self, registry: &Registry, look: F)
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = db::Result<Vec<KindDepth>>> + Send + 'static,
    {
        self.look_within(PATIENCE, registry, look);
    }

    fn look_within<F, Fut>(&self, patience: Duration, registry: &Registry, look: F)
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = db::Result<Vec<KindDepth>>> + Send + 'static,
    {
        let metrics = self.clone();
        registry.before_scrape(move || {
            let (metrics, looking) = (metrics.clone(), look());
            async move {
                match tokio::time::timeout(patience, looking).await {
                    Ok(Ok(depths)) => metrics.set_depths(&depths),
                    Ok(Err(error)) => {
                        tracing::warn!(%error, "the depth of the queue could not be looked up");
                        metrics.set_depths(&[]);
                    }
                    Err(_) => {
                        tracing::warn!("looking up the depth of the queue took too long");
                        metrics.set_depths(&[]);
                    }
                }
            }
        });
    }

    /// Shows what the tables hold; kinds that are not named are not shown.
    pub fn set_depths(&self, depths: &[KindDepth]) {
        self.0.depths.set(depths);
    }

    /// Shows the slots of a lane; `free` is asked at each scrape.
    pub fn watch_slots(
        &self,
        lane: Lane,
        total: usize,
        free: impl Fn() -> usize + Send + Sync + 'static,
    ) {
        self.0.slots.watch(lane, total, free);
    }

    /// Notes jobs of a kind that were claimed.
    pub fn claimed(&self, kind: &str, jobs: u64) {
        self.of(kind, |kind| kind.claims.inc_by(jobs));
    }

    /// Notes a job that began without a claim.
    pub fn started_directly(&self, kind: &str) {
        self.of(kind, |kind| kind.direct_starts.inc());
    }

    /// Notes how long a claiming statement took, whatever it found.
    pub fn claim_took(&self, lane: Lane, took: Duration) {
        let label = [("lane", lane.as_str().into())];
        self.0
            .claim
            .get_or_create(&label)
            .observe(took.as_secs_f64());
    }

    /// Notes how long a statement took that claimed jobs of a kind: once for a statement, however
    /// many jobs it took.
    pub fn claim_took_for(&self, kind: &str, took: Duration) {
        self.of(kind, |kind| kind.claim.observe(took.as_secs_f64()));
    }

    /// Notes that a handler is begun, and how long its job had been due by then.
    pub fn began(&self, kind: &str, due_for: Duration) {
        self.of(kind, |kind| {
            kind.attempts.inc();
            kind.pick_up.observe(due_for.as_secs_f64());
        });
    }

    /// Notes how long a handler ran, however it ended.
    pub fn ran(&self, kind: &str, took: Duration) {
        self.of(kind, |kind| kind.run.observe(took.as_secs_f64()));
    }

    /// Notes an outcome that was committed, by its name in [`OUTCOMES`]; others count as `other`.
    pub fn ended(&self, kind: &str, outcome: &str) {
        self.of(kind, |kind| kind.outcome(outcome).inc());
    }

    /// Notes a job that became a dead letter.
    pub fn buried(&self, kind: &str) {
        self.of(kind, |kind| kind.buried.inc());
    }

    /// Notes how long a step of finishing took: one statement, or one transaction.
    pub fn finish_took(&self, step: &'static str, took: Duration) {
        let label = [("step", step.into())];
        self.0
            .finish
            .get_or_create(&label)
            .observe(took.as_secs_f64());
    }

    /// Notes how long a step of finishing took that held outcomes of a kind: once for a step,
    /// however many it held.
    pub fn finish_took_for(&self, kind: &str, took: Duration) {
        self.of(kind, |kind| kind.finish.observe(took.as_secs_f64()));
    }

    /// Notes a lease that ran out while this process still held its job.
    pub fn lost_lease(&self, kind: &str) {
        self.of(kind, |kind| kind.leases_lost.inc());
    }

    /// Notes claims that left jobs of a tenant waiting because a limit was spent; `None`: the
    /// platform's. The first 100 tenants have a series of their own.
    pub fn limited(&self, tenant: Option<TenantId>, claims: u64) {
        let label = match tenant {
            Some(tenant) => self.0.limited_tenants.of(tenant.to_string()),
            None => "platform".into(),
        };
        let waits = self
            .0
            .limiter_waits
            .get_or_create_owned(&[("tenant", label)]);
        waits.inc_by(claims);
    }

    fn of<T>(&self, kind: &str, note: impl FnOnce(&OfKind) -> T) -> T {
        match self.0.kinds.get(kind) {
            Some(kind) => note(kind),
            None => note(&self.0.families.of(OTHER)),
        }
    }
}
