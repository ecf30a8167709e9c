//! What may go wrong, and how it is done.

use std::ops::Range;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use rustix::process::Signal;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection as _, PgPool};

use super::enqueuer::Enqueuer;
use super::fleet::Fleet;
use super::pauses::Pauses;
use super::plan::PlannedFault;
use super::server::Server;
use crate::kinds::{Does, Kind, UNHEARD, Version, Work};
use crate::worker::CONNECTIONS;

/// A sort of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Fault {
    /// A worker is killed, and started again after a while.
    Kill,
    /// A worker sleeps past its lease.
    Sleep,
    /// The server ends half of all connections.
    Terminate,
    /// Postgres is stopped and started.
    RestartFast,
    /// Postgres crashes and recovers.
    RestartCrash,
    /// Jobs keep every connection of the workers' pools busy.
    BusyPools,
    /// Strangers take every connection that the server has left.
    Crowd,
    /// Nothing passes between a worker and Postgres, and nothing says so; then all of it passes.
    Stall,
    /// A worker's connections are silent for ever; it can make new ones.
    Deaden,
    /// A worker runs with its clock a day off.
    Clock,
    /// Payloads that nobody can read, and a kind that nobody knows.
    Poison,
    /// A worker is stopped as in a deploy, and one of another version is started.
    Deploy,
    /// A kind, a tenant or an endpoint is paused for a while.
    Pause,
}

impl Fault {
    /// All of them.
    pub(crate) const ALL: &[Self] = &[
        Self::Kill,
        Self::Sleep,
        Self::Terminate,
        Self::RestartFast,
        Self::RestartCrash,
        Self::BusyPools,
        Self::Crowd,
        Self::Stall,
        Self::Deaden,
        Self::Clock,
        Self::Poison,
        Self::Deploy,
        Self::Pause,
    ];

    /// Whether it can be done to a server that others use, too.
    pub(crate) const fn spares_server(self) -> bool {
        !matches!(self, Self::RestartFast | Self::RestartCrash | Self::Crowd)
    }

    /// How long it may last, in milliseconds. The lease is two seconds.
    pub(crate) const fn lengths_ms(self) -> Range<u64> {
        match self {
            Self::Kill => 0..1500,
            // A pause has some time to reach everybody.
            Self::Pause => 3000..5000,
            Self::Sleep | Self::Stall => 2300..4500,
            Self::Deaden => 1500..6000,
            Self::RestartFast | Self::RestartCrash => 0..1200,
            Self::BusyPools | Self::Crowd => 1000..2500,
            Self::Clock | Self::Terminate | Self::Poison | Self::Deploy => 0..100,
        }
    }
}

/// What faults are done to.
pub(crate) struct Stage {
    pub(crate) server: Server,
    pub(crate) fleet: Fleet,
    /// Connections past the proxies.
    pub(crate) pool: PgPool,
    pub(crate) enqueuer: Arc<Enqueuer>,
    pub(crate) pauses: Pauses,
}

impl Stage {
    /// Does a fault, and ends it.
    ///
    /// # Errors
    /// When it could not be done; the run is worth nothing then.
    pub(crate) async fn suffer(&self, planned: PlannedFault) -> anyhow::Result<()> {
        let PlannedFault {
            fault,
            seat,
            length,
            ..
        } = planned;
        match fault {
            Fault::Terminate => self.terminate().await,
            Fault::RestartFast => self.server.restart(false, length).await,
            Fault::RestartCrash => self.server.restart(true, length).await,
            Fault::BusyPools => self.fill_pools(length).await,
            Fault::Crowd => self.crowd(length).await,
            Fault::Poison => self.poison().await,
            Fault::Pause => self.pauses.one(seat, length).await,
            _ => self.suffer_worker(fault, seat, length).await,
        }
    }

