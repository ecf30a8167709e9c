use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::BoxStream;

use crate::{Error, Message, Replay, Request, ToolCall};

/// Something that answers a [`Request`].
///
/// Every implementation streams; the plain call collects the stream, so there is one way an answer
/// is made. Dropping the future or the stream ends the work and closes the connection.
pub trait Model: Send + Sync {
    /// The provider's name, as errors and logs carry it.
    fn provider(&self) -> &'static str;

    /// Starts an answer.
    ///
    /// The stream ends with [`Event::Done`] or with one error, and nothing follows either.
    ///
    /// # Errors
    /// Any [`Error`]: what is known before the answer starts comes from the future, the rest from
    /// the stream.
    fn stream(&self, request: Request) -> BoxFuture<'_, Result<EventStream, Error>>;

    /// Waits for the whole answer.
    ///
    /// # Errors
    /// The first error of the stream; what came before it is lost.
    fn complete(&self, request: Request) -> BoxFuture<'_, Result<Completion, Error>> {
        Box::pin(async move {
            let mut events = self.stream(request).await?;
            let mut completion = Completion::default();
            while let Some(event) = events.next().await {
                completion.add(event?);
            }
            Ok(completion)
        })
    }
}

/// The events of one answer, in order.
pub type EventStream = BoxStream<'static, Result<Event, Error>>;

/// One step of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// More text.
    TextDelta(String),
    /// A call, whole. Its arguments are as the model wrote them.
    ToolCall(ToolCall),
    /// The turn as its provider wants it back with the results of its calls; at most once, after
    /// the calls, and only from providers that need it.
    Replay(Replay),
    /// What the answer has cost; at most once, just before the end. A cancelled answer has none, nor
    /// has one whose server names what cannot be.
    Usage(Usage),
    /// The end.
    Done {
        /// Why the model stopped.
        finish_reason: FinishReason,
    },
}

/// The tokens that an answer took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// All tokens of the request, those read from and written to the provider's cache included.
    pub input: u64,
    /// Tokens of the answer, unseen reasoning included.
    pub output: u64,
    /// Those of `input` that the provider read from its cache.
    pub cached: u64,
    /// Those of `input` that the provider wrote to its cache, which some bill at a higher price.
    pub cache_written: u64,
}

impl Usage {
    /// More tokens than any call takes, of whatever sort. A server that names more is mistaken, as one
    /// that counts below zero is.
    pub(crate) const MOST: u64 = 1_000_000_000;

    /// Whether a call can have taken that much.
    pub(crate) fn is_believable(&self) -> bool {
        let Self {
            input,
            output,
            cached,
            cache_written,
        } = *self;
        [input, output, cached, cache_written]
            .iter()
            .all(|tokens| *tokens <= Self::MOST)
    }
}

/// Why a model stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FinishReason {
    /// It had said all.
    #[default]
    Stop,
    /// It ran into the limit of output tokens, or filled its context; the text is cut off.
    Length,
    /// It waits for the results of its calls.
    ToolCalls,
    /// The provider's filter cut it off.
    ContentFilter,
    /// The model declined to answer; its text, if there is any, says so.
    Refusal,
    /// A reason with no name here.
    Other,
}

/// A whole answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completion {
    /// All of its text.
    pub text: String,
    /// Its calls, in order.
    pub tool_calls: Vec<ToolCall>,
    /// What its provider wants back with the results of the calls.
    pub replay: Option<Replay>,
    /// What it cost, if the provider said so.
    pub usage: Option<Usage>,
    /// Why the model stopped.
    pub finish_reason: FinishReason,
}

impl Completion {
    /// Takes in the next event; for readers that show deltas and keep the whole.
    pub fn add(&mut self, event: Event) {
        match event {
            Event::TextDelta(text) => self.text.push_str(&text),
            Event::ToolCall(call) => self.tool_calls.push(call),
            Event::Replay(replay) => self.replay = Some(replay),
            Event::Usage(usage) => self.usage = Some(usage),
            Event::Done { finish_reason } => self.finish_reason = finish_reason,
        }
    }

    /// The answer as a turn of the exchange, to go on with after the results of its calls.
    pub fn into_message(self) -> Message {
        Message {
            replay: self.replay,
            ..Message::calling(self.text, self.tool_calls)
        }
    }
}
