use std::io;
use std::path::{Path, PathBuf};

/// Why a wheel's files are not there; each message is one line for a person.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no `python3` to fetch with.
    #[error(
        "python3 is missing: install Python 3 with pip (Debian: apt-get install python3 python3-pip)"
    )]
    PythonMissing,
    /// `python3` has no pip.
    #[error("python3 has no pip: install it (Debian: apt-get install python3-pip)")]
    PipMissing,
    /// Fetching or unpacking failed, or brought something else.
    #[error("{detail}")]
    Fetch {
        /// The line by which the failing command said why, or what is wrong with what it brought.
        detail: String,
    },
    /// A file operation failed.
    #[error("{what} {} failed", path.display())]
    Io {
        /// What was attempted, as in "creating".
        what: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Adds what was attempted, and where, to an I/O error.
pub(crate) trait Attempt<T> {
    /// Turns the error into [`Error::Io`].
    fn attempt(self, what: &'static str, path: &Path) -> Result<T>;
}

impl<T> Attempt<T> for io::Result<T> {
    fn attempt(self, what: &'static str, path: &Path) -> Result<T> {
        self.map_err(|source| Error::Io {
            what,
            path: path.to_owned(),
            source,
        })
    }
}

/// Why a command failed, in one line: the last that pip marks as an error, for details may follow it;
/// else the last that is not empty.
pub(crate) fn reason(output: &[u8]) -> String {
    let output = String::from_utf8_lossy(output);
    let lines = || output.lines().map(str::trim);
    lines()
        .rfind(|line| line.starts_with("ERROR:"))
        .or_else(|| lines().rfind(|line| !line.is_empty()))
        .unwrap_or("it gave no reason")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_the_line_that_says_why_and_not_what_follows_it() {
        for (output, expected) in [
            ("", "it gave no reason"),
            (
                "Traceback:\n  File x\nBadZipFile: no zip\n\n",
                "BadZipFile: no zip",
            ),
            (
                "ERROR: no version\nERROR: no distribution\n",
                "ERROR: no distribution",
            ),
            (
                "ERROR: other hashes\n    Got  0a1b\n",
                "ERROR: other hashes",
            ),
        ] {
            assert_eq!(reason(output.as_bytes()), expected);
        }
    }
}
