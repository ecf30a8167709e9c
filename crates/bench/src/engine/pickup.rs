//! How long a single job waits on an idle engine, beside Graphile Worker.

use std::time::Duration;

use db::{Db, DbOptions};

use super::kinds::Pickup;
use super::waits::{self, Percentiles, Starts, Waits};
use super::{Scene, fill, run};
use crate::peers::{Contender, Peer};
use crate::report::{Aim, Row, say};

/// A job each.
const EVERY: Duration = Duration::from_millis(10);
/// How many jobs may run at a time.
const SLOTS: usize = 16;
/// Peer and measure where the peer is left out.
const BESIDE: &str = "pickup_beside_graphile_worker";

/// One side's waits, from both points.
#[derive(Default)]
struct Side {
    after_commit: Percentiles,
    after_call: Percentiles,
}

/// Measures both in turn.
///
/// # Errors
/// Those of the database, and when jobs get stuck.
pub(super) async fn measure(scene: &mut Scene<'_>) -> anyhow::Result<()> {
    let mut graphile = None;
    if let Some(peers) = scene.peers {
        match peers.contender(Peer::Graphile).await {
            Ok(contender) => graphile = Some(contender),
            Err(why) => scene.report.push(Row::left_out(BESIDE, "ms", &why)),
        }
    }
    // Jobs of a process without an engine have to be heard of and claimed.
    let outside = Db::connect_lazy(&DbOptions::new(scene.database.url.as_str()))?;
    let [mut ours, mut claimed, mut theirs] = [(); 3].map(|()| Side::default());
    for round in 0..scene.size.slow_rounds {
        for turn in 0..3 {
            let turn = (round + turn) % 3;
            if turn == 0 {
                ours.push(&once(scene, &scene.database.db).await?);
            } else if turn == 1 {
                claimed.push(&once(scene, &outside).await?);
            } else if let Some(contender) = &graphile
                && let Err(error) = theirs.add(contender, scene.size.pickups).await
            {
                let why = format!("{error:#}");
                scene.report.push(Row::left_out(BESIDE, "ms", &why));
                graphile = None;
            }
        }
        let sides = [
            ("engine", &ours),
            ("engine, claimed", &claimed),
            ("Graphile Worker", &theirs),
        ];
        for (who, side) in sides {
            if let Some(p99) = side.after_commit.p99.last() {
                say(&format!("round {}: {who} p99 {p99:.1} ms", round + 1));
            }
        }
    }
    report(
        scene,
        &ours,
        &claimed,
        graphile.is_some().then_some(&theirs),
    );
    Ok(())
}

impl Side {
    fn push(&mut self, waits: &Waits) {
        self.after_commit.push(&waits.after_commit);
        self.after_call.push(&waits.after_call);
    }

    async fn add(&mut self, contender: &Contender<'_>, jobs: usize) -> anyhow::Result<()> {
        let times = contender.pickup(jobs, SLOTS).await?;
        self.after_commit.push(&durations(&times.after_commit_ms));
        self.after_call.push(&durations(&times.after_call_ms));
        Ok(())
    }
}

fn durations(times_ms: &[f64]) -> Vec<Duration> {
    let seconds = times_ms.iter().map(|ms| ms.max(0.0) / 1000.0);
    seconds.map(Duration::from_secs_f64).collect()
}

fn report(scene: &mut Scene<'_>, ours: &Side, claimed: &Side, theirs: Option<&Side>) {
    let (commit, call) = (&ours.after_commit, &ours.after_call);
    let aims = [
        ("pickup_p50", &commit.p50, 3.0),
        ("pickup_p99", &commit.p99, 15.0),
        ("pickup_claimed_p50", &claimed.after_commit.p50, 3.0),
        ("pickup_claimed_p99", &claimed.after_commit.p99, 15.0),
    ];
    for (measure, values, limit) in aims {
        let row = Row::new(measure, "ms", values).aim(Aim::AtMost(limit));
        scene.report.push(row);
    }
    let Some(theirs) = theirs else { return };
    let pairs = [
        ("p50", &commit.p50, &theirs.after_commit.p50),
        ("p99", &commit.p99, &theirs.after_commit.p99),
        ("with_enqueueing_p50", &call.p50, &theirs.after_call.p50),
        ("with_enqueueing_p99", &call.p99, &theirs.after_call.p99),
    ];
    for (name, ours, theirs) in pairs {
        let row = Row::new(format!("{BESIDE}_{name}"), "ms", ours).beside(theirs);
        scene.report.push(row.aim(Aim::RatioAtMost(1.0)));
    }
    // Graphile Worker knows of its own process's jobs no more than of others'.
    let pairs = [
        ("p50", &claimed.after_commit.p50, &theirs.after_commit.p50),
        ("p99", &claimed.after_commit.p99, &theirs.after_commit.p99),
    ];
    for (name, claimed, theirs) in pairs {
        let row = Row::new(
            format!("pickup_claimed_beside_graphile_worker_{name}"),
            "ms",
            claimed,
        );
        scene.report.push(row.beside(theirs));
    }
}

/// The waits of one round of the engine, for jobs that are enqueued by `enqueuer`.
async fn once(scene: &Scene<'_>, enqueuer: &Db) -> anyhow::Result<Waits> {
    let db = &scene.database.db;
    fill::clear(db).await?;
    fill::settle(db).await?;
    let starts = Starts::default();
    let noted = starts.clone();
    let engine = run::start(db, SLOTS, move |job: Pickup| {
        noted.note(job.n);
        std::future::ready(())
    })
    .await?;
    // As long as the peers wait before their first job.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let waits = waits::measure(enqueuer, &starts, scene.size.pickups, EVERY, |n| Pickup {
        n,
    })
    .await;
    engine.shut_down().await;
    waits
}
