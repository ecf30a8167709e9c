//! The words of the product: ids, states, messages and settings, with no I/O and no rules of others.
//!
//! Every other crate speaks in these types; the glossary in `ARCHITECTURE.md` defines the terms.

mod clock;
mod content;
mod ids;
mod inbound;
mod page;
mod plain_text;
mod settings;
mod source;
mod spending;
mod state;

pub use clock::Clock;
pub use content::{
    ChannelError, Content, ContentBody, InteractiveReply, Location, Media, MediaKind,
    MessageContext, NormalizedContent, Order, OrderItem, SharedContact, SystemNotice,
};
pub use ids::{
    ApiKeyId, ChannelId, ChunkId, ContactId, ConversationId, DeliveryId, DocumentId, EndpointId,
    EventId, MessageId, ModelCallId, RawItemId, TenantId, WebchatSessionId,
};
pub use inbound::{ContactRef, Inbound, InboundMessage, StatusUpdate};
pub use page::{Cursor, InvalidCursor, Page};
pub use settings::{
    BudgetSettings, LlmChoice, LlmSettings, RagMode, RetrievalSettings, TenantSettings,
};
pub use source::Source;
pub use spending::{BudgetLevel, CallOutcome, CallPurpose, CircuitState, Health, WhenSpent};
pub use state::{
    Author, ChannelKind, ConversationStatus, Direction, DocumentStatus, MessageStatus, RawOutcome,
    UnknownName,
};
