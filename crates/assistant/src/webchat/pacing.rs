use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use domain::WebchatSessionId;
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::{Error, WebchatCaps};

/// After how many messages the sessions that have been quiet are forgotten.
const TIDY_EVERY: u32 = 1024;

/// How many messages a session may send in a minute, within this process.
#[derive(Debug)]
pub(super) struct Pacing {
    limiter: DefaultKeyedRateLimiter<WebchatSessionId>,
    clock: DefaultClock,
    checks: AtomicU32,
}

impl Pacing {
    pub(super) fn new(per_minute: u32) -> Self {
        let quota = Quota::per_minute(WebchatCaps::at_least_one(per_minute));
        Self {
            limiter: RateLimiter::dashmap(quota),
            clock: DefaultClock::default(),
            checks: AtomicU32::new(0),
        }
    }

    /// Counts one message of a session.
    pub(super) fn check(&self, session: WebchatSessionId) -> Result<(), Error> {
        if self.checks.fetch_add(1, Ordering::Relaxed) % TIDY_EVERY == TIDY_EVERY - 1 {
            self.limiter.retain_recent();
        }
        self.limiter
            .check_key(&session)
            .map_err(|until| Error::RateLimited {
                retry_after: round_up(until.wait_time_from(self.clock.now())),
            })
    }
}

/// Whole seconds: HTTP knows no smaller ones.
fn round_up(wait: Duration) -> Duration {
    Duration::from_secs(wait.as_secs() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_slowed_down_and_no_other() {
        let pacing = Pacing::new(3);
        let (busy, quiet) = (WebchatSessionId::new(), WebchatSessionId::new());
        for _ in 0..3 {
            assert!(pacing.check(busy).is_ok());
        }
        let Err(Error::RateLimited { retry_after }) = pacing.check(busy) else {
            panic!("not held back");
        };
        assert!((1..=20).contains(&retry_after.as_secs()), "{retry_after:?}");
        assert!(pacing.check(quiet).is_ok());
    }
}
