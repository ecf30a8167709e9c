use std::sync::Arc;
use std::time::{Duration, Instant};

use super::ClaimedJob;
use super::inflight::Lease;
use crate::Failure;

/// A claimed job with this process's hold on it.
#[derive(Clone, Debug)]
pub(super) struct Hold {
    /// When it was claimed, by the steady clock.
    pub(super) since: Instant,
    pub(super) job: Arc<ClaimedJob>,
    pub(super) lease: Arc<Lease>,
}

impl Hold {
    /// Why the job is not to begin, although it was claimed.
    pub(super) fn refusal(&self, now: Instant) -> Option<Failure> {
        if self.job.is_cancelled || self.lease.is_cancelled() {
            return Some(Failure::Cancel("cancelled before it began".to_owned()));
        }
        let is_late = self.left(now).is_some_and(|left| left.is_zero());
        is_late.then_some(Failure::Expired)
    }

    /// How long this attempt may take: its kind's time, or less before its deadline.
    fn time(&self, now: Instant) -> Duration {
        let timeout = self.job.flow.kind.policy.timeout;
        self.left(now).map_or(timeout, |left| left.min(timeout))
    }

    /// How long it is until its deadline.
    fn left(&self, now: Instant) -> Option<Duration> {
        let secs = self.job.deadline_in?;
        let at_claim = Duration::try_from_secs_f64(secs.max(0.0)).unwrap_or(Duration::MAX);
        Some(at_claim.saturating_sub(now.saturating_duration_since(self.since)))
    }
}

/// How long a run of these jobs may take. One that is close to its deadline does not cut the others
/// short.
pub(super) fn run_time(holds: &[Hold], now: Instant) -> Duration {
    let times = holds.iter().map(|hold| hold.time(now));
    times.max().unwrap_or_default()
}

/// Says when a run that begins at `begun` has ended, whatever its handler does, unless that blocks its
/// thread.
pub(super) fn expect_end(holds: &[Hold], begun: Instant) {
    let time = run_time(holds, begun);
    for hold in holds {
        let most = time + hold.job.flow.kind.cancel_grace;
        hold.lease.expect_end(begun.checked_add(most));
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::super::inflight::InFlight;
    use super::super::ready::Flow;
    use super::*;
    use crate::{Backoff, KindInfo, Lane, Policy};

    const KIND: KindInfo = KindInfo {
        name: "probe",
        lane: Lane::Bulk,
        policy: Policy {
            max_attempts: 3,
            timeout: Duration::from_secs(10),
            backoff: Backoff::Schedule(&[]),
        },
        batch: 4,
        gather: Duration::ZERO,
        cancel_grace: Duration::from_secs(2),
    };

    fn hold(inflight: &InFlight, id: i64, deadline_in: Option<f64>, since: Instant) -> Hold {
        let at = DateTime::UNIX_EPOCH;
        let job = ClaimedJob {
            id,
            kind: KIND.name,
            flow: Arc::new(Flow::new(1, KIND, None, 0, &[None, None])),
            claim: 1,
            attempt: 1,
            max_attempts: 3,
            tenant: None,
            ordering_key: None,
            payload: "{}".to_owned(),
            created_at: at,
            run_at: at,
            claimed_at: at,
            permits: Vec::new(),
            deadline_in,
            is_cancelled: false,
            traceparent: None,
        };
        Hold {
            since,
            lease: inflight.insert(&job, since + Duration::from_mins(1)),
            job: Arc::new(job),
        }
    }

    #[test]
    fn a_job_that_is_cancelled_after_its_claim_is_refused() {
        let (inflight, now) = (InFlight::default(), Instant::now());
        let hold = hold(&inflight, 1, None, now);
        assert!(hold.refusal(now).is_none());
        inflight.cancel(1);
        assert!(matches!(hold.refusal(now), Some(Failure::Cancel(_))));
    }

    #[test]
    fn a_deadline_passes_while_a_claimed_job_waits_for_its_slot() {
        let (inflight, now) = (InFlight::default(), Instant::now());
        let secs = Duration::from_secs_f64;
        let late = hold(&inflight, 1, Some(-0.5), now);
        assert!(matches!(late.refusal(now), Some(Failure::Expired)));
        let hold = hold(&inflight, 2, Some(2.0), now);
        assert!(hold.refusal(now + secs(1.9)).is_none());
        assert_eq!(hold.time(now + secs(0.5)), secs(1.5));
        let refusal = hold.refusal(now + secs(2.0));
        assert!(matches!(refusal, Some(Failure::Expired)));
    }

    #[test]
    fn one_that_is_close_to_its_deadline_does_not_cut_its_batch_short() {
        let (inflight, now) = (InFlight::default(), Instant::now());
        let near = hold(&inflight, 1, Some(0.001), now);
        let free = hold(&inflight, 2, None, now);
        assert_eq!(run_time(&[near, free], now), KIND.policy.timeout);
    }

    #[test]
    fn a_run_is_over_after_its_time_and_its_grace() {
        let (inflight, now) = (InFlight::default(), Instant::now());
        let holds = [hold(&inflight, 1, None, now)];
        expect_end(&holds, now);
        let after = |secs| inflight.held(now + Duration::from_secs(secs)).holds.len();
        assert_eq!((after(12), after(13)), (1, 0));
    }
}
