use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use crate::report::ROOT;

/// How long a process may take to be ready or to end.
const PATIENCE: Duration = Duration::from_secs(40);

/// What every process of the product is started with.
pub(crate) struct Setting {
    /// The release build.
    pub(crate) program: PathBuf,
    /// Its working directory and data folder: no `.env` of a checkout is found there.
    pub(crate) folder: PathBuf,
    /// Its configuration.
    pub(crate) variables: Vec<(&'static str, String)>,
}

/// A process of the product; it goes when it is dropped.
pub(crate) struct Process {
    child: Child,
    name: &'static str,
    log: PathBuf,
}

impl Setting {
    /// Starts one subcommand; its log goes to a file in the folder.
    pub(crate) fn start(&self, name: &'static str) -> anyhow::Result<Process> {
        let log = self.folder.join(format!("{name}.log"));
        let file = File::create(&log)?;
        let child = Command::new(&self.program)
            .arg(name)
            .env_clear()
            .envs(self.variables.iter().map(|(key, value)| (key, value)))
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} cannot be run", self.program.display()))?;
        Ok(Process { child, name, log })
    }
}

impl Process {
    /// Resident memory in MB (of a million bytes).
    pub(crate) fn resident_mb(&self) -> anyhow::Result<f64> {
        let id = self.child.id().context("the process has ended")?;
        let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
        let kib = resident_kib(&status).context("no VmRSS: this needs Linux")?;
        Ok(f64::from(kib) * 1024.0 / 1e6)
    }

    /// Waits until the health check answers 200.
    pub(crate) async fn wait_ready(
        &mut self,
        client: &reqwest::Client,
        base: &str,
    ) -> anyhow::Result<()> {
        let begun = Instant::now();
        let url = format!("{base}/api/health");
        while begun.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait()? {
                bail!(
                    "metachat {} ended ({status}): {}",
                    self.name,
                    self.last_lines()
                );
            }
            let answer = client.get(&url).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("metachat {} is not ready: {}", self.name, self.last_lines())
    }

    /// Ends it as an operator would.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        if let Some(pid) = self
            .child
            .id()
            .and_then(|id| Pid::from_raw(id.cast_signed()))
        {
            kill_process(pid, Signal::TERM)?;
        }
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        let status = ended.with_context(|| format!("metachat {} does not end", self.name))??;
        if !status.success() {
            bail!(
                "metachat {} ended ({status}): {}",
                self.name,
                self.last_lines()
            );
        }
        Ok(())
    }

    /// The end of its log.
    pub(crate) fn last_lines(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = text.lines().rev().take(5).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

fn resident_kib(status: &str) -> Option<u32> {
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// The program to measure: the given one, or the one that was built beside this one.
pub(crate) fn find_program(given: Option<&Path>) -> anyhow::Result<PathBuf> {
    let program = match given {
        Some(given) => given.to_owned(),
        None => std::env::current_exe()?.with_file_name("metachat"),
    };
    if !program.exists() {
        bail!(
            "{} is missing: run `cargo build --release -p metachat`",
            program.display()
        );
    }
    Ok(program.canonicalize()?)
}

/// A port that is free at this moment.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

/// A folder that goes when it is dropped.
pub(crate) fn folder() -> anyhow::Result<tempfile::TempDir> {
    let parent = Path::new(ROOT).join(".data");
    std::fs::create_dir_all(&parent)?;
    let folder = tempfile::Builder::new()
        .prefix("measured-")
        .tempdir_in(parent.canonicalize()?)?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_read_from_the_status_of_a_process() {
        let status = "Name:\tmetachat\nVmPeak:\t  999 kB\nVmRSS:\t   51234 kB\nThreads:\t4\n";
        assert_eq!(resident_kib(status), Some(51_234));
        assert_eq!(resident_kib("Name:\tkthreadd\n"), None);
    }
}
