use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::BoxStream;

use crate::{Error, Request, ToolCall};

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
    /// A call, whole.
    ToolCall(ToolCall),
    /// What the answer has cost; at most once, just before the end. A cancelled answer has none.
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
    /// All tokens of the request: those read from the provider's cache and those written to it
    /// are among them.
    pub input: u64,
    /// Tokens of the answer, unseen reasoning included.
    pub output: u64,
    /// Those of `input` that the provider had in its cache.
    pub cached: u64,
    /// Those of `input` that the provider put into its cache.
    pub cache_written: u64,
}

/// Why a model stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FinishReason {
    /// It had said all.
    #[default]
    Stop,
    /// It ran into the limit of output tokens; the text is cut off.
    Length,
    /// It waits for the results of its calls.
    ToolCalls,
    /// The provider's filter cut it off.
    ContentFilter,
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
            Event::Usage(usage) => self.usage = Some(usage),
            Event::Done { finish_reason } => self.finish_reason = finish_reason,
        }
    }
}
