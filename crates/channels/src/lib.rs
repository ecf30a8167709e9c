//! The channels a customer can write on: telling genuine posts from forged ones, taking them apart,
//! decoding what they say, and putting answers into each channel's own form.
//!
//! Everything here is pure, save for [`whatsapp::send`]. A channel is a folder, an `impl` of
//! [`Channel`] and a line in [`channel`]; `tests/it/conformance.rs` holds what all of them must do.
//!
//! An item goes through three steps: [`Channel::verify`] on the raw body, [`Channel::split_items`]
//! into items that are stored one by one, and [`Channel::decode`] of one stored item, in this or in
//! another process.

mod channel;
mod lenient;
mod registry;
mod settings;
mod text;
pub mod webchat;
pub mod whatsapp;

pub use channel::{
    Capabilities, Channel, Delivery, RawItem, RawKind, SignatureError, Unreadable, Unsupported,
};
pub use registry::channel;
pub use settings::{FieldError, ParsedConfig, merge, parse};
pub use text::split_text;
