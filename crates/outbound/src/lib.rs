//! The one HTTP client for everything that leaves the house.
//!
//! [`Client::guarded`] is for addresses that a tenant can set: it reaches public addresses only, and
//! judges both the host in the URL and every address that its name resolves to, at connect time.
//! [`Client::trusted`] is for addresses that the operator configured. Neither follows redirects nor
//! uses a proxy, and [`read_capped`] bounds what an answer may weigh.

mod address;
mod body;
mod client;
mod crypto;
mod error;
mod guard;
mod resolver;

pub use address::is_public;
pub use body::{read_capped, read_prefix};
pub use client::{Client, Timeouts};
pub use config::AllowRule;
pub use crypto::install_crypto;
pub use error::{Error, Refusal};
pub use guard::{Guard, check_url};
