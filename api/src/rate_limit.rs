//! How much one key, or one tenant, may ask for, within one process.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use uuid::Uuid;

use crate::Problem;

type Limiter = RateLimiter<Uuid, DashMapStateStore<Uuid>, DefaultClock, StateInformationMiddleware>;

/// What every key has left.
#[derive(Debug)]
pub(crate) struct RateLimits {
    limiter: Limiter,
    clock: DefaultClock,
    per_second: NonZeroU32,
    burst: NonZeroU32,
}

/// Whether one request may pass, and what is left then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decision {
    per_second: NonZeroU32,
    burst: NonZeroU32,
    remaining: u32,
    /// How long to wait; `None`: the request may pass.
    wait: Option<Duration>,
}

impl RateLimits {
    pub(crate) fn new(per_second: NonZeroU32, burst: NonZeroU32) -> Self {
        let quota = Quota::per_second(per_second).allow_burst(burst);
        let limiter = RateLimiter::dashmap(quota).with_middleware();
        Self {
            limiter,
            clock: DefaultClock::default(),
            per_second,
            burst,
        }
    }

    /// Takes one request from what a key has left.
    pub(crate) fn check(&self, key: Uuid) -> Decision {
        let (remaining, wait) = match self.limiter.check_key(&key) {
            Ok(state) => (state.remaining_burst_capacity(), None),
            Err(until) => (0, Some(until.wait_time_from(self.clock.now()))),
        };
        Decision {
            per_second: self.per_second,
            burst: self.burst,
            remaining,
            wait,
        }
    }

    /// Takes one request from what a key has left, or says when there is something left again.
    pub(crate) fn admit(&self, key: Uuid) -> Result<(), Problem> {
        let decision = self.check(key);
        if decision.is_allowed() {
            Ok(())
        } else {
            Err(Problem::rate_limited(decision.retry_after_seconds()))
        }
    }
}

impl Decision {
    pub(crate) const fn is_allowed(&self) -> bool {
        self.wait.is_none()
    }

    /// Whole seconds after which there is something left again, at least 1.
    pub(crate) fn retry_after_seconds(&self) -> u64 {
        let wait = self.wait.unwrap_or_default();
        (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
    }

    /// Whole seconds until nothing counts against the key any more.
    fn reset_seconds(&self) -> u32 {
        self.burst
            .get()
            .saturating_sub(self.remaining)
            .div_ceil(self.per_second.get())
    }

    /// The IETF draft's headers and the three that most clients know.
    /// Source: draft-ietf-httpapi-ratelimit-headers-10 (2025-09-27).
    pub(crate) fn headers(&self) -> [(&'static str, String); 5] {
        let (burst, remaining, reset) = (self.burst, self.remaining, self.reset_seconds());
        let window = burst.get().div_ceil(self.per_second.get());
        [
            (
                "ratelimit-policy",
                format!("\"default\";q={burst};w={window}"),
            ),
            ("ratelimit", format!("\"default\";r={remaining};t={reset}")),
            ("x-ratelimit-limit", burst.to_string()),
            ("x-ratelimit-remaining", remaining.to_string()),
            ("x-ratelimit-reset", reset.to_string()),
        ]
    }
}
