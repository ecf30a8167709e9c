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
        /// The last line the failing command printed, or what is wrong with what it brought.
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

/// The last line of `output` that is not empty, for a message of one line.
pub(crate) fn last_line(output: &[u8]) -> String {
    String::from_utf8_lossy(output)
        .lines()
        .map(str::trim)
        .rfind(|line| !line.is_empty())
        .unwrap_or("it gave no reason")
        .to_owned()
}
