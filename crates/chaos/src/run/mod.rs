//! A run: workers, jobs and faults, and in the end the verdict.

mod clock;
mod enqueuer;
mod faults;
mod fleet;
mod pauses;
mod plan;
mod proxy;
mod report;
mod server;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use db::{Db, DbOptions};
use jobs::schedules;
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, PgPool};
use tokio::sync::Semaphore;
use tokio_util::task::AbortOnDropHandle;

use crate::check;
use crate::history::{self, History};
use crate::kinds::{Beat, UNHEARD};
use crate::output::say;
use crate::sabotage::Sabotage;
use enqueuer::Enqueuer;
use faults::{Fault, Stage, persist};
use fleet::{Fleet, Setting};
use pauses::Pauses;
use plan::{Plan, PlannedFault};
use report::Figures;
use server::Server;

/// Where the checkout begins.
pub(crate) const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Workers of a run.
const SEATS: usize = 4;

/// Faults that may be going on at a time.
const AT_A_TIME: usize = 3;

/// How long the tables may take to be quiet once all is healed. An outcome that was on a connection
/// which died silently is repeated only after a minute.
const PATIENCE: Duration = Duration::from_mins(3);

/// The same for a broken run, which may never be quiet.
const PATIENCE_WITH_SABOTAGE: Duration = Duration::from_secs(4);

/// How much a run does.
#[derive(Args, Clone)]
pub(crate) struct Arguments {
    /// Jobs to enqueue, beside those that belong to faults.
    #[arg(long, default_value_t = 10_000)]
    jobs: usize,
    /// Faults, of all sorts in equal parts.
    #[arg(long, default_value_t = 200)]
    faults: usize,
    /// Only these sorts of faults.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Fault>,
    /// Names the plan; drawn when missing.
    #[arg(long)]
    seed: Option<u64>,
    /// 1,500 jobs and 24 faults, whatever else is asked for.
    #[arg(long)]
    short: bool,
    /// The server to run on, migrated; faults then spare the server itself. A durable one of its own
    /// when missing.
    #[arg(long)]
    database_url: Option<String>,
    /// Where a folder for each seed holds the logs of workers and the report; `target/chaos` when
    /// missing.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// How long a claim holds without a heartbeat.
    #[arg(long, default_value_t = 2000)]
    lease_ms: u64,
    /// Breaks the run, which the checker has to notice.
    #[arg(long, value_enum)]
    sabotage: Option<Sabotage>,
}

/// Runs, checks and reports. False: something is wrong with the engine, or with the checker.
///
/// # Errors
/// When there was no run.
pub(crate) async fn run(mut arguments: Arguments) -> anyhow::Result<bool> {
    if arguments.short {
        (arguments.jobs, arguments.faults) = (1500, 24);
    }
    if arguments.sabotage.and_then(Sabotage::failpoint).is_some() {
        anyhow::ensure!(fail::has_failpoints(), "this build has no failpoints");
    }
    let seed = arguments
        .seed
        .unwrap_or_else(|| rand::random_range(1..1_000_000));
    let Arguments { jobs, faults, .. } = arguments;
    say(&format!("chaos: {jobs} jobs, {faults} faults, seed {seed}"));
    let folder = match &arguments.folder {
        Some(folder) => folder.clone(),
        None => PathBuf::from(ROOT).join("target/chaos"),
    };
    let folder = folder.join(format!("seed-{seed}"));
    std::fs::create_dir_all(&folder)?;
    let server = Server::start(arguments.database_url.as_deref()).await?;
    let possible: Vec<Fault> = Fault::ALL
        .iter()
        .copied()
        .filter(|it| server.is_own() || it.spares_server())
        .filter(|it| arguments.only.is_empty() || arguments.only.contains(it))
        .collect();
    let plan = Plan::draw(seed, jobs, faults, &possible, SEATS);
    let setting = Setting {
        url: server.url().clone(),
        lease: Duration::from_millis(arguments.lease_ms),
        sabotage: arguments.sabotage,
        clock: clock::build(&folder)?,
        folder: folder.clone(),
    };
    let stage = prepare(server, &setting).await?;
    let suffered = tokio::select! {
        suffered = perform(&stage, plan, arguments.sabotage) => suffered,
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
    };
    let verdict = match suffered {
        Ok((history, mut figures)) => {
            figures.seed = seed;
            let verdict = check::check(&history);
            report::report(&figures, &verdict, &folder)?;
            Ok(verdict.findings.is_empty())
        }
        Err(error) => Err(error),
    };
    stage.pool.close().await;
    let Stage { server, fleet, .. } = stage;
    drop(fleet);
    server
        .stop()
        .await
        .context("the temporary server was not cleared away")?;
    verdict
}

async fn prepare(server: Server, setting: &Setting) -> anyhow::Result<Stage> {
    let db = Db::connect_lazy(&DbOptions {
        max_connections: 4,
        ..DbOptions::new(setting.url.as_str())
    })?;
    db.migrate().await?;
    let pool = PgPoolOptions::new()
        .max_connections(8)
        .acquire_timeout(Duration::from_secs(5))
        .connect(setting.url.as_str())
        .await?;
    sqlx::raw_sql(history::SCHEMA).execute(&pool).await?;
    schedules::ensure(&db, &[Beat::schedule()?]).await?;
    let enqueuer = Arc::new(Enqueuer::new(db.clone(), pool.clone()));
    let fleet = Fleet::start(setting, SEATS).await?;
    Ok(Stage {
        server,
        fleet,
        pauses: Pauses::new(db, pool.clone()),
        pool,
        enqueuer,
    })
}

