//! The way of every streamed answer: asked for, read frame by frame within its time, ended.

use std::collections::VecDeque;

use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use reqwest::Response;
use serde_json::Value;
use tokio::time::{Instant, timeout, timeout_at};

use super::calls::Calls;
use super::frames::{Frame, Framing, Torn};
use super::limits::{Begun, Cut, limited};
use crate::endpoint::Endpoint;
use crate::{Error, Event, EventStream, FinishReason, Phase, Replay, Usage};

/// How one wire format is read.
pub(super) trait Reader: Send + 'static {
    /// Takes in the next frame, whose data is never blank.
    fn read(&mut self, frame: &Frame, draft: &mut Draft) -> Result<(), Error>;

    /// What goes back to the provider with the results of the calls, once the answer is whole.
    fn replay(&mut self) -> Option<Replay> {
        None
    }
}

/// Posts `body` and gives the events of the answer as `reader` finds them.
///
/// Waits first if an earlier answer said that a limit is used up.
pub(super) async fn ask(
    endpoint: &Endpoint,
    path: &[&str],
    body: &Value,
    framing: Framing,
    reader: impl Reader,
) -> Result<EventStream, Error> {
    endpoint.gate.opened().await;
    let started = Instant::now();
    let limits = endpoint.timeouts;
    let response = timeout(
        limits.first_token.min(limits.total),
        endpoint.post(path, body),
    )
    .await
    .map_err(|_| endpoint.timed_out(Phase::FirstToken))??;
    Ok(events(endpoint.clone(), response, started, framing, reader))
}

fn events(
    endpoint: Endpoint,
    response: Response,
    started: Instant,
    framing: Framing,
    reader: impl Reader,
) -> EventStream {
    let begun = Begun::default();
    let framing = framing.of(response.headers());
    let bytes = response
        .bytes_stream()
        .map(|piece| piece.map_err(outbound::Error::from));
    let bytes = limited(bytes, endpoint.timeouts.idle, begun.clone());
    let frames = framing.frames(bytes);
    let answer = Answer {
        frames,
        reader,
        started,
        draft: Draft {
            endpoint,
            begun,
            ready: VecDeque::new(),
            calls: Calls::default(),
            usage: None,
            finish_reason: None,
            is_over: false,
        },
    };
    stream::unfold(answer, |mut answer| async move {
        answer.next().await.map(|event| (event, answer))
    })
    .boxed()
}

/// An answer as far as it has come.
pub(super) struct Draft {
    pub(super) endpoint: Endpoint,
    pub(super) calls: Calls,
    pub(super) usage: Option<Usage>,
    pub(super) finish_reason: Option<FinishReason>,
    begun: Begun,
    ready: VecDeque<Event>,
    is_over: bool,
}

impl Draft {
    /// More text.
    pub(super) fn text(&mut self, text: &str) {
        if !text.is_empty() {
            self.progress();
            // No row can hold NUL, which a model may write as any other character.
            let text = text.replace('\0', "\u{fffd}");
            self.ready.push_back(Event::TextDelta(text));
        }
    }

    /// The model is at work, whether or not it shows anything.
    pub(super) fn progress(&self) {
        self.begun.set();
    }

    /// The model has said all: nothing more is read.
    pub(super) fn end(&mut self) {
        self.is_over = true;
    }

    /// A frame's data as JSON.
    pub(super) fn json(&self, frame: &Frame) -> Result<Value, Error> {
        serde_json::from_str(&frame.data).map_err(|error| {
            self.endpoint
                .broken("a part is no JSON", Some(error.into()))
        })
    }

    /// Makes the last events ready: the calls, the replay, the usage, the end.
    fn finish(&mut self, replay: Option<Replay>) -> Result<(), Error> {
        let reason = self.finish_reason.unwrap_or_default();
        let has_calls = !self.calls.is_empty();
        let calls = std::mem::take(&mut self.calls).finish();
        let calls = calls.ok_or_else(|| self.endpoint.broken("a tool call has no name", None))?;
        self.ready.extend(calls.into_iter().map(Event::ToolCall));
        if has_calls {
            self.ready.extend(replay.map(Event::Replay));
        }
        let usage = self.usage.filter(Usage::is_believable);
        self.ready.extend(usage.map(Event::Usage));
        let finish_reason = match reason {
            // Some servers say `stop` when they mean their calls.
            FinishReason::Stop if has_calls => FinishReason::ToolCalls,
            reason => reason,
        };
        self.ready.push_back(Event::Done { finish_reason });
        Ok(())
    }
}

struct Answer<R> {
    frames: BoxStream<'static, Result<Frame, Torn>>,
    reader: R,
    started: Instant,
    draft: Draft,
}

impl<R: Reader> Answer<R> {
    async fn next(&mut self) -> Option<Result<Event, Error>> {
        loop {
            if let Some(event) = self.draft.ready.pop_front() {
                return Some(Ok(event));
            }
            if self.draft.is_over {
                return None;
            }
            let read = self.read_on().await;
            let read = match read {
                Ok(()) if self.draft.is_over => self.draft.finish(self.reader.replay()),
                read => read,
            };
            if read.is_err() {
                self.draft.is_over = true;
            }
            if self.draft.is_over {
                // Closes the connection, or gives it back.
                self.frames = stream::empty().boxed();
            }
            if let Err(error) = read {
                return Some(Err(error));
            }
        }
    }

    /// Takes in the server's next frame.
    async fn read_on(&mut self) -> Result<(), Error> {
        let limits = self.draft.endpoint.timeouts;
        let (limit, phase) = if self.draft.begun.get() || limits.total <= limits.first_token {
            (limits.total, Phase::Total)
        } else {
            (limits.first_token, Phase::FirstToken)
        };
        let Ok(next) = timeout_at(self.started + limit, self.frames.next()).await else {
            return self.cut_short(|endpoint| endpoint.timed_out(phase));
        };
        match next {
            Some(Ok(frame)) if frame.data.trim().is_empty() => Ok(()),
            Some(Ok(frame)) => self.reader.read(&frame, &mut self.draft),
            None => self.cut_short(|endpoint| {
                endpoint.broken("the connection closed before the end", None)
            }),
            Some(Err(Torn::Cut(Cut::Idle))) => {
                self.cut_short(|endpoint| endpoint.timed_out(Phase::Idle))
            }
            Some(Err(Torn::Cut(cut))) => {
                self.cut_short(|endpoint| endpoint.broken("the stream was cut", Some(cut.into())))
            }
            Some(Err(Torn::Utf8(error))) => self
                .cut_short(|endpoint| endpoint.broken("the text is no UTF-8", Some(error.into()))),
        }
    }

    /// The server stopped without saying so: fine if the model had said that it was done.
    fn cut_short(&mut self, error: impl FnOnce(&Endpoint) -> Error) -> Result<(), Error> {
        if self.draft.finish_reason.is_some() {
            self.draft.end();
            return Ok(());
        }
        Err(error(&self.draft.endpoint))
    }
}
