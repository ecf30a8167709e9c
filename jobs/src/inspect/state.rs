use std::fmt;
use std::str::FromStr;

use domain::UnknownName;

/// Where a job stands, as operators see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobState {
    /// Waits for a slot.
    Ready,
    /// Waits for its time: a delay or a backoff.
    Scheduled,
    /// Waits behind the head of its ordering key.
    Held,
    /// In the hands of a worker.
    Running,
    /// Finished.
    Done,
    /// Ended without need.
    Cancelled,
    /// Given up.
    Dead,
}

impl JobState {
    /// Every state.
    pub const ALL: [Self; 7] = [
        Self::Ready,
        Self::Scheduled,
        Self::Held,
        Self::Running,
        Self::Done,
        Self::Cancelled,
        Self::Dead,
    ];

    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Scheduled => "scheduled",
            Self::Held => "held",
            Self::Running => "running",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
            Self::Dead => "dead",
        }
    }

    /// The number in `jobs.state`; `None` for states of other tables.
    pub(crate) const fn number(self) -> Option<i16> {
        match self {
            Self::Ready => Some(0),
            Self::Scheduled => Some(1),
            Self::Held => Some(2),
            Self::Running => Some(3),
            Self::Done | Self::Cancelled | Self::Dead => None,
        }
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for JobState {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == name)
            .ok_or_else(|| UnknownName {
                what: "job state",
                name: name.to_owned(),
            })
    }
}
