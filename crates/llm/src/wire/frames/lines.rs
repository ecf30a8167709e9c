use bytes::{Buf as _, Bytes, BytesMut};
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};

use super::super::limits::Cut;
use super::{Frame, Pieces, Torn};

/// What ends a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineEnd {
    /// A line feed.
    Feed,
    /// A line feed, a carriage return, or the one behind the other.
    FeedOrReturn,
}

/// The lines of bytes that come in pieces. Each byte is looked at once, however the pieces are cut.
pub(super) struct Lines {
    bytes: Pieces,
    ends: LineEnd,
    held: BytesMut,
    /// How much of `held` is known to hold no end of a line.
    searched: usize,
    /// Whether a line feed that comes next belongs to the end of the last line.
    is_behind_return: bool,
}

impl Lines {
    /// The lines of `bytes`, and of `last` behind them, for a last one without its end.
    pub(super) fn new(bytes: Pieces, last: &'static [u8], ends: LineEnd) -> Self {
        let last = stream::once(async move { Ok(Bytes::from_static(last)) });
        Self {
            bytes: bytes.chain(last).boxed(),
            ends,
            held: BytesMut::new(),
            searched: 0,
            is_behind_return: false,
        }
    }

    /// The next line without its end; `None` where there are no more.
    pub(super) async fn next(&mut self) -> Option<Result<BytesMut, Cut>> {
        loop {
            if self.is_behind_return && !self.held.is_empty() {
                self.is_behind_return = false;
                if self.held[0] == b'\n' {
                    self.held.advance(1);
                }
            }
            let is_end = |byte: &u8| match self.ends {
                LineEnd::Feed => *byte == b'\n',
                LineEnd::FeedOrReturn => matches!(*byte, b'\n' | b'\r'),
            };
            if let Some(end) = self.held[self.searched..].iter().position(is_end) {
                let line = self.held.split_to(self.searched + end);
                self.is_behind_return = self.held[0] == b'\r';
                self.held.advance(1);
                self.searched = 0;
                return Some(Ok(line));
            }
            self.searched = self.held.len();
            match self.bytes.next().await? {
                Ok(piece) => self.held.extend_from_slice(&piece),
                Err(cut) => return Some(Err(cut)),
            }
        }
    }
}

/// Every line that is not blank, as a frame.
pub(super) fn frames(bytes: Pieces) -> BoxStream<'static, Result<Frame, Torn>> {
    let lines = Lines::new(bytes, b"\n", LineEnd::Feed);
    stream::unfold(Some(lines), |lines| async {
        let mut lines = lines?;
        loop {
            let line = match lines.next().await? {
                Ok(line) if line.trim_ascii().is_empty() => continue,
                Ok(line) => line,
                Err(cut) => return Some((Err(Torn::Cut(cut)), None)),
            };
            return match String::from_utf8(line.to_vec()) {
                Ok(data) => Some((Ok(Frame::message(data)), Some(lines))),
                Err(error) => Some((Err(Torn::Utf8(error)), None)),
            };
        }
    })
    .boxed()
}
