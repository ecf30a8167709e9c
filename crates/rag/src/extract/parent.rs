use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};

use super::child::Header;
use super::{ExtractError, Extracted, MediaType};

/// How often the child's resident memory is looked at. What grows faster meets the limit that the
/// child has set itself.
const WATCH_EVERY: Duration = Duration::from_millis(50);

/// What is kept of what the child says on stderr.
const STDERR_BYTES: u64 = 4096;

/// What reading one file may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Time from start to end, queueing for a processor included. Default 60 s.
    pub wall: Duration,
    /// Processor time, in whole seconds. Default 60 s.
    pub cpu: Duration,
    /// Resident memory in bytes. Default 1 GiB.
    pub memory_bytes: u64,
    /// Size of what is read, as JSON, in bytes. Default 64 MiB.
    pub output_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            wall: Duration::from_mins(1),
            cpu: Duration::from_mins(1),
            memory_bytes: 1 << 30,
            output_bytes: 64 << 20,
        }
    }
}

/// Reads the file at `input` in a child process: `exe extract <header>`, with an empty
/// environment, no files but its input, and `limits`. The child never outlives the call.
///
/// # Errors
/// All of [`ExtractError`]; only [`ExtractError::Unavailable`] is worth another try.
pub async fn run(
    exe: &Path,
    media_type: MediaType,
    input: &Path,
    limits: &Limits,
) -> Result<Extracted, ExtractError> {
    let header = Header {
        media_type,
        cpu_seconds: limits.cpu.as_secs().max(1),
        memory_bytes: limits.memory_bytes,
        output_bytes: limits.output_bytes,
    };
    let mut child = spawn(exe, &header, input)
        .await
        .map_err(ExtractError::Unavailable)?;
    let pid = child.id();
    let result = tokio::select! {
        result = collect(&mut child, limits) => result,
        () = memory_over(pid, limits.memory_bytes) => Err(ExtractError::TooMuchMemory),
        () = tokio::time::sleep(limits.wall) => Err(too_slow(limits.wall)),
    };
    if result.is_err() {
        end(&mut child).await;
    }
    result
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

/// Takes what the child writes and how it ends.
async fn collect(child: &mut Child, limits: &Limits) -> Result<Extracted, ExtractError> {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let cap = u64::try_from(limits.output_bytes).unwrap_or(u64::MAX);
    let (json, said) = tokio::try_join!(
        async {
            let json = read_capped(stdout, cap.saturating_add(1)).await?;
            if json.len() > limits.output_bytes {
                return Err(ExtractError::TooMuchText);
            }
            Ok(json)
        },
        read_capped(stderr, STDERR_BYTES),
    )?;
    let status = child.wait().await.map_err(ExtractError::Unavailable)?;
    if !status.success() {
        let said = String::from_utf8_lossy(&said);
        tracing::debug!(%status, stderr = %said, "a file could not be read");
        return Err(failure(status, &said, limits));
    }
    serde_json::from_slice(&json).map_err(|_| ExtractError::Crashed)
}

/// Reads the first `cap` bytes and drops the rest, so that the writer never waits.
async fn read_capped(
    pipe: Option<impl AsyncRead + Unpin>,
    cap: u64,
) -> Result<Vec<u8>, ExtractError> {
    let mut bytes = Vec::new();
    let Some(mut pipe) = pipe else {
        return Ok(bytes);
    };
    let read = async {
        (&mut pipe).take(cap).read_to_end(&mut bytes).await?;
        if (bytes.len() as u64) < cap {
            return Ok(());
        }
        tokio::io::copy(&mut pipe, &mut tokio::io::sink())
            .await
            .map(drop)
    };
    read.await.map_err(ExtractError::Unavailable)?;
    Ok(bytes)
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
    let pid = child.id().and_then(|id| i32::try_from(id).ok());
    if let Some(pid) = pid.and_then(Pid::from_raw)
        && let Err(error) = kill_process_group(pid, Signal::KILL)
    {
        tracing::debug!(%error, "a reader was gone before it could be killed");
    }
    if let Err(error) = child.wait().await {
        tracing::warn!(%error, "a reader could not be reaped");
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
