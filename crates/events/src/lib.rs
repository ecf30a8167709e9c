//! What happens, told to whoever wants to know: the typed events, and their way to the endpoints of
//! a tenant as signed webhooks.
//!
//! [`emit`] stores one delivery for each subscribed endpoint in the transaction in which the event
//! happened; [`deliver`] posts it, as a durable job. Signatures and headers follow Standard Webhooks
//! 1.0.0, so any of its libraries verifies them; `docs/webhooks.md` tells integrators the rest.

mod data;
mod deliver;
mod emit;
mod event;
mod secret;

pub use data::{
    AnswerData, BudgetData, ChannelData, ContactData, ConversationData, DocumentData, MessageData,
    ProviderData,
};
pub use deliver::{deliver, on_dead};
pub use emit::emit;
pub use event::{Event, EventType};
pub use secret::{open_secret, seal_secret};
