//! Sealing, key hashing and signing.
//!
//! Values that must come back are sealed by a [`Keyring`]; values that only need to be recognised
//! ([`ApiKey`], session tokens) are stored as a hash; visitors' tokens are signed under keys derived
//! from the ring's ([`VisitorClaims`]), outgoing webhooks by a [`WebhookSecret`]. Nothing here shows a secret in `Debug` or in an error.

mod api_key;
mod base62;
mod error;
mod hash;
pub mod keyfile;
mod keyring;
mod master_key;
mod token;
mod visitor_token;
mod webhook;

pub use api_key::{ApiKey, InvalidApiKey};
pub use error::Error;
pub use hash::{hmac_sha256, is_hmac_sha256, same_secret, sha256};
pub use keyring::{Keyring, row_context};
pub use master_key::{InvalidMasterKey, KeyId, MasterKey};
pub use token::{generate_identity_secret, hash_token};
pub use visitor_token::{InvalidVisitorToken, VisitorClaims};
pub use webhook::{InvalidWebhookSecret, SignatureMismatch, WebhookSecret, sign_with_all};
