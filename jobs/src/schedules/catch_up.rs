use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};
use domain::UnknownName;

use super::Spec;

/// How late a tick may be found and still count as found in time.
const TOLERANCE: TimeDelta = TimeDelta::seconds(10);
/// The most ticks of one schedule that one look enqueues; the next look goes on with the rest.
const MAX_TICKS: usize = 1000;

/// What becomes of ticks that passed while nobody looked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CatchUp {
    /// Nothing: only a tick that is found within ten seconds has a job.
    Skip,
    /// The newest of them has a job.
    #[default]
    Latest,
    /// Each of them has a job, at most 1,000 at a look.
    All,
}

impl CatchUp {
    /// Every policy.
    pub const ALL: [Self; 3] = [Self::Skip, Self::Latest, Self::All];

    /// The name in the database and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Latest => "latest",
            Self::All => "all",
        }
    }

    /// Which ticks of a due schedule have jobs by `now`, and when the next one is. The tick that is
    /// due counts whether or not the spec names it: it may be a first one at once.
    pub(super) fn due(self, spec: &Spec, next_at: DateTime<Utc>, now: DateTime<Utc>) -> Due {
        let newest = spec
            .last_until(now)
            .map_or(next_at, |tick| tick.max(next_at));
        match self {
            Self::Skip => Due {
                ticks: Vec::from_iter((now - newest <= TOLERANCE).then_some(newest)),
                next_at: spec.next_or_later(now),
            },
            Self::Latest => Due {
                ticks: vec![newest],
                next_at: spec.next_or_later(now),
            },
            Self::All => {
                let mut ticks = vec![next_at];
                let mut next = spec.next_or_later(next_at);
                while next <= now && ticks.len() < MAX_TICKS {
                    ticks.push(next);
                    next = spec.next_or_later(next);
                }
                Due {
                    ticks,
                    next_at: next,
                }
            }
        }
    }
}

impl FromStr for CatchUp {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        Self::ALL
            .into_iter()
            .find(|policy| policy.as_str() == name)
            .ok_or_else(|| UnknownName {
                what: "catch-up policy",
                name: name.to_owned(),
            })
    }
}

/// What a look does about a schedule that is due.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Due {
    /// The ticks that have jobs, oldest first.
    pub(super) ticks: Vec<DateTime<Utc>>,
    /// The next tick; with more to catch up on, one that has passed.
    pub(super) next_at: DateTime<Utc>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn due(policy: CatchUp, spec: &str, next_at: &str, now: &str) -> (Vec<String>, String) {
        let due = policy.due(&spec.parse().unwrap(), at(next_at), at(now));
        let text = |tick: &DateTime<Utc>| tick.format("%d %H:%M:%S").to_string();
        (due.ticks.iter().map(text).collect(), text(&due.next_at))
    }

    const HOURLY: &str = "7 * * * *";

    #[test]
    fn a_tick_that_is_found_in_time_has_its_job_by_every_policy() {
        for policy in CatchUp::ALL {
            let found = due(
                policy,
                HOURLY,
                "2026-03-01T10:07:00Z",
                "2026-03-01T10:07:02Z",
            );
            assert_eq!(found, (vec!["01 10:07:00".into()], "01 11:07:00".into()));
        }
    }

    #[test]
    fn missed_ticks_are_skipped_or_the_latest_or_all_of_them_are_caught_up_on() {
        let missed = |policy| {
            due(
                policy,
                HOURLY,
                "2026-03-01T10:07:00Z",
                "2026-03-01T13:30:00Z",
            )
        };
        let next = "01 14:07:00".to_owned();
        assert_eq!(missed(CatchUp::Skip), (vec![], next.clone()));
        assert_eq!(
            missed(CatchUp::Latest),
            (vec!["01 13:07:00".into()], next.clone())
        );
        let each = ["10", "11", "12", "13"].map(|hour| format!("01 {hour}:07:00"));
        assert_eq!(missed(CatchUp::All), (each.to_vec(), next));
    }

    #[test]
    fn one_look_catches_up_on_a_thousand_ticks_and_the_next_goes_on() {
        let spec: Spec = "every 1s".parse().unwrap();
        let (first, now) = (at("2026-03-01T10:00:00Z"), at("2026-03-01T10:30:00Z"));
        let one = CatchUp::All.due(&spec, first, now);
        assert_eq!(one.ticks.len(), MAX_TICKS);
        assert_eq!(one.next_at, at("2026-03-01T10:16:40Z"));
        let rest = CatchUp::All.due(&spec, one.next_at, now);
        assert_eq!(rest.ticks.len(), 801);
        assert_eq!(rest.next_at, at("2026-03-01T10:30:01Z"));
    }

    #[test]
    fn a_first_tick_at_once_need_not_be_one_of_the_spec() {
        let found = due(
            CatchUp::Latest,
            HOURLY,
            "2026-03-01T10:20:33.5Z",
            "2026-03-01T10:20:34Z",
        );
        assert_eq!(found, (vec!["01 10:20:33".into()], "01 11:07:00".into()));
    }
}
