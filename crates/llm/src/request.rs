use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

/// What a model is asked: the exchange so far, the tools it may call and its limits.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    /// The provider's name of the model; empty: the one the [`Model`](crate::Model) was made for.
    pub model: String,
    /// The exchange in order, instructions first.
    pub messages: Vec<Message>,
    /// What the model may call; empty: nothing.
    pub tools: Vec<Tool>,
    /// Whether it has to call one.
    pub tool_choice: ToolChoice,
    /// The form of the answer's text, where it is to be JSON.
    pub output_schema: Option<OutputSchema>,
    /// The most tokens the answer may take; `None`: the provider's own limit.
    ///
    /// A model that reasons unseen gets room for that beside it.
    pub max_output_tokens: Option<u32>,
    /// Sampling temperature; left out where the model takes none.
    pub temperature: Option<f32>,
    /// The passages the answer is to rest on.
    ///
    /// Only the builtin answerer reads them here; other models find them in the prompt's text.
    pub sources: Vec<SourcePassage>,
    /// Whether less will be sent if this is too long for a model. Then only a model that is known to
    /// read more is asked in its place; otherwise any that is not known to read as little.
    pub may_be_shortened: bool,
    /// When whoever asks gives up. Before another try nobody waits beyond it: the error is returned at
    /// once. `None`: never.
    pub deadline: Option<Instant>,
}

impl Request {
    /// Whether there is time for a wait.
    pub(crate) fn has_time_for(&self, wait: std::time::Duration) -> bool {
        self.deadline
            .is_none_or(|deadline| deadline.saturating_duration_since(Instant::now()) > wait)
    }
}

/// Who speaks in a [`Message`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The instructions.
    System,
    /// The customer.
    User,
    /// The model.
    Assistant,
    /// The result of a tool the model called.
    Tool,
}

impl Role {
    /// The name most wire formats use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        }
    }
}

/// One turn of the exchange with a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said; of a tool, its result.
    pub text: String,
    /// What is shown with it; only a customer's message may show anything.
    pub images: Vec<Image>,
    /// The calls an assistant's message makes; empty for every other role.
    pub tool_calls: Vec<ToolCall>,
    /// The call that a tool's message answers; `None` for every other role.
    pub tool_call_id: Option<String>,
    /// An assistant's turn as its provider wrote it; what the provider does not know is rebuilt
    /// from text and calls.
    pub replay: Option<Replay>,
}

impl Message {
    /// Instructions to the model.
    pub fn system(text: impl Into<String>) -> Self {
        Self::plain(Role::System, text)
    }

    /// Something the customer said.
    pub fn user(text: impl Into<String>) -> Self {
        Self::plain(Role::User, text)
    }

    /// Something the customer said and showed.
    pub fn showing(text: impl Into<String>, images: Vec<Image>) -> Self {
        Self {
            images,
            ..Self::plain(Role::User, text)
        }
    }

    /// Something the model said.
    pub fn assistant(text: impl Into<String>) -> Self {
        Self::plain(Role::Assistant, text)
    }

    /// The calls the model made, with what it said beside them.
    pub fn calling(text: impl Into<String>, tool_calls: Vec<ToolCall>) -> Self {
        Self {
            tool_calls,
            ..Self::plain(Role::Assistant, text)
        }
    }

    /// The result of the call with that id.
    pub fn tool(tool_call_id: impl Into<String>, result: impl Into<String>) -> Self {
        Self {
            tool_call_id: Some(tool_call_id.into()),
            ..Self::plain(Role::Tool, result)
        }
    }

    fn plain(role: Role, text: impl Into<String>) -> Self {
        Self {
            role,
            text: text.into(),
            images: Vec::new(),
            tool_calls: Vec::new(),
            tool_call_id: None,
            replay: None,
        }
    }
}

/// Something a model may call.
#[derive(Clone, Debug, PartialEq)]
pub struct Tool {
    /// Its name: letters, digits, `_` and `-`, at most 64.
    pub name: String,
    /// When and what for, as the model reads it.
    pub description: String,
    /// The JSON schema of its arguments.
    pub parameters: Value,
}

/// Whether a model has to call a tool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ToolChoice {
    /// As it sees fit.
    #[default]
    Auto,
    /// None, though it sees them.
    None,
    /// One at least.
    Required,
    /// The one of that name.
    Named(String),
}

/// The form that an answer's text is held to.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputSchema {
    /// Its name: letters, digits, `_` and `-`, at most 64.
    pub name: String,
    /// The JSON schema. For a strict one every object says `"additionalProperties": false` and
    /// requires all of its properties.
    pub schema: Value,
    /// Whether the provider is to guarantee the form, where it can choose.
    pub strict: bool,
}

/// A picture, by its bytes alone: no provider is made to fetch an address for us.
#[derive(Clone, PartialEq, Eq)]
pub struct Image {
    /// Its format.
    pub format: ImageFormat,
    /// The file.
    pub bytes: Bytes,
}

impl std::fmt::Debug for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} of {} bytes", self.format, self.bytes.len())
    }
}

/// The formats of pictures that every provider with eyes reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageFormat {
    /// `image/jpeg`.
    Jpeg,
    /// `image/png`.
    Png,
    /// `image/gif`, of which the first frame counts.
    Gif,
    /// `image/webp`.
    Webp,
}

impl ImageFormat {
    /// The format of that media type; `None` for any that models do not read.
    pub fn of_media_type(media_type: &str) -> Option<Self> {
        [Self::Jpeg, Self::Png, Self::Gif, Self::Webp]
            .into_iter()
            .find(|format| format.media_type().eq_ignore_ascii_case(media_type))
    }

    /// Its media type.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Gif => "image/gif",
            Self::Webp => "image/webp",
        }
    }
}

/// A turn that calls tools as its provider wrote it, sealed reasoning included, to be given back
/// untouched with the results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    /// The wire format it is written in.
    pub(crate) format: &'static str,
    /// The model that wrote it: another one does not read its reasoning.
    pub(crate) model: String,
    /// The items or blocks, in order.
    pub(crate) content: Vec<Value>,
}

impl Replay {
    /// The content, if it was written in that format by that model.
    pub(crate) fn content_for(&self, format: &str, model: &str) -> Option<&[Value]> {
        (self.format == format && self.model == model).then_some(&self.content)
    }
}

/// A call that a model made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// What the result is sent back under; made up where a provider gives none.
    pub id: String,
    /// The tool's name as the model wrote it.
    pub name: String,
    /// The arguments as the model wrote them: JSON if it did well, which nobody has checked.
    pub arguments: String,
}

/// A passage of a document that an answer may rest on.
#[derive(Clone, Debug, PartialEq)]
pub struct SourcePassage {
    /// The number it is cited by, from 1.
    pub number: u32,
    /// The document's title, or its file name.
    pub title: String,
    /// The page it starts on, from 1, where the document has pages.
    pub page: Option<i32>,
    /// The passage.
    pub text: String,
    /// How well it fits the question, 0 to 1.
    pub score: f64,
}
