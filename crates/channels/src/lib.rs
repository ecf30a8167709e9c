//! The channels a customer can write on: telling genuine posts from forged ones, taking them apart,
//! decoding what they say, and putting answers into each channel's own form.
//!
//! Everything here is pure, save for [`perform`], which makes a request that was described here. A
//! channel is a folder, an `impl` of [`Channel`] and a line in [`channel`]; `tests/it/conformance.rs` holds what all of them must do, and
//! `docs/adding-a-channel.md` says how one is added.
//!
//! # What comes in
//! [`Channel::verify`] on the raw body, [`Channel::split_items`] into items that are stored one by
//! one, and [`Channel::decode`] of one stored item, in this or in another process.
//!
//! # What goes out
//! [`Channel::cite`] and [`Channel::plan`] make contents that fit one message each; for each of
//! them [`Channel::permit`] says whether it may leave now, [`Connection::encode`] describes the
//! request, and [`Connection::read_sent`] reads its answer: [`SendClass::decide`] says what to do
//! about a failure.

mod channel;
mod claims;
mod connection;
mod format;
mod keys;
mod lenient;
mod limit;
mod media;
mod meta;
mod plan;
mod registry;
mod request;
mod send;
mod settings;
mod text;
mod window;

pub mod http_channel;
pub mod messenger;
pub mod webchat;
pub mod whatsapp;

pub use channel::{
    BrokenSettings, Capabilities, Channel, Delivery, Handshake, HandshakeError, MAX_BODY_BYTES,
    Markup, Matched, Post, RawItem, RawKind, SignatureError, Unreadable, Unsupported, Verified,
};
pub use claims::{ClaimError, MAX_CLAIMED_CHANNELS};
pub use connection::{
    Action, Check, CheckKind, Connection, FileTraits, Finding, Health, Outgoing, Platform, Upload,
};
pub use format::{Citations, cite, to_markup};
pub use keys::Keys;
pub use limit::Limit;
pub use media::{MediaError, MediaStep, check_hash};
pub use meta::Graph;
pub use registry::channel;
pub use request::{Audience, Begun, HttpAnswer, HttpRequest, RequestBody, begin, perform};
pub use send::{Decision, Next, Pause, SendClass, SendError, Sent};
pub use settings::{Field, FieldError, FieldKind, ParsedConfig, Schema, json_schema, merge, parse};
pub(crate) use text::split_text;
pub use window::{HUMAN_AGENT_WINDOW, Permit, REPLY_WINDOW, Refusal, Situation, closes_at};
