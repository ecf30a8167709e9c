use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use telemetry::metrics::{
    Collector, ConstGauge, DescriptorEncoder, EncodeMetric as _, Labels, MetricType,
};

use crate::Lane;

/// How many jobs of a kind are where, as the tables have it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KindDepth {
    /// The kind.
    pub kind: String,
    /// Jobs that wait for a slot.
    pub ready: u64,
    /// Jobs that wait for their time.
    pub scheduled: u64,
    /// Jobs that wait behind another of their ordering key.
    pub held: u64,
    /// Jobs in the hands of a worker.
    pub running: u64,
    /// Dead letters.
    pub dead: u64,
    /// How long the oldest ready job has been ready, in seconds; 0 if none is.
    pub oldest_ready_seconds: f64,
}

/// The latest look at the tables; shown as a whole or not at all.
#[derive(Clone, Debug, Default)]
pub(super) struct Depths(Arc<Mutex<Vec<KindDepth>>>);

impl Depths {
    pub(super) fn set(&self, depths: &[KindDepth]) {
        *lock(&self.0) = depths.to_vec();
    }
}

impl Collector for Depths {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        // Copied, so that a slow reader of the scrape holds nobody up.
        let depths = lock(&self.0).clone();
        let by_state = depths.iter().flat_map(|depth| {
            let states = [
                ("ready", depth.ready),
                ("scheduled", depth.scheduled),
                ("held", depth.held),
                ("running", depth.running),
            ];
            states.map(|(state, jobs)| {
                let labels = [("kind", depth.kind.clone().into()), ("state", state.into())];
                (labels, whole(jobs))
            })
        });
        gauges(
            &mut encoder,
            "metachat_job_queue_depth",
            "Jobs in the queue, by state, in all processes together",
            by_state,
        )?;
        gauges(
            &mut encoder,
            "metachat_job_oldest_ready_age_seconds",
            "How long the oldest ready job has been ready; 0 if none is",
            depths
                .iter()
                .map(|depth| (of_kind(depth), depth.oldest_ready_seconds)),
        )?;
        gauges(
            &mut encoder,
            "metachat_job_dead_letters",
            "Dead letters that nobody has run again or removed",
            depths
                .iter()
                .map(|depth| (of_kind(depth), whole(depth.dead))),
        )
    }
}

fn of_kind(depth: &KindDepth) -> Labels<1> {
    [("kind", depth.kind.clone().into())]
}

/// The slots of each lane, asked when they are shown.
#[derive(Clone, Default)]
pub(super) struct Slots(Arc<Mutex<Vec<LaneSlots>>>);

struct LaneSlots {
    lane: Lane,
    total: usize,
    free: Box<dyn Fn() -> usize + Send + Sync>,
}

impl Slots {
    pub(super) fn watch(
        &self,
        lane: Lane,
        total: usize,
        free: impl Fn() -> usize + Send + Sync + 'static,
    ) {
        let mut lanes = lock(&self.0);
        lanes.retain(|known| known.lane != lane);
        lanes.push(LaneSlots {
            lane,
            total,
            free: Box::new(free),
        });
    }
}

impl fmt::Debug for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slots").finish_non_exhaustive()
    }
}

impl Collector for Slots {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let lanes: Vec<_> = lock(&self.0)
            .iter()
            .map(|slots| {
                let labels: Labels<1> = [("lane", slots.lane.as_str().into())];
                (
                    labels,
                    slots.total,
                    slots.total.saturating_sub((slots.free)()),
                )
            })
            .collect();
        gauges(
            &mut encoder,
            "metachat_job_slots",
            "Jobs that this process runs at once at most",
            lanes
                .iter()
                .map(|(labels, total, _)| (labels.clone(), whole(*total as u64))),
        )?;
        gauges(
            &mut encoder,
            "metachat_job_slots_in_use",
            "Jobs that have a slot of this process",
            lanes
                .iter()
                .map(|(labels, _, used)| (labels.clone(), whole(*used as u64))),
        )
    }
}

/// Writes gauges of one name; of none at all, not even the name.
fn gauges<const N: usize>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    series: impl Iterator<Item = (Labels<N>, f64)>,
) -> fmt::Result {
    let mut series = series.peekable();
    if series.peek().is_none() {
        return Ok(());
    }
    let help = format!("{help}.");
    let mut family = encoder.encode_descriptor(name, &help, None, MetricType::Gauge)?;
    for (labels, value) in series {
        ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "2^53 jobs do not fit any disk")]
const fn whole(count: u64) -> f64 {
    count as f64
}

/// A panic while one of these short locks is held leaves what it guards whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
