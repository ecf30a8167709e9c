//! How much each pick may take of the limits that hold for it: pure, so that it can be tested.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// A limit's row, as it was found under its lock.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Allotment {
    pub(in crate::engine) id: i64,
    pub(in crate::engine) rate_per_second: Option<f64>,
    /// Tokens there are; meaningless without a rate.
    pub(in crate::engine) tokens: f64,
    pub(in crate::engine) concurrency: Option<i32>,
    pub(in crate::engine) running: i32,
    /// Seconds until a pause ends; not above zero when there is none.
    pub(in crate::engine) paused_secs: f64,
}

/// How long a flow waits before it asks for a row again that somebody else had locked.
const BUSY: Duration = Duration::from_millis(2);
/// The longest a flow waits for a signal that there is room before it looks itself.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// The least a flow waits for tokens: a fast rate is not asked for each one.
const LEAST: Duration = Duration::from_millis(2);

impl Allotment {
    /// How many more attempts may begin, and how long until the next one may when none.
    pub(super) fn room(&self) -> (usize, Duration) {
        if self.is_paused() {
            return (
                0,
                Duration::try_from_secs_f64(self.paused_secs).unwrap_or(LOOK_AGAIN),
            );
        }
        let by_rate = match self.rate_per_second {
            Some(rate) if self.tokens < 1.0 => {
                let wait = Duration::try_from_secs_f64((1.0 - self.tokens) / rate);
                return (0, wait.unwrap_or(LOOK_AGAIN).max(LEAST));
            }
            Some(_) => whole(self.tokens),
            None => usize::MAX,
        };
        let by_concurrency = self.concurrency.map_or(usize::MAX, |most| {
            usize::try_from(most.saturating_sub(self.running)).unwrap_or(0)
        });
        (by_rate.min(by_concurrency), LOOK_AGAIN)
    }

    /// Whether somebody paused it: then it has no room, whatever is left of it.
    pub(in crate::engine) fn is_paused(&self) -> bool {
        self.paused_secs > 0.0
    }

    /// Notes that `jobs` attempts begin.
    pub(in crate::engine) fn take(&mut self, jobs: usize) {
        if self.rate_per_second.is_some() {
            #[expect(
                clippy::cast_precision_loss,
                reason = "a claim has hundreds of jobs at most"
            )]
            let taken = jobs as f64;
            self.tokens -= taken;
        }
        if self.concurrency.is_some() {
            self.running = self
                .running
                .saturating_add(i32::try_from(jobs).unwrap_or(i32::MAX));
        }
    }

    /// Notes that `jobs` attempts begin, which were stamped `secs` seconds before this moment. False:
    /// there is, or was at that time, no room for them.
    pub(in crate::engine) fn take_since(&mut self, jobs: usize, secs: f64) -> bool {
        if self.room().0 < jobs {
            return false;
        }
        self.take(jobs);
        // What the bucket has gained since is not what it had then.
        self.rate_per_second
            .is_none_or(|rate| self.tokens >= rate * secs)
    }

    fn give_back(&mut self, jobs: usize) {
        if self.rate_per_second.is_some() {
            #[expect(
                clippy::cast_precision_loss,
                reason = "a claim has hundreds of jobs at most"
            )]
            let returned = jobs as f64;
            self.tokens += returned;
        }
        if self.concurrency.is_some() {
            self.running = self
                .running
                .saturating_sub(i32::try_from(jobs).unwrap_or(i32::MAX));
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "tokens are at least 1 and at most a burst"
)]
fn whole(tokens: f64) -> usize {
    tokens.floor() as usize
}

/// What a pick may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Grant {
    pub(in crate::engine) want: usize,
    /// What stood in the way of more, and until when.
    pub(in crate::engine) limited: Option<(i64, Instant)>,
}

/// Shares out what the rows have among picks, in their order. `asked` is, for each pick, what it
/// wants and the rows that hold for it; a row that is not in `rows` is locked by somebody else, or gone.
pub(in crate::engine) fn allot(
    rows: &mut HashMap<i64, Allotment>,
    asked: &[(usize, Vec<i64>)],
    now: Instant,
) -> Vec<Grant> {
    asked
        .iter()
        .map(|(want, limits)| {
            let mut grant = Grant {
                want: *want,
                limited: None,
            };
            for id in limits {
                let (room, wait) = rows.get(id).map_or((0, BUSY), Allotment::room);
                if room < grant.want {
                    let wait = if room == 0 { wait } else { LEAST };
                    grant.want = room;
                    grant.limited = Some((*id, now + wait));
                }
            }
            for id in limits {
                if let Some(row) = rows.get_mut(id) {
                    row.take(grant.want);
                }
            }
            grant
        })
        .collect()
}

