use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use futures::future::BoxFuture;
use futures::{StreamExt as _, stream};

use crate::{Error, Event, EventStream, FinishReason, Model, Request, ToolCall, Usage};

const NAME: &str = "scripted";

/// One answer of a [`Scripted`] model.
#[derive(Debug)]
pub struct Reply {
    start: Result<(), Error>,
    events: Vec<Result<Event, Error>>,
    /// Whether the answer hangs after its last event instead of ending.
    stalls: bool,
}

impl Reply {
    /// Says `text` word by word and stops.
    pub fn text(text: &str) -> Self {
        let words = text.split_inclusive(' ');
        let mut events: Vec<_> = words
            .map(|word| Event::TextDelta(word.to_owned()))
            .collect();
        events.push(Event::Usage(Usage {
            input: 10,
            output: events.len() as u64,
            ..Usage::default()
        }));
        events.push(Event::Done {
            finish_reason: FinishReason::Stop,
        });
        Self::events(events)
    }

    /// Makes one call, with the id `call_<name>`, and waits for its result.
    pub fn tool_call(name: &str, arguments: &serde_json::Value) -> Self {
        Self::events([
            Event::ToolCall(ToolCall {
                id: format!("call_{name}"),
                name: name.to_owned(),
                arguments: arguments.to_string(),
            }),
            Event::Done {
                finish_reason: FinishReason::ToolCalls,
            },
        ])
    }

    /// Exactly these events.
    pub fn events(events: impl IntoIterator<Item = Event>) -> Self {
        Self {
            start: Ok(()),
            events: events.into_iter().map(Ok).collect(),
            stalls: false,
        }
    }

    /// Fails before it begins.
    pub fn error(error: Error) -> Self {
        Self {
            start: Err(error),
            ..Self::events([])
        }
    }

    /// The same reply, its end replaced by an error: every event but the last is given first.
    #[must_use]
    pub fn breaking_off(mut self, error: Error) -> Self {
        self.events.pop();
        self.events.push(Err(error));
        self
    }

    /// The same reply, which after its last event but one never goes on.
    #[must_use]
    pub fn stalling(mut self) -> Self {
        self.events.pop();
        self.stalls = true;
        self
    }
}

/// A model that gives prepared replies in order and keeps what it was asked: the double for tests
/// and for trying out a set-up without cost.
#[derive(Debug, Default)]
pub struct Scripted {
    replies: Mutex<VecDeque<Reply>>,
    requests: Mutex<Vec<Request>>,
}

impl Scripted {
    /// A model that gives `replies`, then [`Error::BadRequest`] for good.
    pub fn new(replies: impl IntoIterator<Item = Reply>) -> Self {
        Self {
            replies: Mutex::new(replies.into_iter().collect()),
            requests: Mutex::default(),
        }
    }

    /// What it was asked so far, in order.
    pub fn requests(&self) -> Vec<Request> {
        let requests = self.requests.lock();
        requests.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many replies are left.
    pub fn replies_left(&self) -> usize {
        let replies = self.replies.lock();
        replies.unwrap_or_else(PoisonError::into_inner).len()
    }

    fn answer(&self, request: Request) -> Result<EventStream, Error> {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.push(request);
        drop(requests);
        let mut replies = self.replies.lock().unwrap_or_else(PoisonError::into_inner);
        let reply = replies.pop_front().ok_or_else(|| Error::BadRequest {
            provider: NAME,
            detail: "the script has no reply left".to_owned(),
        })?;
        reply.start?;
        let events = stream::iter(reply.events);
        Ok(if reply.stalls {
            events.chain(stream::pending()).boxed()
        } else {
            events.boxed()
        })
    }
}

impl Model for Scripted {
    fn provider(&self) -> &'static str {
        NAME
    }

    fn stream(&self, request: Request) -> BoxFuture<'_, Result<EventStream, Error>> {
        Box::pin(async move { self.answer(request) })
    }
}
