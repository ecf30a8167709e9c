//! Stand-in servers for the outside services, speaking their true wire formats on a loopback port of their own.
//!
//! [`GraphServer`] plays Meta's send API and reports statuses, [`OpenAiServer`] a model provider, and
//! [`Receiver`] a customer's webhook address. [`WhatsappPost`] makes what Meta posts to us.
//! Each records what it was sent, and answers by a script whose next entry is taken per request.
//! The same servers run as processes of their own by the binary `standin`.
//! There `POST /__behaviours` (a JSON list) adds to the script, `PUT /__behaviours` (one JSON object)
//! sets what holds once the script is empty, and `GET /__received?at_least=N&timeout_ms=M` reads the record.

mod client;
mod graph;
mod listen;
mod openai;
mod receiver;
mod record;
mod script;
mod whatsapp;

pub use graph::{
    GraphBehaviour, GraphOptions, GraphReply, GraphServer, PostedStatus, SentMessage, StatusPlan,
    StatusStep, StatusWebhook,
};
pub use openai::{
    OpenAiBehaviour, OpenAiCall, OpenAiFault, OpenAiOptions, OpenAiReply, OpenAiServer,
};
pub use receiver::{ReceivedPost, Receiver, ReceiverBehaviour, ReceiverReply};
pub use record::TooFew;
pub use whatsapp::{
    MessageStatusItem, Sender, SignedPost, TextMessage, WhatsappClient, WhatsappPost,
    meta_signature, signed_whatsapp_post,
};
