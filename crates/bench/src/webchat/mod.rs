//! The suite `webchat`: thousands of visitors connected to the real binary, what each of them takes,
//! and how soon one of them hears of a message.

mod crowd;

use std::time::Duration;

use anyhow::{Context as _, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::WebchatArguments;
use crate::product::process::{self, Process, Setting};
use crate::report::{Aim, Report, Row, say};
use crate::server::Server;
use crate::stats::percentile_ms;
use crowd::Crowd;

/// How long the process is left alone before its memory is read.
const SETTLE: Duration = Duration::from_secs(5);

/// Files that a process has open besides its clients.
const OTHER_FILES: u64 = 500;

/// Clients that come before memory is first read, so that what is made once is there.
const FIRST: usize = 20;

/// Measures all of it.
///
/// # Errors
/// When the process fails, a client is refused or hears nothing, and those of the database.
pub(crate) async fn measure(
    server: &Server,
    arguments: &WebchatArguments,
    report: &mut Report,
) -> anyhow::Result<()> {
    let clients = if arguments.full { 5000 } else { 1000 };
    let clients = arguments.clients.unwrap_or(clients);
    allow_files(u64::try_from(clients)? + OTHER_FILES)?;
    let folder = process::folder()?;
    let database = server.database("webchat").await?;
    let port = process::free_port()?;
    let key = format!("{:032x}", rand::random::<u128>());
    let many = "1000000".to_owned();
    let setting = Setting {
        program: process::find_program(arguments.metachat.as_deref())?,
        folder: folder.path().to_owned(),
        variables: vec![
            ("DATABASE_URL", database.url.to_string()),
            ("METACHAT_LISTEN", format!("127.0.0.1:{port}")),
            ("METACHAT_ADMIN_KEY", key.clone()),
            ("METACHAT_WEBCHAT_SESSIONS_PER_ADDRESS_HOUR", many.clone()),
            ("METACHAT_WEBCHAT_SESSIONS_PER_TENANT_HOUR", many),
        ],
    };
    let client = crate::product::client()?;
    let base = format!("http://127.0.0.1:{port}");
    let mut api = setting.start("api")?;
    api.wait_ready(&client, &base).await?;
    let db = database.db.clone();
    let mut crowd = Crowd::gather(&client, &base, &key, db, clients + FIRST).await?;
    crowd.connect(FIRST).await?;
    memory(&api, &mut crowd, clients, report).await?;
    say("from commit to client …");
    let times = crowd.hear(arguments.messages).await?;
    report.note("commit_to_client_p50", percentile_ms(&times, 50), "ms");
    let p99 = times_row(&times, 99);
    report.push(p99);
    crowd.leave();
    api.stop().await?;
    server.drop_database(database).await
}

fn times_row(times: &[Duration], percent: usize) -> Row {
    let time = percentile_ms(times, percent);
    Row::new(format!("commit_to_client_p{percent}"), "ms", &[time]).aim(Aim::AtMost(50.0))
}

/// What one client adds to the resident memory of the process.
async fn memory(
    api: &Process,
    crowd: &mut Crowd,
    clients: usize,
    report: &mut Report,
) -> anyhow::Result<()> {
    say(&format!("{clients} clients …"));
    tokio::time::sleep(SETTLE).await;
    let before = api.resident_mb()?;
    crowd.connect(clients).await?;
    tokio::time::sleep(SETTLE).await;
    let after = api.resident_mb()?;
    report.note("resident_memory_before", before, "MB");
    report.note(format!("resident_memory_with_{clients}"), after, "MB");
    let each = (after - before) * 1000.0 / f64::from(u32::try_from(clients)?);
    let row = Row::new("memory_per_client", "kB", &[each]).aim(Aim::AtMost(30.0));
    report.push(row);
    Ok(())
}

/// Lets this process and those it starts open so many files.
fn allow_files(count: u64) -> anyhow::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(u64::MAX);
    ensure!(
        most >= count,
        "{count} files have to be open at a time and {most} may: raise the limit (ulimit -Hn)"
    );
    let raised = Rlimit {
        current: Some(count.max(limit.current.unwrap_or(u64::MAX))),
        ..limit
    };
    setrlimit(Resource::Nofile, raised).context("the limit of open files cannot be raised")
}
