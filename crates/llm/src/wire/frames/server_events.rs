//! Server-sent events.
//!
//! Source: <https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream>
//! (2026-11). Ids and times to reconnect are passed over: an answer is never asked for again.

use futures::StreamExt as _;
use futures::stream::{self, BoxStream};

use super::lines::{LineEnd, Lines};
use super::{Frame, Pieces, Torn};

/// Every event that has data, as a frame; a last one without its empty line counts too.
pub(super) fn frames(bytes: Pieces) -> BoxStream<'static, Result<Frame, Torn>> {
    let lines = Lines::new(bytes, b"\n\n", LineEnd::FeedOrReturn);
    stream::unfold(Some((lines, Event::default())), |state| async {
        let (mut lines, mut event) = state?;
        loop {
            let line = match lines.next().await? {
                Ok(line) => String::from_utf8(line.to_vec()).map_err(Torn::Utf8),
                Err(cut) => Err(Torn::Cut(cut)),
            };
            match line {
                Ok(line) => {
                    if let Some(frame) = event.take(&line) {
                        return Some((Ok(frame), Some((lines, event))));
                    }
                }
                Err(torn) => return Some((Err(torn), None)),
            }
        }
    })
    .boxed()
}

/// An event as far as it has come.
#[derive(Default)]
struct Event {
    name: String,
    data: Option<String>,
    /// Whether the first line, which a byte order mark may stand before, is behind.
    has_begun: bool,
}

impl Event {
    /// Takes the next line in; an empty one ends the event.
    fn take(&mut self, line: &str) -> Option<Frame> {
        let line = match line.strip_prefix('\u{feff}') {
            Some(rest) if !self.has_begun => rest,
            _ => line,
        };
        self.has_begun = true;
        if line.is_empty() {
            let name = std::mem::take(&mut self.name);
            let data = self.data.take()?;
            let mut frame = Frame::message(data);
            if !name.is_empty() {
                frame.event = name;
            }
            return Some(frame);
        }
        // A line that begins with a colon is a comment: its field has no name.
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match (field, &mut self.data) {
            ("event", _) => value.clone_into(&mut self.name),
            ("data", Some(data)) => {
                data.push('\n');
                data.push_str(value);
            }
            ("data", none) => *none = Some(value.to_owned()),
            _ => {}
        }
        None
    }
}
