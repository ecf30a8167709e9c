use serde::{Deserialize, Serialize};

/// How far a reader has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// What is counted.
    pub unit: Unit,
    /// How many of them are read.
    pub done: u64,
    /// How many there are, where the format says so beforehand.
    pub total: Option<u64>,
}

/// What a reader's progress is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Pages, or slides.
    Pages,
    /// Rows of tables.
    Rows,
    /// Bytes, unpacked.
    Bytes,
}

/// The most bytes of text that one file may hold, where nobody says otherwise.
pub(super) const TEXT_BYTES: usize = 128 << 20;

/// What a reader is held to, and whom it tells how far it has come.
#[derive(Clone, Copy)]
pub(super) struct Watch<'a> {
    text_bytes: usize,
    report: &'a (dyn Fn(Progress) + Sync),
}

impl<'a> Watch<'a> {
    pub(super) fn new(text_bytes: usize, report: &'a (dyn Fn(Progress) + Sync)) -> Self {
        Self { text_bytes, report }
    }

    /// With the usual limits, telling nobody.
    pub(super) fn unseen() -> Self {
        Self {
            text_bytes: TEXT_BYTES,
            report: &|_| {},
        }
    }

    /// With the limits of this one, telling nobody.
    pub(super) fn aside(self) -> Watch<'static> {
        Watch {
            text_bytes: self.text_bytes,
            report: &|_| {},
        }
    }

    pub(super) fn text_bytes(&self) -> usize {
        self.text_bytes
    }

    pub(super) fn at(&self, unit: Unit, done: u64, total: Option<u64>) {
        (self.report)(Progress { unit, done, total });
    }
}
