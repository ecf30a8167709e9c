use std::collections::VecDeque;

use eventsource_stream::{EventStreamError, Eventsource as _};
use futures::stream::{self, BoxStream};
use futures::{StreamExt as _, future};
use reqwest::Response;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::chunk::{CallDelta, Chunk};
use crate::endpoint::Endpoint;
use crate::wire::limits::{Begun, Cut, limited};
use crate::{Error, Event, EventStream, FinishReason, Phase, ToolCall, Usage, failure};

type ServerEvents = BoxStream<'static, Result<eventsource_stream::Event, EventStreamError<Cut>>>;

/// Turns the body of a response into the events of an answer that was asked for at `started`.
pub(super) fn events(endpoint: Endpoint, response: Response, started: Instant) -> EventStream {
    let begun = Begun::default();
    let bytes = response
        .bytes_stream()
        .map(|piece| piece.map_err(outbound::Error::from));
    let bytes = limited(bytes, endpoint.timeouts.idle, begun.clone());
    // A last event without its empty line counts too.
    let end = stream::once(future::ready(Ok("\n\n".into())));
    let answer = Answer {
        server: bytes.chain(end).eventsource().boxed(),
        endpoint,
        started,
        begun,
        ready: VecDeque::new(),
        calls: Vec::new(),
        usage: None,
        finish_reason: None,
        is_over: false,
    };
    stream::unfold(answer, |mut answer| async move {
        answer.next().await.map(|event| (event, answer))
    })
    .boxed()
}

struct Answer {
    server: ServerEvents,
    endpoint: Endpoint,
    started: Instant,
    begun: Begun,
    ready: VecDeque<Event>,
    calls: Vec<CallDelta>,
    usage: Option<Usage>,
    finish_reason: Option<FinishReason>,
    is_over: bool,
}

impl Answer {
    async fn next(&mut self) -> Option<Result<Event, Error>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(Ok(event));
            }
            if self.is_over {
                return None;
            }
            if let Err(error) = self.read_on().await {
                self.is_over = true;
                self.server = stream::empty().boxed();
                return Some(Err(error));
            }
        }
    }

    /// Takes in the server's next event.
    async fn read_on(&mut self) -> Result<(), Error> {
        let limits = self.endpoint.timeouts;
        let (limit, phase) = if self.begun.get() || limits.total <= limits.first_token {
            (limits.total, Phase::Total)
        } else {
            (limits.first_token, Phase::FirstToken)
        };
        let Ok(next) = timeout_at(self.started + limit, self.server.next()).await else {
            return self.cut_short(|endpoint| endpoint.timed_out(phase));
        };
        match next {
            None => self.cut_short(|endpoint| {
                endpoint.broken("the connection closed before the end", None)
            }),
            Some(Ok(event)) => self.take_in(&event),
            Some(Err(EventStreamError::Transport(Cut::Idle))) => {
                self.cut_short(|endpoint| endpoint.timed_out(Phase::Idle))
            }
            Some(Err(EventStreamError::Transport(cut))) => {
                self.cut_short(|endpoint| endpoint.broken("the stream was cut", Some(cut.into())))
            }
            Some(Err(EventStreamError::Utf8(error))) => self
                .cut_short(|endpoint| endpoint.broken("the text is no UTF-8", Some(error.into()))),
            Some(Err(EventStreamError::Parser(_))) => {
                self.cut_short(|endpoint| endpoint.broken("the stream is no event stream", None))
            }
        }
    }

    /// The server stopped without saying so: fine if the model had said that it was done.
    fn cut_short(&mut self, error: impl FnOnce(&Endpoint) -> Error) -> Result<(), Error> {
        if self.finish_reason.is_some() {
            return self.finish();
        }
        Err(error(&self.endpoint))
    }

    fn take_in(&mut self, event: &eventsource_stream::Event) -> Result<(), Error> {
        let data = event.data.trim();
        match (event.event.as_str(), data) {
            ("error", _) => return Err(failure::of_event(&self.endpoint, data)),
            ("keepalive" | "ping", _) | (_, "") => return Ok(()),
            (_, "[DONE]") => return self.finish(),
            _ => {}
        }
        let chunk: Value = serde_json::from_str(data).map_err(|error| {
            self.endpoint
                .broken("a chunk is no JSON", Some(error.into()))
        })?;
        if chunk.get("error").is_some_and(|error| !error.is_null()) {
            return Err(failure::of_event(&self.endpoint, data));
        }
        let chunk = Chunk::read(&chunk);
        if chunk.is_progress() {
            self.begun.set();
        }
        for call in chunk.calls {
            self.add_call(call);
        }
        self.usage = chunk.usage.or(self.usage);
        self.finish_reason = chunk.finish_reason.or(self.finish_reason);
        if !chunk.text.is_empty() {
            self.ready.push_back(Event::TextDelta(chunk.text));
        }
        Ok(())
    }

    /// Joins a fragment to its call.
    ///
    /// Fragments belong together by index; see [`CallDelta::opens_after`] for servers that give
    /// none, or the same one to every call.
    fn add_call(&mut self, delta: CallDelta) {
        let same_index = |call: &&mut CallDelta| delta.index.is_none() || call.index == delta.index;
        let call = self.calls.iter_mut().rev().find(same_index);
        match call {
            Some(call) if !delta.opens_after(call) => {
                if call.id.is_empty() {
                    call.id = delta.id;
                }
                if call.name.is_empty() {
                    call.name = delta.name;
                }
                call.arguments.push_str(&delta.arguments);
            }
            _ => self.calls.push(delta),
        }
    }

    /// Makes the last events ready: the calls, the usage, the end.
    fn finish(&mut self) -> Result<(), Error> {
        let reason = self.finish_reason.unwrap_or_default();
        let has_calls = !self.calls.is_empty();
        let mut calls = std::mem::take(&mut self.calls);
        calls.sort_by_key(|call| call.index);
        for (at, call) in calls.into_iter().enumerate() {
            if call.name.is_empty() {
                return Err(self.endpoint.broken("a tool call has no name", None));
            }
            self.ready.push_back(Event::ToolCall(ToolCall {
                id: Some(call.id)
                    .filter(|id| !id.is_empty())
                    .unwrap_or_else(|| format!("call_{at}")),
                name: call.name,
                arguments: Some(call.arguments)
                    .filter(|arguments| !arguments.trim().is_empty())
                    .unwrap_or_else(|| "{}".to_owned()),
            }));
        }
        self.ready.extend(self.usage.map(Event::Usage));
        let finish_reason = match reason {
            // Some servers say `stop` when they mean their calls.
            FinishReason::Stop if has_calls => FinishReason::ToolCalls,
            reason => reason,
        };
        self.ready.push_back(Event::Done { finish_reason });
        self.is_over = true;
        self.server = stream::empty().boxed();
        Ok(())
    }
}
