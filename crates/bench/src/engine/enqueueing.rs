//! Enqueueing beside bare inserts of the same row, sixteen clients each.

use std::time::{Duration, Instant};

use db::Db;
use sqlx::AssertSqlSafe;
use tokio::task::JoinSet;

use super::kinds::Noop;
use super::script::{self, Length};
use super::{Scene, fill};
use crate::report::{Aim, Row, say};
use crate::stats::per_second;

/// How many enqueue at once.
const CLIENTS: usize = 16;
/// The bare insert; its one parameter is the payload.
const INSERT: &str = include_str!("../../queries/insert.sql");

/// Who writes the rows.
#[derive(Clone, Copy)]
enum Way {
    Enqueue,
    Insert,
    Script,
}

/// Measures them in turn; no engine runs.
///
/// # Errors
/// Those of the database.
pub(super) async fn measure(scene: &mut Scene<'_>) -> anyhow::Result<()> {
    let mut ways = [Way::Enqueue, Way::Insert, Way::Script].map(|way| (way, Vec::new()));
    for round in 0..scene.size.rounds {
        let first = round % ways.len();
        ways.rotate_left(first);
        for (way, rates) in &mut ways {
            rates.push(rate(scene, *way).await?);
        }
        ways.rotate_right(first);
        let last = ways
            .each_ref()
            .map(|(_, rates)| rates.last().copied().unwrap_or_default());
        let [enqueue, insert, script] = last;
        say(&format!(
            "round {}: enqueue {enqueue:.0} jobs/s, insert {insert:.0}, script {script:.0}",
            round + 1
        ));
    }
    let [(_, enqueue), (_, insert), (_, script)] = &ways;
    let row = Row::new("enqueue_16_clients", "jobs/s", enqueue).beside(insert);
    let note = "beside: the bare insert by 16 clients of the same library";
    scene
        .report
        .push(row.aim(Aim::RatioAtLeast(0.7)).note(note));
    let row = Row::new("enqueue_16_clients_beside_script", "jobs/s", enqueue).beside(script);
    let note = "beside: the same insert by pgbench, whose client costs less";
    scene.report.push(row.note(note));
    Ok(())
}

/// Rows per second, each in a transaction of its own.
async fn rate(scene: &Scene<'_>, way: Way) -> anyhow::Result<f64> {
    let db = &scene.database.db;
    fill::clear(db).await?;
    fill::settle(db).await?;
    let time = scene.size.enqueueing;
    if matches!(way, Way::Script) {
        let insert = INSERT.replace("$1", r#"'{"n": 1}'"#);
        let text = format!("BEGIN;\n{};\nCOMMIT;\n", insert.trim());
        let length = Length::Time(time);
        return script::run(scene.server, scene.database, &text, CLIENTS, length).await;
    }
    let begun = Instant::now();
    let mut clients: JoinSet<anyhow::Result<usize>> = JoinSet::new();
    for _ in 0..CLIENTS {
        let db = db.clone();
        clients.spawn(write_until(db, way, begun + time));
    }
    let mut count = 0;
    while let Some(client) = clients.join_next().await {
        count += client??;
    }
    Ok(per_second(
        count,
        begun.elapsed().max(Duration::from_millis(1)),
    ))
}

async fn write_until(db: Db, way: Way, end: Instant) -> anyhow::Result<usize> {
    let mut count = 0;
    while Instant::now() < end {
        let job = Noop { n: count };
        if matches!(way, Way::Enqueue) {
            let mut tx = db.system().await?;
            jobs::enqueue(&mut tx, &job).await?;
            tx.commit().await?;
        } else {
            let mut tx = db.pool().begin().await?;
            sqlx::query(AssertSqlSafe(INSERT))
                .bind(serde_json::to_string(&job)?)
                .execute(&mut *tx)
                .await?;
            tx.commit().await?;
        }
        count += 1;
    }
    Ok(count)
}
