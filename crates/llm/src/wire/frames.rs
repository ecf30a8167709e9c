//! How the bytes of an answer fall into frames.

use bytes::{Buf as _, Bytes, BytesMut};
use eventsource_stream::{EventStreamError, Eventsource as _};
use futures::stream::{self, BoxStream};
use futures::{StreamExt as _, TryStreamExt as _, future};
use reqwest::header::{CONTENT_TYPE, HeaderMap};

use super::limits::Cut;

type Pieces = BoxStream<'static, Result<Bytes, Cut>>;

/// One frame of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// The event's name; `message` if it has none, or there are no names in this framing.
    pub(super) event: String,
    /// What it says.
    pub(super) data: String,
}

/// What can be wrong with a frame.
#[derive(Debug)]
pub(super) enum Torn {
    /// The bytes ended before their time.
    Cut(Cut),
    /// They are no UTF-8.
    Utf8(std::string::FromUtf8Error),
    /// They are no frames.
    Shape,
}

/// The ways to cut bytes into frames.
#[derive(Clone, Copy, Debug)]
pub(super) enum Framing {
    /// Server-sent events.
    ServerEvents,
    /// One JSON value a line.
    Lines,
    /// One JSON value and no more, from servers that do not stream.
    Whole,
}

impl Framing {
    /// Cuts `bytes` into frames; characters and lines that span pieces stay whole.
    pub(super) fn frames(self, bytes: Pieces) -> BoxStream<'static, Result<Frame, Torn>> {
        match self {
            Self::ServerEvents => server_events(bytes),
            Self::Lines => lines(bytes),
            Self::Whole => whole(bytes),
        }
    }

    /// The framing of a response that was to have this one: some gateways answer in one piece
    /// whatever they are asked for, and say so.
    pub(super) fn of(self, headers: &HeaderMap) -> Self {
        let content_type = headers.get(CONTENT_TYPE);
        let content_type = content_type.and_then(|value| value.to_str().ok());
        match self {
            Self::ServerEvents
                if content_type.is_some_and(|value| value.starts_with("application/json")) =>
            {
                Self::Whole
            }
            framing => framing,
        }
    }
}

fn server_events(bytes: Pieces) -> BoxStream<'static, Result<Frame, Torn>> {
    // A last event without its empty line counts too.
    let end = stream::once(future::ready(Ok(Bytes::from_static(b"\n\n"))));
    let events = bytes.chain(end).eventsource();
    events
        .map(|event| match event {
            Ok(event) => Ok(Frame {
                event: event.event,
                data: event.data,
            }),
            Err(EventStreamError::Transport(cut)) => Err(Torn::Cut(cut)),
            Err(EventStreamError::Utf8(error)) => Err(Torn::Utf8(error)),
            Err(EventStreamError::Parser(_)) => Err(Torn::Shape),
        })
        .boxed()
}

fn whole(bytes: Pieces) -> BoxStream<'static, Result<Frame, Torn>> {
    let whole = bytes.try_fold(Vec::new(), |mut whole, piece| {
        whole.extend_from_slice(&piece);
        future::ready(Ok(whole))
    });
    let frame = async {
        let whole = whole.await.map_err(Torn::Cut)?;
        let data = String::from_utf8(whole).map_err(Torn::Utf8)?;
        Ok(Frame {
            event: "message".to_owned(),
            data,
        })
    };
    stream::once(frame).boxed()
}

fn lines(bytes: Pieces) -> BoxStream<'static, Result<Frame, Torn>> {
    // A last line without its end counts too.
    let end = stream::once(future::ready(Ok(Bytes::from_static(b"\n"))));
    let lines = Lines {
        bytes: bytes.chain(end).boxed(),
        held: BytesMut::new(),
        searched: 0,
    };
    stream::unfold(Some(lines), |lines| async {
        let mut lines = lines?;
        match lines.next().await? {
            Ok(line) => Some((Ok(line), Some(lines))),
            Err(torn) => Some((Err(torn), None)),
        }
    })
    .boxed()
}

struct Lines {
    bytes: Pieces,
    held: BytesMut,
    /// How much of `held` is known to hold no end of a line.
    searched: usize,
}

impl Lines {
    async fn next(&mut self) -> Option<Result<Frame, Torn>> {
        loop {
            let unseen = &self.held[self.searched..];
            let Some(end) = unseen.iter().position(|byte| *byte == b'\n') else {
                self.searched = self.held.len();
                match self.bytes.next().await? {
                    Ok(piece) => self.held.extend_from_slice(&piece),
                    Err(cut) => return Some(Err(Torn::Cut(cut))),
                }
                continue;
            };
            let line = self.held.split_to(self.searched + end);
            self.held.advance(1);
            self.searched = 0;
            if !line.trim_ascii().is_empty() {
                let data = String::from_utf8(line.to_vec()).map_err(Torn::Utf8);
                return Some(data.map(|data| Frame {
                    event: "message".to_owned(),
                    data,
                }));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn data(framing: Framing, pieces: &[&[u8]]) -> Vec<Result<String, Torn>> {
        let pieces: Vec<_> = pieces
            .iter()
            .map(|piece| Ok(Bytes::copy_from_slice(piece)))
            .collect();
        let frames = framing.frames(stream::iter(pieces).boxed());
        frames.map(|frame| Ok(frame?.data)).collect().await
    }

    #[tokio::test]
    async fn lines_are_whole_wherever_they_are_cut() {
        let text = "{\"a\":\"東京\"}\r\n\n{\"b\":\"🎉\"}\n{\"c\":1}";
        for size in [1, 2, 5, 100] {
            let pieces: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
            let lines = data(Framing::Lines, &pieces).await;
            let lines: Vec<String> = lines.into_iter().map(|line| line.unwrap()).collect();
            let lines: Vec<&str> = lines.iter().map(|line| line.trim()).collect();
            assert_eq!(lines, ["{\"a\":\"東京\"}", "{\"b\":\"🎉\"}", "{\"c\":1}"]);
        }
    }

    #[tokio::test]
    async fn a_line_that_is_no_text_is_said_to_be_none() {
        let frames = data(Framing::Lines, &[b"{}\n\xff\n"]).await;
        assert!(
            matches!(&frames[..], [Ok(_), Err(Torn::Utf8(_))]),
            "{frames:?}"
        );
    }
}
