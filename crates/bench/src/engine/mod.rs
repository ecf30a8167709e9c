//! The suite `jobs`: the engine beside bare scripts and other job queues, in one run on one server.

mod backlog;
mod bloat;
mod cpu;
mod enqueueing;
mod fairness;
mod fill;
mod keys;
mod kinds;
mod limits;
mod pickup;
mod run;
mod script;
mod size;
mod throughput;
mod waits;
mod whale;

use clap::ValueEnum;

use crate::JobsArguments;
use crate::peers::Peers;
use crate::report::{Report, Row, say};
use crate::server::{Database, Server};
use size::Size;

/// The parts of the suite, in the order they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Measure {
    /// Jobs that do nothing, beside a script and peers.
    Throughput,
    /// The same of a thousand tenants, beside one.
    Fairness,
    /// Waits of small tenants beside a big one.
    Whale,
    /// Ordering keys and limits.
    Keys,
    /// Waits of single jobs, beside Graphile Worker's.
    Pickup,
    /// Enqueueing beside bare inserts.
    Enqueue,
    /// Dead rows and the size of the tables over time.
    Bloat,
    /// Claims over a large backlog.
    Backlog,
}

/// What all measures share.
struct Scene<'a> {
    server: &'a Server,
    database: &'a Database,
    /// Nothing where peers are not wanted.
    peers: Option<&'a Peers<'a>>,
    size: Size,
    report: &'a mut Report,
}

/// Measures what is asked for; a measure that fails is reported as left out.
///
/// # Errors
/// Those of the database, and the first failure of a measure once all had their turn.
pub(crate) async fn measure(
    server: &Server,
    arguments: &JobsArguments,
    report: &mut Report,
) -> anyhow::Result<()> {
    let peers = Peers::new(server, arguments.hstore_url.as_deref())?;
    let database = server.database("jobs").await?;
    let mut scene = Scene {
        server,
        database: &database,
        peers: (!arguments.without_peers).then_some(&peers),
        size: arguments.size(),
        report,
    };
    let mut failed = None;
    for &measure in Measure::value_variants() {
        if !arguments.only.is_empty() && !arguments.only.contains(&measure) {
            continue;
        }
        say(&format!("{measure:?} …").to_lowercase());
        if let Err(error) = scene.run(measure).await {
            say(&format!("failed: {error:#}"));
            let name = format!("{measure:?}").to_lowercase();
            let why = format!("failed: {error:#}");
            scene.report.push(Row::left_out(name, "", &why));
            failed = failed.or(Some(error));
        }
    }
    server.drop_database(database).await?;
    failed.map_or(Ok(()), Err)
}

impl Scene<'_> {
    async fn run(&mut self, measure: Measure) -> anyhow::Result<()> {
        match measure {
            Measure::Throughput => throughput::measure(self).await,
            Measure::Fairness => fairness::measure(self).await,
            Measure::Whale => whale::measure(self).await,
            Measure::Keys => keys::measure(self).await,
            Measure::Pickup => pickup::measure(self).await,
            Measure::Enqueue => enqueueing::measure(self).await,
            Measure::Bloat => bloat::measure(self).await,
            Measure::Backlog => backlog::measure(self).await,
        }
    }
}

impl JobsArguments {
    fn size(&self) -> Size {
        let mut size = if self.full { Size::FULL } else { Size::SHORT };
        if let Some(rounds) = self.rounds {
            size.rounds = rounds;
            size.slow_rounds = rounds;
        }
        size.jobs = self.jobs.unwrap_or(size.jobs);
        size
    }
}
