//! How the bytes of an answer fall into frames.

mod lines;
mod server_events;

use bytes::Bytes;
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

impl Frame {
    /// One without a name of its own.
    fn message(data: String) -> Self {
        Self {
            event: "message".to_owned(),
            data,
        }
    }
}

/// What can be wrong with a frame.
#[derive(Debug)]
pub(super) enum Torn {
    /// The bytes ended before their time.
    Cut(Cut),
    /// They are no UTF-8.
    Utf8(std::string::FromUtf8Error),
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
            Self::ServerEvents => server_events::frames(bytes),
            Self::Lines => lines::frames(bytes),
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

fn whole(bytes: Pieces) -> BoxStream<'static, Result<Frame, Torn>> {
    let whole = bytes.try_fold(Vec::new(), |mut whole, piece| {
        whole.extend_from_slice(&piece);
        future::ready(Ok(whole))
    });
    let frame = async {
        let whole = whole.await.map_err(Torn::Cut)?;
        let data = String::from_utf8(whole).map_err(Torn::Utf8)?;
        Ok(Frame::message(data))
    };
    stream::once(frame).boxed()
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
    async fn events_are_whole_wherever_they_are_cut() {
        let text = "\u{feff}: hello\r\nevent: start\rdata: {\"a\":\r\ndata:\"東京\"}\n\r\n\
                    id: 7\ndata\n\nevent: lost\n\ndata:  two spaces\n\n\ndata: last";
        let expected = [
            ("start", "{\"a\":\n\"東京\"}"),
            ("message", ""),
            ("message", " two spaces"),
            ("message", "last"),
        ];
        for size in 1..=text.len() {
            let pieces = text.as_bytes().chunks(size).map(Bytes::copy_from_slice);
            let pieces = stream::iter(pieces.map(Ok)).boxed();
            let frames = Framing::ServerEvents.frames(pieces);
            let frames: Vec<Frame> = frames.map(|frame| frame.unwrap()).collect().await;
            let frames: Vec<(&str, &str)> = frames
                .iter()
                .map(|frame| (frame.event.as_str(), frame.data.as_str()))
                .collect();
            assert_eq!(frames, expected, "in pieces of {size}");
        }
    }

    #[tokio::test]
    async fn an_event_that_is_no_text_is_said_to_be_none_before_the_stream_ends() {
        let frames = data(Framing::ServerEvents, &[b"data: a\n\ndata: \xff\n", b"\n"]).await;
        assert!(
            matches!(&frames[..], [Ok(_), Err(Torn::Utf8(_))]),
            "{frames:?}"
        );
    }

    /// A reader that begins anew with each piece would take minutes here, and this one a moment even
    /// where nothing is optimised.
    #[tokio::test]
    async fn a_line_that_does_not_end_is_read_once() {
        let begun = std::time::Instant::now();
        for framing in [Framing::ServerEvents, Framing::Lines] {
            let piece = Bytes::from(vec![b'x'; 64]);
            let pieces = stream::repeat(piece).take(100_000).map(Ok).boxed();
            let frames: Vec<_> = framing.frames(pieces).collect().await;
            assert!(frames.len() <= 1);
        }
        assert!(begun.elapsed() < std::time::Duration::from_secs(20));
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
