//! One running process of the program.

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use serde_json::Value;
use tokio::process::{Child, Command};

/// The longest that anything the tests wait for may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// How much of its log a process leaves to a test that fails.
const LOG_TAIL_LINES: usize = 40;

/// A process, which ends with the test at the latest.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a command whose log goes to the file `log`.
    pub(crate) fn start(mut command: Command, log: &Path) -> Self {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(log).unwrap())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self {
            child,
            log: log.to_owned(),
        }
    }

    /// Waits for the log line with this message.
    pub(crate) async fn logged(&mut self, message: &str) -> Value {
        let found = async {
            loop {
                if let Some(line) = self.find_in_log(message) {
                    return line;
                }
                let ended = self.child.try_wait().unwrap();
                assert!(ended.is_none(), "it ended before it said {message:?}");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, found)
            .await
            .unwrap_or_else(|_| panic!("it never said {message:?}"))
    }

    fn find_in_log(&self, message: &str) -> Option<Value> {
        let log = fs::read_to_string(&self.log).unwrap();
        log.lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .find(|line| line["message"] == message)
    }

    /// Waits until a failpoint has killed it.
    pub(crate) async fn killed(mut self) {
        let status = self.ended().await;
        assert_eq!(status.signal(), Some(9), "it was to be killed: {status}");
    }

    /// Waits until a failpoint, or [`Process::signal`], has stopped it.
    pub(crate) async fn stopped(&self) {
        let options = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        until("the process stops", || async {
            let status = waitid(WaitId::Pid(self.pid()), options).unwrap();
            status
                .filter(rustix::process::WaitIdStatus::stopped)
                .map(drop)
        })
        .await;
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Asks it to end, and waits until it has finished what it had begun.
    pub(crate) async fn drained(mut self) {
        self.signal(Signal::TERM);
        let status = self.ended().await;
        assert_eq!(status.code(), Some(0), "it was to end in peace: {status}");
    }

    async fn ended(&mut self) -> ExitStatus {
        tokio::time::timeout(PATIENCE, self.child.wait())
            .await
            .unwrap_or_else(|_| panic!("it never ended"))
            .unwrap()
    }

    fn pid(&self) -> Pid {
        let id = self.child.id().unwrap();
        Pid::from_raw(i32::try_from(id).unwrap()).unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let tail = lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n");
            eprintln!("--- {}\n{tail}\n", self.log.display());
        }
    }
}

/// Looks again and again until there is something to see.
pub(crate) async fn until<T, F>(what: &str, mut look: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        // Seldom enough for the limit on a key's requests.
        tokio::time::sleep(Duration::from_millis(80)).await;
    }
}
