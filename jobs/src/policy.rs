use std::time::Duration;

use rand::RngExt as _;

/// How often, how long and how patiently a kind is tried.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Attempts before it is dead; a crash counts as one.
    pub max_attempts: i16,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// How long to wait between attempts.
    pub backoff: Backoff,
}

/// The wait before the next attempt.
#[derive(Clone, Copy, Debug)]
pub enum Backoff {
    /// Doubles from `base` up to `cap`, with full jitter: anything from zero to that is as likely.
    Exponential {
        /// The most to wait after the first attempt.
        base: Duration,
        /// The most to wait at all.
        cap: Duration,
    },
    /// A fixed list, the last entry repeating, with a jitter of a tenth.
    Schedule(&'static [Duration]),
}

impl Backoff {
    /// How long to wait after attempt number `attempt`, counted from 1.
    pub fn delay(&self, attempt: i16) -> Duration {
        let jitter: f64 = rand::rng().random_range(0.0..1.0);
        self.delay_with(attempt, jitter)
    }

    /// The same with the jitter given, 0 to 1.
    fn delay_with(&self, attempt: i16, jitter: f64) -> Duration {
        let nth = u32::try_from(attempt.max(1) - 1).unwrap_or(0);
        match self {
            Self::Exponential { base, cap } => {
                let most = base.saturating_mul(2_u32.saturating_pow(nth)).min(*cap);
                most.mul_f64(jitter)
            }
            Self::Schedule(list) => {
                let at = (nth as usize).min(list.len().saturating_sub(1));
                let wait = list.get(at).copied().unwrap_or_default();
                wait.mul_f64(0.9 + 0.2 * jitter)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn exponential_backoff_stays_under_its_cap_and_its_doubling(
            attempt in 1_i16..i16::MAX, jitter in 0.0_f64..1.0,
        ) {
            let base = Duration::from_secs(1);
            let cap = Duration::from_mins(5);
            let delay = Backoff::Exponential { base, cap }.delay_with(attempt, jitter);
            prop_assert!(delay <= cap);
            if attempt < 10 {
                prop_assert!(delay <= base * 2_u32.pow(u32::from(attempt.unsigned_abs()) - 1));
            }
        }

        #[test]
        fn a_schedule_is_kept_within_a_tenth(attempt in 1_i16..100, jitter in 0.0_f64..1.0) {
            const LIST: &[Duration] = &[Duration::from_secs(5), Duration::from_mins(5)];
            let delay = Backoff::Schedule(LIST).delay_with(attempt, jitter);
            let wanted = LIST[usize::from(attempt > 1)];
            prop_assert!(delay >= wanted.mul_f64(0.899) && delay <= wanted.mul_f64(1.101));
        }
    }

    #[test]
    fn full_jitter_uses_the_whole_range() {
        let backoff = Backoff::Exponential {
            base: Duration::from_secs(8),
            cap: Duration::from_mins(1),
        };
        assert_eq!(backoff.delay_with(1, 0.0), Duration::ZERO);
        assert!(backoff.delay_with(2, 0.999) > Duration::from_secs(15));
    }
}
