//! Stand-in servers for the outside services, speaking their true wire formats on a loopback port of their own.
//!
//! [`GraphServer`] plays Meta's send API and reports statuses, [`OpenAiServer`], [`AnthropicServer`] and
//! [`OllamaServer`] providers of models, and [`Receiver`] a customer's webhook address. [`WhatsappPost`] makes what Meta posts to us.
//! Each records what it was sent, and answers by a script whose next entry is taken per request.
//! The same servers run as processes of their own by the binary `standin`.
//! There `POST /__behaviours` (a JSON list) adds to the script, `PUT /__behaviours` (one JSON object)
//! sets what holds once the script is empty, and `GET /__received?at_least=N&timeout_ms=M` reads the record.

mod anthropic;
mod client;
mod graph;
mod listen;
mod messenger;
mod model;
mod ollama;
mod openai;
mod receiver;
mod record;
mod script;
mod whatsapp;

pub use anthropic::AnthropicServer;
pub use graph::{
    GraphBehaviour, GraphOptions, GraphReply, GraphServer, PostedStatus, SentMessage, StatusPlan,
    StatusStep, StatusWebhook, ThreadMove, Upload,
};
pub use messenger::MessengerPost;
pub use model::{
    ModelBehaviour, ModelBehaviour as OpenAiBehaviour, ModelCall, ModelFault,
    ModelFault as OpenAiFault, ModelOptions, ModelOptions as OpenAiOptions, ModelReply,
    ModelReply as OpenAiReply,
};
pub use ollama::OllamaServer;
pub use openai::OpenAiServer;
pub use receiver::{ReceivedPost, Receiver, ReceiverBehaviour, ReceiverReply};
pub use record::TooFew;
pub use whatsapp::{
    MessageStatusItem, Sender, SignedPost, TextMessage, WhatsappClient, WhatsappPost,
    meta_signature, signed_whatsapp_post,
};
