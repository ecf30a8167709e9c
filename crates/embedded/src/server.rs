use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgConnection};

use crate::account::Account;
use crate::binaries::Binaries;
use crate::error::{Attempt, Error, Result, last_line};
use crate::home::{Home, install_dir};
use crate::progress::{Progress, ProgressFn};
use crate::{cluster, install, orphan};

/// The name of the one database that the server is started with.
pub const DATABASE: &str = "metachat";

/// How long a start may take; recovery after a crash is part of it.
const START_TIMEOUT: Duration = Duration::from_mins(3);

/// How long open transactions may keep a server from stopping before it is made to.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// The size in bytes at which the log is begun anew by the next start.
const MAX_LOG_BYTES: u64 = 10_000_000;

/// Where a server keeps its data and how it runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder of the server: its files, its socket, its password (mode 0600) and its log.
    ///
    /// Where root's Postgres cannot reach it, a folder of the same server in `/var/lib/metachat`
    /// takes its place.
    pub data_dir: PathBuf,
    /// Where the programs are unpacked; may be shared by many servers.
    pub install_dir: PathBuf,
    /// False for tests: what was committed is lost when the machine fails, and commits are fast.
    pub durable: bool,
    /// How many connections the server accepts.
    pub max_connections: u16,
}

impl Options {
    /// A durable server of 100 connections, with data in `data_dir`.
    pub fn new(data_dir: impl Into<PathBuf>, install_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            install_dir: install_dir.into(),
            durable: true,
            max_connections: 100,
        }
    }
}

/// A running server; it stops when it is told to, or dropped.
pub struct Server {
    child: Option<Child>,
    home: Home,
    binaries: Binaries,
    password: String,
}

impl Server {
    /// Fetches the programs if they are missing, puts in order what an earlier process left, and
    /// starts the server; it is ready for connections when this returns.
    ///
    /// # Errors
    /// Those of [`install()`], [`Error::InUse`] when another process runs this server, and
    /// [`Error::NotReady`] with the last line of its log when it did not start.
    pub async fn start(options: Options, progress: ProgressFn) -> Result<Self> {
        let mut server =
            tokio::task::spawn_blocking(move || Self::launch(&options, &progress)).await??;
        server.wait_until_ready().await?;
        server.create_database().await?;
        Ok(server)
    }

    /// The address of the database, password included, as sqlx and libpq understand it.
    pub fn url(&self) -> String {
        format!(
            "postgres://{}:{}@localhost:5432/{DATABASE}?host={}",
            cluster::USER,
            self.password,
            percent_encode(&self.home.socket_dir)
        )
    }

    /// The folder of the socket, which only the server's user and root can enter.
    pub fn socket_dir(&self) -> &Path {
        &self.home.socket_dir
    }

    /// The folder that holds everything of this server.
    pub fn dir(&self) -> &Path {
        &self.home.dir
    }

    /// The programs that came with the server.
    pub fn binaries(&self) -> &Binaries {
        &self.binaries
    }

    /// Ends all connections, writes everything down and stops.
    ///
    /// # Errors
    /// [`Error::Interrupted`] if the runtime ended meanwhile.
    pub async fn stop(mut self) -> Result<()> {
        if let Some(child) = self.child.take() {
            tokio::task::spawn_blocking(move || end(child)).await?;
        }
        Ok(())
    }

    fn launch(options: &Options, progress: &ProgressFn) -> Result<Self> {
        let account = Account::find()?;
        let data_dir = ensure_dir(&options.data_dir)?;
        let install_dir = install_dir(&ensure_dir(&options.install_dir)?, &account)?;
        let binaries = install(&install_dir, progress)?;
        let home = Home::open(&data_dir, &account)?;
        if !home.cluster().exists() {
            progress(Progress::Initialising);
        }
        if !cluster::ensure(&home, &binaries, &account, options.durable)? {
            orphan::clear(&home, &binaries, &account, progress)?;
        }
        let password = home.password()?;
        progress(Progress::Starting);
        let child = spawn(options, &home, &binaries, &account)?;
        Ok(Self {
            child: Some(child),
            home,
            binaries,
            password,
        })
    }

