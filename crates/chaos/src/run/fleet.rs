use std::fs::File;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use url::Url;

use super::proxy::Proxy;
use crate::kinds::Version;
use crate::sabotage::Sabotage;

/// How long a worker that was told to end may take: its drain, and a database that is away.
const PATIENCE: Duration = Duration::from_secs(30);

/// How every worker is started.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    /// The database, past the proxies.
    pub(crate) url: Url,
    /// Where the logs go.
    pub(crate) folder: PathBuf,
    pub(crate) lease: Duration,
    pub(crate) sabotage: Option<Sabotage>,
    /// What steps a worker's clock when it is loaded into it.
    pub(crate) clock: Option<PathBuf>,
}

/// The workers of a run, each behind a proxy of its own.
pub(crate) struct Fleet {
    pub(crate) seats: Vec<Mutex<Seat>>,
}

/// The place of one worker. Whoever has it locked decides what happens to it.
pub(crate) struct Seat {
    setting: Setting,
    number: usize,
    pub(crate) proxy: Proxy,
    child: Option<Child>,
    pub(crate) version: Version,
    starts: usize,
    /// What ended without having been asked to.
    deaths: Vec<String>,
}

impl Fleet {
    /// Starts workers of the old version.
    ///
    /// # Errors
    /// When they cannot be started.
    pub(crate) async fn start(setting: &Setting, size: usize) -> anyhow::Result<Self> {
        let mut seats = Vec::with_capacity(size);
        for number in 0..size {
            let mut seat = Seat {
                setting: setting.clone(),
                number,
                proxy: Proxy::start(&setting.url).await?,
                child: None,
                version: Version::Old,
                starts: 0,
                deaths: Vec::new(),
            };
            seat.start(None)?;
            seats.push(Mutex::new(seat));
        }
        Ok(Self { seats })
    }

    /// Makes everything whole: every worker is awake, connected, and of the new version.
    ///
    /// # Errors
    /// When one cannot be started.
    pub(crate) async fn heal(&self) -> anyhow::Result<()> {
        for seat in &self.seats {
            let mut seat = seat.lock().await;
            seat.proxy.set_open(true);
            seat.proxy.close_dead();
            if seat.version == Version::Old {
                seat.deploy(Version::New).await?;
            }
            seat.ensure_running()?;
        }
        Ok(())
    }

    /// Starts anew whatever ended by itself, and remembers that it did.
    ///
    /// # Errors
    /// When one cannot be started.
    pub(crate) async fn watch(&self) -> anyhow::Result<()> {
        for seat in &self.seats {
            // Whoever is at work on a worker knows what it does.
            if let Ok(mut seat) = seat.try_lock() {
                seat.ensure_running()?;
            }
        }
        Ok(())
    }

    /// Stops all of them; says which ended without having been asked to.
    ///
    /// # Errors
    /// When one does not end.
    pub(crate) async fn stop(&self) -> anyhow::Result<Vec<String>> {
        let mut deaths = Vec::new();
        for seat in &self.seats {
            let mut seat = seat.lock().await;
            seat.ensure_running()?;
            seat.stop().await?;
            deaths.append(&mut seat.deaths);
        }
        Ok(deaths)
    }
}

impl Seat {
    /// Starts a worker, its clock stepped by so many seconds.
    pub(crate) fn start(&mut self, clock_step: Option<i64>) -> anyhow::Result<()> {
        self.starts += 1;
        let name = format!("worker-{}.{}.log", self.number, self.starts);
        let log = File::create(self.setting.folder.join(name))?;
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args([
                "worker",
                "--url",
                self.proxy.url(&self.setting.url)?.as_str(),
            ])
            .args([
                "--version",
                if self.version == Version::Old {
                    "old"
                } else {
                    "new"
                },
            ])
            .args(["--lease-ms", &self.setting.lease.as_millis().to_string()])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true);
        if let Some(sabotage) = self.setting.sabotage.filter(|it| it.is_in_worker()) {
            let name = format!("{sabotage:?}").to_lowercase();
            command.args(["--sabotage", &name]);
        }
        if let (Some(step), Some(library)) = (clock_step, &self.setting.clock) {
            command
                .env("LD_PRELOAD", library)
                .env("CHAOS_CLOCK_STEP_SECONDS", step.to_string());
        }
        self.child = Some(command.spawn().context("a worker cannot be started")?);
        Ok(())
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let id = self.child.as_ref().and_then(Child::id);
        if let Some(pid) = id.and_then(|id| Pid::from_raw(id.cast_signed())) {
            kill_process(pid, signal)?;
        }
        Ok(())
    }

    /// Ends the worker without a word.
    pub(crate) async fn kill(&mut self) -> anyhow::Result<()> {
        self.note_death()?;
        if let Some(mut child) = self.child.take() {
            child.kill().await?;
        }
        Ok(())
    }

    /// Ends the worker as a deploy does.
    pub(crate) async fn stop(&mut self) -> anyhow::Result<()> {
        self.note_death()?;
        self.signal(Signal::TERM)?;
        if let Some(mut child) = self.child.take() {
            let ended = tokio::time::timeout(PATIENCE, child.wait()).await;
            let Ok(status) = ended else {
                child.kill().await?;
                bail!("worker {} did not end within {PATIENCE:?}", self.number);
            };
            self.blame(status?);
        }
        Ok(())
    }

    /// Stops the worker and starts one of another version.
    pub(crate) async fn deploy(&mut self, version: Version) -> anyhow::Result<()> {
        self.stop().await?;
        self.version = version;
        self.start(None)
    }

    fn ensure_running(&mut self) -> anyhow::Result<()> {
        self.note_death()?;
        if self.child.is_none() {
            self.start(None)?;
        }
        Ok(())
    }

    /// Notes that the worker has ended by itself, if it has.
    fn note_death(&mut self) -> anyhow::Result<()> {
        let status = match &mut self.child {
            Some(child) => child.try_wait()?,
            None => None,
        };
        if let Some(status) = status {
            self.child = None;
            self.deaths
                .push(format!("worker {} ended: {status}", self.number));
        }
        Ok(())
    }

    fn blame(&mut self, status: ExitStatus) {
        // One that was told to end before it listened has ended as told.
        if !status.success() && status.signal() != Some(Signal::TERM.as_raw()) {
            self.deaths.push(format!(
                "worker {} was told to end, and ended: {status}",
                self.number
            ));
        }
    }
}
