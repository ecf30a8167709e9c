use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use domain::ChunkingSettings;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::time::Instant;

use super::child::Header;
use super::frame::{Facts, Frame};
use super::{ExtractError, MediaType, Progress, progress};
use crate::chunk::{Chunk, Tokenizer};

/// How often the child's resident memory is looked at. What grows faster meets the limit that the
/// child has set itself.
const WATCH_EVERY: Duration = Duration::from_millis(50);

/// What is kept of what the child says on stderr.
const STDERR_BYTES: usize = 4096;

/// How long a child that closed its output may take to end.
const LEAVE: Duration = Duration::from_secs(10);

/// What reading one file may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Time that is waited for the child, in total; what the caller does in between does not count.
    /// Default 3 min.
    pub wall: Duration,
    /// Processor time, in whole seconds. Default 2 min.
    pub cpu: Duration,
    /// Resident memory in bytes. Default 1 GiB.
    pub memory_bytes: u64,
    /// Size of the text in bytes. Default 128 MiB.
    pub text_bytes: usize,
    /// Size of all frames in bytes: the text with overlaps, and its marks. Default 512 MiB.
    pub output_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            wall: Duration::from_mins(3),
            cpu: Duration::from_mins(2),
            memory_bytes: 1 << 30,
            text_bytes: progress::TEXT_BYTES,
            output_bytes: 512 << 20,
        }
    }
}

/// What to do with a file.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The program whose `extract <header>` is [`child::main`](super::child::main).
    pub program: &'a Path,
    /// The file.
    pub input: &'a Path,
    /// What it is called.
    pub media_type: MediaType,
    /// How its text is cut.
    pub chunking: ChunkingSettings,
    /// What counts the tokens.
    pub tokenizer: Tokenizer,
    /// What counts them instead: the `tokenizer.json` of a model that this very process runs. Builds
    /// without such models refuse it.
    pub tokenizer_file: Option<&'a Path>,
}

/// What a reading brings: [`Event::Facts`], then chunks, and [`Event::Progress`] at any time. Another
/// [`Event::Facts`] means that the file is read anew in another way: the chunks before it count for
/// nothing.
#[derive(Debug)]
pub enum Event {
    /// How far it has come.
    Progress(Progress),
    /// What the file says of itself.
    Facts(Facts),
    /// The next chunks, at most 64, in the order of the text.
    Chunks(Vec<Chunk>),
}

/// A file that is being read in a child process: with an empty environment, no files but its
/// input and a tokenizer's, and limits. The child waits while nobody asks for the next event, so the
/// parent never holds more than one run of chunks; it never outlives this value.
#[derive(Debug)]
pub struct Reading {
    child: Child,
    stdout: ChildStdout,
    said: Said,
    limits: Limits,
    /// What is left of the time to wait.
    wall_left: Duration,
    output_left: usize,
    has_ended: bool,
}

impl Reading {
    /// Starts the child.
    ///
    /// # Errors
    /// [`ExtractError::Unavailable`].
    pub async fn start(request: &Request<'_>, limits: &Limits) -> Result<Self, ExtractError> {
        let header = Header {
            media_type: request.media_type,
            chunking: request.chunking,
            tokenizer: request.tokenizer,
            tokenizer_file: request.tokenizer_file.map(Path::to_owned),
            cpu_seconds: limits.cpu.as_secs().max(1),
            memory_bytes: limits.memory_bytes,
            text_bytes: limits.text_bytes,
        };
        let mut child = spawn(request.program, &header, request.input)
            .await
            .map_err(ExtractError::Unavailable)?;
        let missing = || ExtractError::Unavailable(io::ErrorKind::BrokenPipe.into());
        Ok(Self {
            stdout: child.stdout.take().ok_or_else(missing)?,
            said: Said::new(child.stderr.take().ok_or_else(missing)?),
            child,
            limits: *limits,
            wall_left: limits.wall,
            output_left: limits.output_bytes,
            has_ended: false,
        })
    }

