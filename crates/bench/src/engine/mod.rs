//! The suite `jobs`: the engine beside pgbench on the same server, in the same run.

mod enqueueing;
mod kinds;
mod pickup;
mod run;
mod throughput;

use crate::JobsArguments;
use crate::report::{Report, say};
use crate::server::Server;

/// Measures all of it.
///
/// # Errors
/// Those of the database, and when jobs get stuck.
pub(crate) async fn measure(server: &Server, arguments: &JobsArguments) -> anyhow::Result<Report> {
    let mut report = Report::new("jobs");
    let database = server.database("jobs").await?;
    let db = &database.db;
    let size = (arguments.jobs, arguments.rounds);
    throughput::measure(server, &database, size, &mut report).await?;
    if !arguments.throughput_only {
        say("jobs with ordering keys …");
        enqueueing::measure_keyed(db, arguments.keyed, &mut report).await?;
        say("pick-up …");
        pickup::measure(db, arguments.seconds, &mut report).await?;
        say("enqueueing …");
        enqueueing::measure(db, arguments.seconds, &mut report).await?;
    }
    server.drop_database(database).await?;
    Ok(report)
}
