//! Jobs that do nothing, from the start of a worker to the last of them finished: the engine, a bare
//! script that does the same writes, and the peers, in turn.

use anyhow::ensure;
use db::Db;

use super::kinds::Noop;
use super::script::{self, Length};
use super::{Scene, fill, run};
use crate::peers::{Contender, Peer};
use crate::report::{Aim, Row, say};
use crate::stats::per_second;

/// Jobs that one transaction of the script takes, as the engine's claims do.
const BATCH: u32 = 500;
/// Numbers of clients of the script; the better one counts.
const CLIENTS: [usize; 2] = [2, 4];
const SCRIPT: &str = include_str!("../../queries/claim_and_finish.sql");
/// A peer slower than this gets few jobs: the rate is what compares.
const SLOW: f64 = 5_000.0;
/// How many that are.
const FEW: usize = 2_000;

/// Somebody who takes a turn in each round.
struct Turn<'a> {
    who: Who<'a>,
    jobs: usize,
    rates: Vec<f64>,
    failure: Option<String>,
}

enum Who<'a> {
    Engine,
    Script(usize),
    Peer(Contender<'a>),
}

/// Measures everybody and reports what the engine is of each.
///
/// # Errors
/// Those of the database, and when jobs get stuck.
pub(super) async fn measure(scene: &mut Scene<'_>) -> anyhow::Result<()> {
    let peers = scene.peers;
    let jobs = scene.size.jobs;
    let mut turns = vec![Turn::new(Who::Engine, jobs)];
    turns.extend(CLIENTS.map(|clients| Turn::new(Who::Script(clients), jobs)));
    let all = peers.iter().flat_map(|_| Peer::ALL);
    for peer in all {
        let Some(peers) = peers else { break };
        match peers.contender(peer).await {
            Ok(contender) => turns.push(Turn::new(Who::Peer(contender), jobs)),
            Err(why) => scene
                .report
                .push(Row::left_out(measure_of(peer), "jobs/s", &why)),
        }
    }
    for round in 0..scene.size.rounds {
        // Whoever comes later in a round has warmer files: the order moves on.
        let first = round % turns.len();
        turns.rotate_left(first);
        for turn in &mut turns {
            turn.take(scene, round).await?;
        }
        turns.rotate_right(first);
    }
    report(scene, &turns);
    Ok(())
}

impl<'a> Turn<'a> {
    const fn new(who: Who<'a>, jobs: usize) -> Self {
        Self {
            who,
            jobs,
            rates: Vec::new(),
            failure: None,
        }
    }

    fn name(&self) -> String {
        match &self.who {
            Who::Engine => "engine".to_owned(),
            Who::Script(clients) => format!("script with {clients} clients"),
            Who::Peer(contender) => contender.peer().name().to_owned(),
        }
    }

    /// Runs one round; only the peers may fail, and are left out from then on.
    async fn take(&mut self, scene: &Scene<'_>, round: usize) -> anyhow::Result<()> {
        let rate = match &self.who {
            Who::Engine => through_engine(&scene.database.db, self.jobs).await?,
            Who::Script(clients) => through_script(scene, self.jobs, *clients).await?,
            Who::Peer(_) if self.failure.is_some() || round >= scene.size.slow_rounds => {
                return Ok(());
            }
            Who::Peer(contender) => {
                // A round of few shows whether it is worth many.
                if round == 0 {
                    self.jobs = trial(contender, self.jobs).await;
                }
                match contender.burn(self.jobs).await {
                    Ok(rate) => rate,
                    Err(error) => {
                        say(&format!("{} failed: {error:#}", self.name()));
                        self.failure = Some(format!("{error:#}"));
                        return Ok(());
                    }
                }
            }
        };
        say(&format!(
            "round {}: {} {rate:.0} jobs/s",
            round + 1,
            self.name()
        ));
        self.rates.push(rate);
        Ok(())
    }
}

/// How many jobs a peer gets: all of them, or as many as it does in some seconds.
async fn trial(contender: &Contender<'_>, jobs: usize) -> usize {
    let few = FEW.min(jobs);
    match contender.burn(few).await {
        Ok(rate) if rate < SLOW => few,
        _ => jobs,
    }
}

fn report(scene: &mut Scene<'_>, turns: &[Turn<'_>]) {
    let [engine, others @ ..] = turns else {
        return;
    };
    let rows = &mut *scene.report;
    rows.push(Row::new("engine_jobs", "jobs/s", &engine.rates));
    let scripts = others.iter().filter(|it| matches!(it.who, Who::Script(_)));
    let best = scripts.max_by(|a, b| {
        let [a, b] = [a, b].map(|turn| crate::stats::median(&turn.rates));
        a.total_cmp(&b)
    });
    if let Some(best) = best {
        let row = Row::new("engine_jobs_beside_pgbench", "jobs/s", &engine.rates);
        let row = row.beside(&best.rates).aim(Aim::RatioAtLeast(0.6));
        rows.push(row.note(format!("the better one: {}", best.name())));
    }
    for turn in others {
        let contender = match &turn.who {
            Who::Peer(contender) => contender,
            Who::Script(clients) => {
                let measure = format!("pgbench_jobs_{clients}_clients");
                rows.push(Row::new(measure, "jobs/s", &turn.rates));
                continue;
            }
            Who::Engine => continue,
        };
        let measure = measure_of(contender.peer());
        let row = match &turn.failure {
            Some(why) => Row::left_out(measure, "jobs/s", why),
            // Only rounds of both: what else the machine does changes from one to the next.
            None => Row::new(measure, "jobs/s", &engine.rates[..turn.rates.len()])
                .beside(&turn.rates)
                .aim(Aim::RatioAtLeast(1.5))
                .note(conditions(turn, contender)),
        };
        rows.push(row);
    }
}

fn measure_of(peer: Peer) -> String {
    format!("engine_jobs_beside_{}", peer.name())
}

/// What differs between a peer's rounds and the engine's.
fn conditions(turn: &Turn<'_>, contender: &Contender<'_>) -> String {
    let rounds = format!("{} rounds of {} jobs", turn.rates.len(), turn.jobs);
    let history = (contender.peer() == Peer::Graphile).then_some("keeps no history");
    let parts = [Some(rounds.as_str()), history, contender.elsewhere()];
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

async fn refill(db: &Db, count: usize) -> anyhow::Result<()> {
    fill::clear(db).await?;
    fill::many(db, (0..count).map(|n| Noop { n })).await?;
    fill::settle(db).await
}

async fn through_engine(db: &Db, jobs: usize) -> anyhow::Result<f64> {
    refill(db, jobs).await?;
    let time = run::time::<Noop>(db, jobs).await?;
    Ok(per_second(jobs, time))
}

async fn through_script(scene: &Scene<'_>, jobs: usize, clients: usize) -> anyhow::Result<f64> {
    let db = &scene.database.db;
    let transactions = jobs / usize::try_from(BATCH)? / clients;
    refill(db, jobs).await?;
    let length = Length::Transactions(transactions);
    let flow: i64 = sqlx::query_scalar("SELECT flow FROM jobs LIMIT 1")
        .fetch_one(db.pool())
        .await?;
    let script = SCRIPT.replace(":flow", &flow.to_string());
    let rate = script::run(scene.server, scene.database, &script, clients, length).await?;
    let done = transactions * usize::try_from(BATCH)? * clients;
    let found = run::history(db).await?;
    ensure!(found == done, "the script did {found} of {done} jobs");
    Ok(rate * f64::from(BATCH))
}
