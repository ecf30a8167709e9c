//! The kinds of jobs that a run is made of. A job's payload says what its handler does.

use std::time::Duration;

use clap::ValueEnum;
use db::Tx;
use jobs::schedules::{CatchUp, Schedule};
use jobs::{Backoff, Enqueued, Job, KindInfo, Lane, OnDuplicate, Options, Policy, Unique, Until};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A kind that no worker knows: its jobs wait for ever.
pub(crate) const UNHEARD: &str = "chaos-unheard";

/// How late a [`Kind::Brief`] may begin.
pub(crate) const DEADLINE: Duration = Duration::from_millis(1500);

/// By how much the number of a job is above that of the one that enqueued it.
const RELAYED: i64 = 2_000_000_000;

/// The ordering keys of jobs that others enqueue: few of them wait for each other.
const RELAY_KEYS: i64 = 40;

/// What a handler does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub(crate) enum Does {
    /// Its effect, at once.
    Succeed,
    /// Its effect, after a while.
    Slow { ms: u64 },
    /// Fails in its first attempts.
    FailThenSucceed { times: i16 },
    /// Fails in every attempt.
    FailAlways,
    /// Panics in its first attempts.
    Panic { times: i16 },
    /// Never ends by itself.
    Hang,
    /// Puts itself off this many times.
    Snooze { times: i64 },
    /// Says that it can never succeed.
    GiveUp,
    /// Waits to be cancelled; its effect if nobody does.
    AwaitCancel,
    /// Keeps a connection of the worker's pool busy.
    HoldConnection { ms: u64 },
    /// Enqueues another job with its effect, which may begin in the same worker at once.
    Relay,
}

/// The payload of every kind.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Work {
    /// Tells one job from another, before it has an id.
    pub(crate) n: i64,
    /// What its handler does.
    pub(crate) does: Does,
    /// Whose it is.
    pub(crate) tenant: Option<Uuid>,
    /// Its ordering key.
    pub(crate) key: Option<String>,
    /// A limit that it names itself.
    pub(crate) endpoint: Option<String>,
    /// Not before this much later.
    pub(crate) delay_ms: u64,
}

impl Work {
    /// The job that its effect enqueues: every other one behind a key.
    pub(crate) fn next(&self) -> Option<(Kind, Self)> {
        (self.does == Does::Relay).then(|| {
            let key = (self.n % 2 == 0).then(|| format!("relay-{}", self.n % RELAY_KEYS));
            let kind = key.as_ref().map_or(Kind::Plain, |_| Kind::Keyed);
            let next = Self {
                n: self.n + RELAYED,
                does: Does::Succeed,
                key,
                delay_ms: 0,
                ..self.clone()
            };
            (kind, next)
        })
    }

    fn options(&self) -> Options {
        Options {
            tenant: self.tenant.map(Into::into),
            ordering_key: self.key.clone(),
            unique: Some(Unique {
                key: format!("n-{}", self.n),
                until: Until::Ended,
                on_duplicate: OnDuplicate::Keep,
            }),
            delay: Duration::from_millis(self.delay_ms),
            priority: 0,
            limit_keys: [self.endpoint.clone(), None],
        }
    }
}

const fn policy(max_attempts: i16, timeout: Duration) -> Policy {
    Policy {
        max_attempts,
        timeout,
        backoff: Backoff::Exponential {
            base: Duration::from_millis(60),
            cap: Duration::from_millis(500),
        },
    }
}

/// Waits between attempts so that the fifth never begins within [`DEADLINE`], however quick the
/// machine is.
const PATIENT: Policy = Policy {
    max_attempts: 6,
    timeout: Duration::from_secs(10),
    backoff: Backoff::Schedule(&[Duration::from_millis(450)]),
};