    /// The child's process id, until it has ended.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// The next event; `None` after the last one. Not to be called again after an error.
    ///
    /// # Errors
    /// All of [`ExtractError`]; only [`ExtractError::Unavailable`] is worth another try.
    pub async fn next(&mut self) -> Result<Option<Event>, ExtractError> {
        if self.has_ended {
            return Ok(None);
        }
        let started = Instant::now();
        let limits = self.limits;
        let result = tokio::select! {
            result = Frame::read(&mut self.stdout) => result,
            () = self.said.listen() => Err(io::ErrorKind::UnexpectedEof.into()),
            () = memory_over(self.child.id(), limits.memory_bytes) => {
                return self.give_up(ExtractError::TooMuchMemory).await;
            }
            () = tokio::time::sleep(self.wall_left) => {
                return self.give_up(too_slow(limits.wall)).await;
            }
        };
        self.wall_left = self.wall_left.saturating_sub(started.elapsed());
        let frame = match result {
            Ok(Some((frame, length))) if length <= self.output_left => {
                self.output_left -= length;
                frame
            }
            Ok(Some(_)) => return self.give_up(ExtractError::TooMuchText).await,
            Ok(None) => return self.take_leave().await,
            // What a crash leaves of a frame.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return self.take_leave().await;
            }
            Err(error) => {
                tracing::debug!(%error, "a reader did not speak in frames");
                return self.give_up(ExtractError::Crashed).await;
            }
        };
        Ok(match frame {
            Frame::Progress(progress) => Some(Event::Progress(progress)),
            Frame::Facts(facts) => Some(Event::Facts(facts)),
            Frame::Chunks(chunks) => Some(Event::Chunks(chunks)),
            Frame::End => {
                self.has_ended = true;
                end(&mut self.child).await;
                None
            }
        })
    }

    async fn give_up(&mut self, error: ExtractError) -> Result<Option<Event>, ExtractError> {
        end(&mut self.child).await;
        Err(error)
    }

    /// Learns why the child closed its output before the end, from the way it ended itself.
    async fn take_leave(&mut self) -> Result<Option<Event>, ExtractError> {
        let ended = tokio::time::timeout(LEAVE, async {
            self.said.rest().await;
            self.child.wait().await
        });
        let status = match ended.await {
            Ok(Ok(status)) => status,
            Ok(Err(error)) => return self.give_up(ExtractError::Unavailable(error)).await,
            Err(_) => return self.give_up(ExtractError::Crashed).await,
        };
        let said = String::from_utf8_lossy(&self.said.kept);
        tracing::debug!(%status, stderr = %said, "a file could not be read");
        Err(failure(status, &said, &self.limits))
    }
}

/// What a child says on stderr: its start is kept, and the rest taken, so that it never waits.
#[derive(Debug)]
struct Said {
    pipe: ChildStderr,
    kept: Vec<u8>,
}

impl Said {
    fn new(pipe: ChildStderr) -> Self {
        Self {
            pipe,
            kept: Vec::new(),
        }
    }

    /// Listens for as long as the future is polled.
    async fn listen(&mut self) {
        self.rest().await;
        std::future::pending::<()>().await;
    }

    /// Listens until the child closes the pipe.
    async fn rest(&mut self) {
        let mut buffer = [0; 1024];
        while let Ok(read) = self.pipe.read(&mut buffer).await
            && read > 0
        {
            let room = STDERR_BYTES.saturating_sub(self.kept.len()).min(read);
            self.kept.extend_from_slice(&buffer[..room]);
        }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        // The child itself dies with its handle; this ends what it may have started.
        if !self.has_ended {
            kill_group(&self.child);
        }
    }
}

async fn spawn(exe: &Path, header: &Header, input: &Path) -> io::Result<Child> {
    let input = tokio::fs::File::open(input).await?.into_std().await;
    Command::new(exe)
        .arg("extract")
        .arg(serde_json::to_string(header)?)
        .env_clear()
        .stdin(input)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

fn failure(status: ExitStatus, said: &str, limits: &Limits) -> ExtractError {
    if let Some(code) = status.code() {
        return ExtractError::from_exit_code(code);
    }
    let signal = status.signal();
    if signal == Some(Signal::XCPU.as_raw()) {
        too_slow(limits.cpu)
    } else if said.contains("memory allocation of") || signal == Some(Signal::KILL.as_raw()) {
        // Nobody but the kernel, short of memory, kills a child that this process still waits for.
        ExtractError::TooMuchMemory
    } else {
        ExtractError::Crashed
    }
}

fn too_slow(limit: Duration) -> ExtractError {
    ExtractError::TooSlow {
        seconds: limit.as_secs().max(1),
    }
}

/// Kills the child with all that it may have started, and reaps it.
async fn end(child: &mut Child) {
    kill_group(child);
    if let Err(error) = child.wait().await {
        tracing::warn!(%error, "a reader could not be reaped");
    }
}

/// Kills the child with all that it may have started, if it is not reaped yet.
fn kill_group(child: &Child) {
    let pid = child.id().and_then(|id| i32::try_from(id).ok());
    if let Some(pid) = pid.and_then(Pid::from_raw)
        && let Err(error) = kill_process_group(pid, Signal::KILL)
    {
        tracing::debug!(%error, "a reader was gone before it could be killed");
    }
}

/// Returns once the process holds more than `limit` bytes; never, if that cannot be seen.
async fn memory_over(pid: Option<u32>, limit: u64) {
    let mut ticks = tokio::time::interval(WATCH_EVERY);
    loop {
        ticks.tick().await;
        let resident = match pid {
            Some(pid) => resident_bytes(pid).await,
            None => None,
        };
        if resident.is_some_and(|bytes| bytes > limit) {
            return;
        }
    }
}

#[cfg(target_os = "linux")]
async fn resident_bytes(pid: u32) -> Option<u64> {
    let statm = tokio::fs::read_to_string(format!("/proc/{pid}/statm"))
        .await
        .ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * u64::try_from(rustix::param::page_size()).ok()?)
}

#[cfg(not(target_os = "linux"))]
async fn resident_bytes(pid: u32) -> Option<u64> {
    let output = Command::new("/bin/ps")
        .args(["-o", "rss=", "-p", &pid.to_string()])
        .output()
        .await
        .ok()?;
    let kilobytes: u64 = str::from_utf8(&output.stdout).ok()?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}
