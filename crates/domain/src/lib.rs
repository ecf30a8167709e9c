//! The words of the product: ids, states, messages and settings, with no I/O and no rules of others.
//!
//! Every other crate speaks in these types; the glossary in `ARCHITECTURE.md` defines the terms.

mod clock;
mod content;
mod conversation;
mod eval;
mod hours;
mod ids;
mod inbound;
mod outgoing;
mod page;
mod people;
mod plain_text;
mod settings;
mod silence;
mod source;
mod spending;
mod state;

pub use clock::Clock;
pub use content::{
    ChannelError, ContentBody, InteractiveReply, Location, Media, MediaKind, MessageContext,
    NormalizedContent, Order, OrderItem, SharedContact, SystemNotice,
};
pub use conversation::{After, ConversationStep};
pub use eval::{EvalFound, ExpectedSource};
pub use hours::{BusinessHours, DayOfWeek, InvalidTimeOfDay, OpenHours, TimeOfDay};
pub use ids::{
    ApiKeyId, AttachmentId, ChannelId, ChunkId, ContactId, ConversationId, DeliveryId, DocumentId,
    EndpointId, ErasureId, EvalQuestionId, EvalRunId, EventId, IdentitySecretId, MessageFileId,
    MessageId, ModelCallId, RawItemId, TenantId, WebchatSessionId,
};
pub use inbound::{
    AccountEffect, AccountEvent, Consent, ContactRef, Handover, HandoverChange, Inbound,
    InboundMessage, Pricing, Receipt, StatusUpdate,
};
pub use outgoing::{
    Choice, Choices, Content, MediaFile, OutgoingMedia, Template, TemplateAction, TemplateButton,
    TemplateHeader, TemplateParameter,
};
pub use page::{Cursor, InvalidCursor, Page};
pub use people::{
    HandoffSettings, ModerationSettings, OnFailure, OptOutSettings, PhrasesByLanguage, WhenClosed,
};
pub use settings::{
    BudgetSettings, ChunkMethod, ChunkingSettings, EmbeddingSettings, FusionMethod, LlmChoice,
    LlmSettings, RagMode, RerankMethod, RetrievalSettings, TenantSettings,
};
pub use source::Source;
pub use spending::{BudgetLevel, CallOutcome, CallPurpose, CircuitState, Health, WhenSpent};
pub use state::{
    AssignReason, Author, ChannelHealth, ChannelKind, ConversationStatus, Direction,
    DocumentSource, DocumentStage, DocumentStatus, EvalRunStatus, MessageFileState, MessageStatus,
    Party, RawOutcome, UnansweredReason, UnknownName, VersionState,
};
