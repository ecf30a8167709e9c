use clap::ValueEnum;

/// What a deliberately broken run breaks: the checker has to name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sabotage {
    /// Waiting jobs vanish.
    Lost,
    /// Running jobs are given to a second worker, and handlers do without the fence.
    Double,
    /// Leases run out while their jobs run, and workers finish what they have lost all the same.
    Unfenced,
    /// Held jobs go before their turn.
    Reorder,
    /// Limits forget whom they counted.
    Overlimit,
    /// Failed attempts are not counted.
    Overattempt,
    /// What was cancelled is not any more.
    Uncancel,
    /// Deadlines are forgotten.
    Overdue,
    /// Handlers take payloads that they cannot read for done.
    Swallow,
    /// A worker ends when a handler panics.
    Fragile,
    /// Ticks come twice and not at all.
    Tick,
    /// Pauses are lifted.
    Unpause,
}

impl Sabotage {
    /// Whether the worker itself is the broken one.
    pub(crate) const fn is_in_worker(self) -> bool {
        matches!(
            self,
            Self::Double | Self::Unfenced | Self::Swallow | Self::Fragile
        )
    }

    /// The failpoint that takes a promise out of the engine itself, if that is how it is broken. Only a
    /// build with failpoints has any.
    pub(crate) const fn failpoint(self) -> Option<&'static str> {
        match self {
            Self::Unfenced => Some("finish.unfenced"),
            _ => None,
        }
    }

    /// What is done to the tables over and over, if that is how it is broken.
    pub(crate) const fn statement(self) -> Option<&'static str> {
        match self {
            Self::Lost => Some(
                "DELETE FROM jobs WHERE id IN (SELECT id FROM jobs WHERE state = 1
                     AND ordering_key IS NULL LIMIT 1 FOR UPDATE SKIP LOCKED)",
            ),
            Self::Double => Some(
                "UPDATE jobs SET state = 0, session_id = NULL, lease_until = NULL, permits = NULL
                 WHERE id IN (SELECT id FROM jobs WHERE state = 3 AND permits IS NULL
                     AND ordering_key IS NULL ORDER BY random() LIMIT 2 FOR UPDATE SKIP LOCKED)",
            ),
            Self::Unfenced => Some(
                "UPDATE jobs SET lease_until = now() - interval '1 s'
                 WHERE id IN (SELECT id FROM jobs WHERE state = 3 AND ordering_key IS NULL
                     ORDER BY random() LIMIT 2 FOR UPDATE SKIP LOCKED)",
            ),
            Self::Reorder => Some(
                "UPDATE jobs SET state = 0 WHERE id IN (SELECT id FROM jobs WHERE state = 2
                     ORDER BY id DESC LIMIT 3 FOR UPDATE SKIP LOCKED)",
            ),
            Self::Overlimit => {
                // A rate so low that a slow machine goes beyond it as well.
                Some(
                    "UPDATE job_limits SET running = 0, tokens = coalesce(burst, 0),
                            rate_per_second = CASE WHEN burst IS NULL THEN NULL ELSE 5 END",
                )
            }
            Self::Overattempt => {
                Some("UPDATE jobs SET attempt = 0 WHERE state IN (0, 1) AND attempt > 0")
            }
            Self::Uncancel => Some(
                "UPDATE jobs SET cancel_requested_at = NULL
                 WHERE cancel_requested_at IS NOT NULL AND state <> 3",
            ),
            Self::Overdue => Some(
                "UPDATE jobs SET deadline_at = NULL WHERE state <> 3 AND deadline_at IS NOT NULL",
            ),
            Self::Tick => Some(
                "UPDATE job_schedules SET next_at = next_at
                     + CASE WHEN random() < 0.5 THEN interval '3 s' ELSE interval '-2 s' END
                 WHERE random() < 0.1",
            ),
            // As a change that is told of: who knows of the pause already has to hear that it is over.
            Self::Unpause => Some(
                "UPDATE job_limits SET paused_until = NULL, changed_at = now()
                 WHERE paused_until IS NOT NULL",
            ),
            Self::Swallow | Self::Fragile => None,
        }
    }
}