/// Puts back what was granted and not there to be claimed.
pub(in crate::engine) fn put_back(rows: &mut HashMap<i64, Allotment>, limits: &[i64], jobs: usize) {
    for id in limits {
        if let Some(row) = rows.get_mut(id) {
            row.give_back(jobs);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row(id: i64, tokens: Option<f64>, concurrency: Option<i32>, running: i32) -> Allotment {
        Allotment {
            id,
            rate_per_second: tokens.map(|_| 10.0),
            tokens: tokens.unwrap_or(0.0),
            concurrency,
            running,
            paused_secs: 0.0,
        }
    }

    #[test]
    fn the_narrowest_limit_decides_and_is_named() {
        let mut rows = HashMap::from([
            (1, row(1, Some(5.9), None, 0)),
            (2, row(2, None, Some(10), 7)),
        ]);
        let now = Instant::now();
        let grants = allot(&mut rows, &[(8, vec![1, 2])], now);
        assert_eq!(grants[0].want, 3);
        assert_eq!(grants[0].limited.unwrap().0, 2);
        assert!((rows[&1].tokens - 2.9).abs() < 1e-9);
        assert_eq!(rows[&2].running, 10);
    }

    #[test]
    fn an_empty_bucket_says_when_the_next_token_comes() {
        let mut rows = HashMap::from([(1, row(1, Some(0.5), None, 0))]);
        let now = Instant::now();
        let grants = allot(&mut rows, &[(1, vec![1])], now);
        assert_eq!(grants[0].want, 0);
        assert_eq!(
            grants[0].limited,
            Some((1, now + Duration::from_millis(50)))
        );
    }

    #[test]
    fn a_row_that_somebody_else_has_is_asked_again_soon() {
        let now = Instant::now();
        let grants = allot(&mut HashMap::new(), &[(4, vec![9])], now);
        assert_eq!(
            grants,
            [Grant {
                want: 0,
                limited: Some((9, now + BUSY))
            }]
        );
    }

    #[test]
    fn runs_stamped_earlier_need_the_tokens_that_were_there_then() {
        let full = row(1, Some(8.0), Some(10), 2);
        let late = |jobs, secs| full.clone().take_since(jobs, secs);
        assert!(late(8, 0.0));
        assert!(!late(9, 0.0), "more than there are tokens");
        // Ten a second: half a second ago there were five less.
        assert!(late(3, 0.5));
        assert!(!late(4, 0.5));
        assert!(
            !row(1, None, Some(10), 2).take_since(9, 0.0),
            "more than may run"
        );
        assert!(row(1, None, Some(10), 2).take_since(8, 60.0));
    }

    proptest! {
        #[test]
        fn what_is_granted_never_exceeds_any_limit(
            tokens in 0.0_f64..20.0, most in 1_i32..20, running in 0_i32..25,
            wants in prop::collection::vec((1_usize..10, 0_usize..4), 1..12),
        ) {
            let mut rows = HashMap::from([
                (1, row(1, Some(tokens), None, 0)),
                (2, row(2, None, Some(most), running)),
            ]);
            let sets = [vec![], vec![1], vec![2], vec![1, 2]];
            let asked: Vec<_> = wants.iter().map(|(want, set)| (*want, sets[*set].clone())).collect();
            let grants = allot(&mut rows, &asked, Instant::now());
            let of = |id: i64| -> usize {
                grants.iter().zip(&asked).filter(|(_, (_, set))| set.contains(&id))
                    .map(|(grant, _)| grant.want).sum()
            };
            prop_assert!(of(1) <= whole(tokens));
            prop_assert!(of(2) <= usize::try_from((most - running).max(0)).unwrap());
            for (grant, (want, set)) in grants.iter().zip(&asked) {
                prop_assert!(grant.want <= *want);
                prop_assert_eq!(grant.limited.is_some(), grant.want < *want);
                prop_assert!(!set.is_empty() || grant.want == *want);
            }
            // What is put back is there again.
            for (grant, (_, set)) in grants.iter().zip(&asked) {
                put_back(&mut rows, set, grant.want);
            }
            prop_assert!((rows[&1].tokens - tokens).abs() < 1e-6);
            prop_assert_eq!(rows[&2].running, running);
        }
    }
}