    async fn suffer_worker(
        &self,
        fault: Fault,
        seat: usize,
        length: Duration,
    ) -> anyhow::Result<()> {
        if matches!(fault, Fault::Sleep | Fault::Stall | Fault::Deaden) {
            self.occupy().await;
        }
        let mut seat = self.fleet.seats[seat % self.fleet.seats.len()].lock().await;
        match fault {
            Fault::Kill => {
                seat.kill().await?;
                tokio::time::sleep(length).await;
                seat.start(None)?;
            }
            Fault::Sleep => {
                seat.signal(Signal::STOP)?;
                tokio::time::sleep(length).await;
                seat.signal(Signal::CONT)?;
            }
            Fault::Stall => {
                seat.proxy.set_open(false);
                tokio::time::sleep(length).await;
                seat.proxy.set_open(true);
            }
            Fault::Deaden => {
                seat.proxy.deaden();
                tokio::time::sleep(length).await;
                seat.proxy.close_dead();
            }
            Fault::Clock => {
                seat.stop().await?;
                // Ahead or behind.
                let day = 24 * 60 * 60;
                seat.start(Some(if length.as_millis().is_multiple_of(2) {
                    day
                } else {
                    -day
                }))?;
            }
            Fault::Deploy => {
                let next = match seat.version {
                    Version::Old => Version::New,
                    Version::New => Version::Old,
                };
                seat.deploy(next).await?;
            }
            _ => {}
        }
        Ok(())
    }

    async fn terminate(&self) -> anyhow::Result<()> {
        persist(async || {
            sqlx::query(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                 WHERE datname = current_database() AND pid <> pg_backend_pid()
                   AND random() < 0.5",
            )
            .execute(&self.pool)
            .await
            .map(drop)
        })
        .await
    }

    /// As many jobs as there are connections, twice over.
    async fn fill_pools(&self, length: Duration) -> anyhow::Result<()> {
        let ms = u64::try_from(length.as_millis())?;
        let count = self.fleet.seats.len() * CONNECTIONS as usize * 2;
        self.enqueue(vec![Does::HoldConnection { ms }; count]).await;
        Ok(())
    }

    /// Sees to it that every worker is in the middle of something: whoever sleeps or is cut off now
    /// wakes up behind its fence, while others have taken its work over.
    async fn occupy(&self) {
        self.enqueue((1..=24).map(|nth| Does::Slow { ms: nth * 80 }).collect())
            .await;
        tokio::time::sleep(Duration::from_millis(150)).await;
    }

    async fn enqueue(&self, deeds: Vec<Does>) {
        let works = deeds.into_iter().map(|does| Work {
            n: self.enqueuer.number(),
            does,
            tenant: None,
            key: None,
            endpoint: None,
            delay_ms: 0,
        });
        self.enqueuer.enqueue_plain(works.collect()).await;
    }

    async fn crowd(&self, length: Duration) -> anyhow::Result<()> {
        let options =
            PgConnectOptions::from_str(self.server.url().as_str())?.application_name("crowd");
        let mut crowd = Vec::new();
        while crowd.len() < 200
            && let Ok(connection) = PgConnection::connect_with(&options).await
        {
            crowd.push(connection);
        }
        // Whoever loses its connection now gets no other.
        if let Some(first) = crowd.first_mut() {
            sqlx::query(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                 WHERE application_name = 'metachat' AND random() < 0.3",
            )
            .execute(first)
            .await
            .ok();
            crowd.extend(PgConnection::connect_with(&options).await);
        }
        tokio::time::sleep(length).await;
        for connection in crowd {
            connection.close().await.ok();
        }
        Ok(())
    }

    async fn poison(&self) -> anyhow::Result<()> {
        const PAYLOADS: [(&str, &str); 5] = [
            (Kind::Plain.name(), r#"{"n": "not a number"}"#),
            (Kind::Keyed.name(), "[]"),
            (Kind::Rated.name(), "null"),
            (
                Kind::Plain.name(),
                r#"{"n": 1, "does": {"what": "unheard-of"}}"#,
            ),
            (UNHEARD, r#"{"n": 1}"#),
        ];
        for (kind, payload) in PAYLOADS {
            persist(async || {
                sqlx::query(
                    "WITH poison AS (
                         INSERT INTO jobs (kind, lane, state, max_attempts, payload)
                         VALUES ($1, 0, 0, 3, $2::jsonb) RETURNING id
                     )
                     INSERT INTO chaos_poison (job_id, is_known_kind) SELECT id, $3 FROM poison",
                )
                .bind(kind)
                .bind(payload)
                .bind(kind != UNHEARD)
                .execute(&self.pool)
                .await
                .map(drop)
            })
            .await?;
        }
        Ok(())
    }
}

/// Repeats a statement until the database has done it, at least once.
pub(crate) async fn persist<T, E: Into<db::Error>>(
    mut statement: impl AsyncFnMut() -> Result<T, E>,
) -> anyhow::Result<T> {
    for _ in 0..300 {
        match statement().await {
            Ok(value) => return Ok(value),
            Err(error) => {
                let error = error.into();
                if !error.is_unavailable() {
                    return Err(error.into());
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    anyhow::bail!("the database stays away")
}
