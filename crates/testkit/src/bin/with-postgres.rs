//! Runs a command with a temporary Postgres: `with-postgres [--migrated] <command> [arguments…]`.
//!
//! The command finds the server's address in `METACHAT_TEST_DATABASE_URL` and its programs in the
//! folder `METACHAT_TEST_PG_BIN`. The server and its data go when the command ends, whose exit code
//! is passed on. Where the address is set already, that server is used and left as it is. With
//! `--migrated` the command also finds a database with every migration applied in `DATABASE_URL`.

use std::error::Error;
use std::ffi::OsStr;
use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitCode, ExitStatus};

use embedded::{Options, Server, discard_leftovers, tell_slow_steps};
use rustix::process::{Pid, Signal, kill_process};
use testkit::{BIN_VARIABLE, TestDb, URL_VARIABLE};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

/// Where `make up` unpacks the programs too.
const INSTALL_DIR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.data/install");

/// How the folders of temporary servers begin.
const PREFIX: &str = "metachat-test-";

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let mut program = arguments.next();
    let migrated = program.as_deref() == Some(OsStr::new("--migrated"));
    if migrated {
        program = arguments.next();
    }
    let Some(program) = program else {
        return fail(&"usage: with-postgres [--migrated] <command> [arguments…]");
    };
    let mut command = Command::new(program);
    command.args(arguments);
    let outcome = match std::env::var_os(URL_VARIABLE) {
        Some(url) if !url.is_empty() => run_on(&url.to_string_lossy(), command, migrated).await,
        _ => run_with_server(command, migrated).await,
    };
    match outcome {
        Ok(status) => exit_code(status),
        Err(error) => fail(&error),
    }
}

/// Says in one line why there is nothing to run.
fn fail(error: &dyn std::fmt::Display) -> ExitCode {
    say(&format!("with-postgres: {error}"));
    ExitCode::from(2)
}

/// Prints a line; where nobody listens there is nobody to tell.
fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").ok();
}

/// The code as a shell would give it: 128 and the signal's number where a signal ended it.
fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status
        .code()
        .or_else(|| status.signal().map(|number| 128 + number))
        .and_then(|code| u8::try_from(code).ok());
    ExitCode::from(code.unwrap_or(1))
}

async fn run_with_server(mut command: Command, migrated: bool) -> Outcome<ExitStatus> {
    tokio::task::spawn_blocking(|| {
        discard_leftovers(&std::env::temp_dir(), PREFIX, Path::new(INSTALL_DIR));
    })
    .await?;
    let dir = tempfile::Builder::new()
        .prefix(PREFIX)
        // Root's Postgres runs as another user, who has to pass through.
        .permissions(Permissions::from_mode(0o755))
        .tempdir()?;
    let options = Options {
        durable: false,
        max_connections: 300,
        ..Options::new(dir.path(), INSTALL_DIR)
    };
    let server = Server::start(options, tell_slow_steps(say)).await?;
    command
        .env(URL_VARIABLE, server.url())
        .env(BIN_VARIABLE, server.binaries().dir());
    let outcome = run_on(&server.url(), command, migrated).await;
    server.stop().await?;
    dir.close()?;
    outcome
}

async fn run_on(url: &str, mut command: Command, migrated: bool) -> Outcome<ExitStatus> {
    if !migrated {
        return run(command).await;
    }
    let database = TestDb::create_on(url).await?;
    command.env("DATABASE_URL", database.url());
    run(command).await
}

/// Runs the command to its end. Ctrl-C reaches it by itself; a request to terminate is passed on.
async fn run(mut command: Command) -> Outcome<ExitStatus> {
    let mut interrupts = signal(SignalKind::interrupt())?;
    let mut terminations = signal(SignalKind::terminate())?;
    let mut hangups = signal(SignalKind::hangup())?;
    let mut child = command.spawn().map_err(|error| {
        let program = command.as_std().get_program().to_string_lossy();
        format!("{program}: {error}")
    })?;
    loop {
        tokio::select! {
            status = child.wait() => return Ok(status?),
            _ = interrupts.recv() => {}
            _ = terminations.recv() => terminate(&child)?,
            _ = hangups.recv() => terminate(&child)?,
        }
    }
}

fn terminate(child: &Child) -> Outcome<()> {
    if let Some(number) = child.id()
        && let Some(pid) = Pid::from_raw(i32::try_from(number)?)
    {
        kill_process(pid, Signal::TERM)?;
    }
    Ok(())
}
