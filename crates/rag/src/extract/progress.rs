use serde::{Deserialize, Serialize};

use super::Extracted;

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

/// Who hears of what is read while it is read.
pub(super) trait Listener: Sync {
    /// How far the reader has come.
    fn progress(&self, progress: Progress);

    /// Whether parts of the text are wanted before the whole is read.
    fn takes_parts(&self) -> bool {
        false
    }

    /// The next part of the text, which is sure to be as it is; each ends with a page. What the
    /// reader returns in the end is the last part.
    fn part(&self, _part: Extracted) {}

    /// The parts so far count for nothing: the text is read anew in another way.
    fn start_over(&self) {}
}

/// Nobody listens.
struct Nobody;

impl Listener for Nobody {
    fn progress(&self, _progress: Progress) {}
}

/// What a reader is held to, and whom it tells how far it has come.
#[derive(Clone, Copy)]
pub(super) struct Watch<'a> {
    text_bytes: usize,
    listener: &'a dyn Listener,
}

impl<'a> Watch<'a> {
    pub(super) fn new(text_bytes: usize, listener: &'a dyn Listener) -> Self {
        Self {
            text_bytes,
            listener,
        }
    }

    /// With the usual limits, telling nobody.
    pub(super) fn unseen() -> Self {
        Watch::within(TEXT_BYTES)
    }

    /// With the limits of this one, telling nobody.
    pub(super) fn aside(self) -> Watch<'static> {
        Watch::within(self.text_bytes)
    }

    /// With a limit, telling nobody.
    pub(super) fn within(text_bytes: usize) -> Self {
        Self {
            text_bytes,
            listener: &Nobody,
        }
    }

    pub(super) fn text_bytes(&self) -> usize {
        self.text_bytes
    }

    pub(super) fn at(&self, unit: Unit, done: u64, total: Option<u64>) {
        self.listener.progress(Progress { unit, done, total });
    }

    pub(super) fn takes_parts(&self) -> bool {
        self.listener.takes_parts()
    }

    pub(super) fn part(&self, part: Extracted) {
        self.listener.part(part);
    }

    pub(super) fn start_over(&self) {
        self.listener.start_over();
    }
}