/// Enqueues and breaks as planned, heals, waits until all is quiet, and reads the history.
async fn perform(
    stage: &Stage,
    plan: Plan,
    sabotage: Option<Sabotage>,
) -> anyhow::Result<(History, Figures)> {
    let begun = Instant::now();
    let saboteur = sabotage.and_then(Sabotage::statement).map(|statement| {
        AbortOnDropHandle::new(tokio::spawn(spoil(stage.pool.clone(), statement)))
    });
    let enqueuer = Arc::clone(&stage.enqueuer);
    let batches = plan.batches;
    let enqueueing = tokio::spawn(async move { enqueuer.follow(batches, begun).await });
    let done = suffer_all(stage, &plan.faults, begun).await?;
    enqueueing.await?;
    stage.fleet.heal().await?;
    let healed = begun.elapsed();
    say(&format!(
        "chaos: all is healed after {} s",
        healed.as_secs()
    ));
    let patience = sabotage.map_or(PATIENCE, |_| PATIENCE_WITH_SABOTAGE);
    end_schedule(stage).await?;
    let is_quiet = wait_until_quiet(stage, patience).await?;
    if !is_quiet {
        say("chaos: the tables did not become quiet");
    }
    let quiet = begun.elapsed();
    drop(saboteur);
    let deaths = stage.fleet.stop().await?;
    let mut history = history::collect(&stage.pool).await?;
    history.acknowledged = stage.enqueuer.acknowledged();
    history.deaths = deaths;
    let figures = Figures {
        seed: 0,
        faults: done,
        healed,
        quiet,
    };
    Ok((history, figures))
}

/// Does the faults when they are planned, a few at a time; says which were done.
async fn suffer_all(
    stage: &Stage,
    faults: &[PlannedFault],
    begun: Instant,
) -> anyhow::Result<Vec<Fault>> {
    let mut done = Vec::new();
    let turns = Semaphore::new(AT_A_TIME);
    let all = faults.iter().map(|planned| {
        let turns = &turns;
        async move {
            tokio::time::sleep_until((begun + planned.at).into()).await;
            let _turn = turns.acquire().await?;
            let context = || format!("{:?} could not be done", planned.fault);
            stage.suffer(*planned).await.with_context(context)?;
            anyhow::Ok(planned.fault)
        }
    });
    let mut all: futures::stream::FuturesUnordered<_> = all.collect();
    let mut looks = tokio::time::interval(Duration::from_millis(500));
    loop {
        tokio::select! {
            next = futures::StreamExt::next(&mut all) => match next {
                Some(fault) => {
                    done.push(fault?);
                    if done.len().is_multiple_of(20) {
                        say(&format!("chaos: {} faults after {} s", done.len(), begun.elapsed().as_secs()));
                    }
                }
                None => return Ok(done),
            },
            _ = looks.tick() => stage.fleet.watch().await?,
        }
    }
}

/// Lets no more ticks come, and writes down when that was.
async fn end_schedule(stage: &Stage) -> anyhow::Result<()> {
    // A tick that is due now has two seconds to be found by somebody.
    tokio::time::sleep(Duration::from_secs(2)).await;
    persist(async || {
        sqlx::query(
            "WITH ended AS (UPDATE job_schedules SET paused = true WHERE name = $1)
             INSERT INTO chaos_schedule_ends (schedule, at) VALUES ($1, clock_timestamp())
             ON CONFLICT DO NOTHING",
        )
        .bind(Beat::SCHEDULE)
        .execute(&stage.pool)
        .await
        .map(drop)
    })
    .await
}

/// Waits until nothing is left but jobs of kinds that nobody knows.
async fn wait_until_quiet(stage: &Stage, patience: Duration) -> anyhow::Result<bool> {
    let healed = Instant::now();
    let mut told = healed;
    while healed.elapsed() < patience {
        stage.fleet.watch().await?;
        let left: Vec<(String, i64)> = persist(async || {
            sqlx::query_as("SELECT kind, count(*) FROM jobs WHERE kind <> $1 GROUP BY 1 ORDER BY 1")
                .bind(UNHEARD)
                .fetch_all(&stage.pool)
                .await
        })
        .await?;
        if left.is_empty() {
            return Ok(true);
        }
        if told.elapsed() > Duration::from_secs(10) {
            told = Instant::now();
            let left: Vec<_> = left
                .iter()
                .map(|(kind, jobs)| format!("{kind} {jobs}"))
                .collect();
            say(&format!("chaos: left are {}", left.join(", ")));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(false)
}

/// Does the same harm over and over.
async fn spoil(pool: PgPool, statement: &'static str) {
    loop {
        sqlx::query(AssertSqlSafe(statement))
            .execute(&pool)
            .await
            .ok();
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}