macro_rules! kinds {
    ($(
        $(#[doc = $doc:literal])+
        $name:ident $text:literal $lane:ident $policy:expr, $batch:literal, $deadline:expr;
    )+) => {
        $(
            $(#[doc = $doc])+
            #[derive(Serialize, Deserialize)]
            #[serde(transparent)]
            pub(crate) struct $name(pub(crate) Work);

            impl Job for $name {
                const KIND: &'static str = $text;
                const LANE: Lane = Lane::$lane;
                const POLICY: Policy = $policy;
                const BATCH: usize = $batch;
                const DEADLINE: Option<Duration> = $deadline;
                const CANCEL_GRACE: Duration = Duration::from_secs(1);

                fn options(&self) -> Options {
                    self.0.options()
                }
            }
        )+

        /// The kinds by name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Kind {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Kind {
            /// All of them.
            pub(crate) const ALL: &[Self] = &[$(Self::$name,)+];

            /// The name in the database.
            pub(crate) const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $name::KIND,)+
                }
            }

            /// What the engine has to know of it.
            pub(crate) const fn info(self) -> KindInfo {
                match self {
                    $(Self::$name => KindInfo::of::<$name>(),)+
                }
            }

            /// Enqueues a job of this kind.
            pub(crate) async fn enqueue(
                self,
                tx: &mut impl Tx,
                work: Work,
            ) -> db::Result<Enqueued> {
                match self {
                    $(Self::$name => jobs::enqueue(tx, &$name(work)).await,)+
                }
            }
        }
    };
}

kinds! {
    /// Nothing in particular.
    Plain "chaos-plain" Interactive policy(6, Duration::from_secs(10)), 1, None;
    /// Has hardly any time.
    Hasty "chaos-hasty" Interactive policy(2, Duration::from_millis(400)), 1, None;
    /// In order with the others of its key.
    Keyed "chaos-keyed" Interactive policy(4, Duration::from_secs(10)), 1, None;
    /// Is worth nothing when it begins late.
    Brief "chaos-brief" Interactive PATIENT, 1, Some(DEADLINE);
    /// Few run at a time.
    Narrow "chaos-narrow" Bulk policy(6, Duration::from_secs(10)), 1, None;
    /// Few begin per second.
    Rated "chaos-rated" Bulk policy(6, Duration::from_secs(10)), 1, None;
    /// Several run together.
    Grouped "chaos-grouped" Bulk policy(6, Duration::from_secs(10)), 8, None;
    /// Only workers of the next version know it.
    Novel "chaos-novel" Interactive policy(6, Duration::from_secs(10)), 1, None;
}

/// A job of a schedule's tick. Its payload is that of the others, but it has nothing that cannot be
/// scheduled.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Beat(pub(crate) Work);

impl Job for Beat {
    const KIND: &'static str = "chaos-beat";
    const LANE: Lane = Lane::Interactive;
    const POLICY: Policy = policy(6, Duration::from_secs(10));

    fn options(&self) -> Options {
        Options::default()
    }
}

impl Beat {
    /// The schedule whose ticks it is of, and the time between two of them. It is in the triggers of
    /// the record, too.
    pub(crate) const SCHEDULE: &'static str = "every-second";
    const SPEC: &'static str = "every 1s";

    /// The schedule: each tick has a job, however late it is found.
    ///
    /// # Errors
    /// When the engine refuses it.
    pub(crate) fn schedule() -> jobs::schedules::Result<Schedule> {
        let work = Work {
            n: -1,
            does: Does::Succeed,
            tenant: None,
            key: None,
            endpoint: None,
            delay_ms: 0,
        };
        Ok(Schedule::new(Self::SCHEDULE, Self::SPEC, &Self(work))?.catch_up(CatchUp::All))
    }
}

/// Which kinds a worker knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Version {
    /// All but [`Kind::Novel`].
    Old,
    /// All of them.
    New,
}

impl Version {
    /// The kinds it knows.
    pub(crate) fn kinds(self) -> Vec<KindInfo> {
        Kind::ALL
            .iter()
            .filter(|kind| self == Self::New || **kind != Kind::Novel)
            .map(|kind| kind.info())
            .chain([KindInfo::of::<Beat>()])
            .collect()
    }
}