    /// The database that is always there.
    fn maintenance(&self) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .socket(&self.home.socket_dir)
            .port(5432)
            .username(cluster::USER)
            .password(&self.password)
            .database("postgres")
    }

    async fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            let refusal = match PgConnection::connect_with(&self.maintenance()).await {
                Ok(connection) => return Ok(connection.close().await?),
                Err(error) => error,
            };
            let log = self.home.log();
            let ended = match &mut self.child {
                Some(child) => child.try_wait().attempt("waiting for", &log)?.is_some(),
                None => true,
            };
            if ended {
                let detail = last_line(&fs::read(&log).unwrap_or_default());
                return Err(Error::NotReady { detail, log });
            }
            if Instant::now() > deadline {
                let detail = refusal.to_string();
                return Err(Error::NotReady { detail, log });
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn create_database(&self) -> Result<()> {
        let mut connection = PgConnection::connect_with(&self.maintenance()).await?;
        let found: Option<i32> =
            sqlx::query_scalar("SELECT 1 FROM pg_database WHERE datname = 'metachat'")
                .fetch_optional(&mut connection)
                .await?;
        if found.is_none() {
            sqlx::query("CREATE DATABASE metachat")
                .execute(&mut connection)
                .await?;
        }
        connection.close().await?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = self.child.take() {
            end(child);
        }
    }
}

/// Makes sure of a folder; answers its one true name, by which processes recognise each other.
fn ensure_dir(path: &Path) -> Result<PathBuf> {
    fs::create_dir_all(path).attempt("creating", path)?;
    path.canonicalize().attempt("resolving", path)
}

fn spawn(options: &Options, home: &Home, binaries: &Binaries, account: &Account) -> Result<Child> {
    let log_path = home.log();
    let begin_anew = fs::metadata(&log_path).is_ok_and(|log| log.len() > MAX_LOG_BYTES);
    let log = fs::OpenOptions::new()
        .create(true)
        .append(!begin_anew)
        .write(true)
        .truncate(begin_anew)
        .open(&log_path)
        .attempt("opening", &log_path)?;
    let mut command = account.command(&binaries.postgres());
    command.arg("-D").arg(home.cluster());
    for setting in settings(options, &home.socket_dir) {
        command.arg("-c").arg(setting);
    }
    redirect(&mut command, log)?
        // Ctrl-C in a terminal goes to a whole process group: the product drains before its
        // database stops.
        .process_group(0)
        .spawn()
        .attempt("starting", &binaries.postgres())
}

fn redirect(command: &mut Command, log: File) -> Result<&mut Command> {
    let copy = log.try_clone().attempt("opening", Path::new("the log"))?;
    Ok(command.stdout(copy).stderr(log))
}

fn settings(options: &Options, socket_dir: &Path) -> Vec<String> {
    let socket_dir = socket_dir.to_string_lossy().replace('"', "\"\"");
    let mut settings = vec![
        "listen_addresses=".to_owned(),
        "port=5432".to_owned(),
        format!("unix_socket_directories=\"{socket_dir}\""),
        "unix_socket_permissions=0700".to_owned(),
        format!("max_connections={}", options.max_connections),
        "timezone=UTC".to_owned(),
        "log_timezone=UTC".to_owned(),
        "shared_buffers=128MB".to_owned(),
        "wal_buffers=16MB".to_owned(),
        "jit=off".to_owned(),
        // The queue's table makes dead rows by the thousand a second: a minute is too long.
        "autovacuum_naptime=10s".to_owned(),
    ];
    if !options.durable {
        settings.extend(
            [
                "fsync=off",
                "synchronous_commit=off",
                "full_page_writes=off",
                "wal_level=minimal",
                "max_wal_senders=0",
            ]
            .map(str::to_owned),
        );
    }
    settings
}

/// A path as the value of a URL's parameter.
fn percent_encode(path: &Path) -> String {
    let bytes = path.as_os_str().as_encoded_bytes();
    bytes.iter().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"/-_.~".contains(byte) {
            encoded.push(char::from(*byte));
        } else {
            encoded.push('%');
            encoded.push_str(&hex::encode_upper([*byte]));
        }
        encoded
    })
}

/// Stops the server: with a clean shutdown, or without one when that takes too long.
fn end(mut child: Child) {
    for signal in [Signal::INT, Signal::QUIT] {
        if !send(&child, signal) || ends_within(&mut child, STOP_TIMEOUT) {
            return;
        }
    }
    tracing::warn!(
        process.id = child.id(),
        "the embedded database did not stop"
    );
}

fn send(child: &Child, signal: Signal) -> bool {
    i32::try_from(child.id())
        .ok()
        .and_then(Pid::from_raw)
        .is_some_and(|pid| kill_process(pid, signal).is_ok())
}

fn ends_within(child: &mut Child, limit: Duration) -> bool {
    let deadline = Instant::now() + limit;
    while Instant::now() < deadline {
        if !matches!(child.try_wait(), Ok(None)) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_strange_letters_fits_a_url() {
        let path = Path::new("/home/jo & ann/a%b?c");
        assert_eq!(percent_encode(path), "/home/jo%20%26%20ann/a%25b%3Fc");
    }
}
