use std::time::Duration;

use sha2::{Digest, Sha256};

/// How much may be sent under one key: a bucket that holds `burst` and fills by one every `every`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What is limited, for example `wa-number:200000000000001`; holds no address of a contact.
    pub key: String,
    /// How long until one more may leave.
    pub every: Duration,
    /// How many may leave at once after a pause; at least 1.
    pub burst: u32,
    /// Whether it is one contact's alone.
    pub is_contacts: bool,
}

impl Limit {
    /// How many may leave in a second over time.
    pub fn rate_per_second(&self) -> f64 {
        1.0 / self.every.as_secs_f64()
    }

    /// How many may leave at once after `sent` have left; at least 1.
    pub fn burst_after(&self, sent: i64) -> i32 {
        let left = (i64::from(self.burst) - sent).max(1);
        i32::try_from(left).unwrap_or(i32::MAX)
    }

    pub(crate) fn per_second(key: String, count: u32) -> Self {
        Self {
            key,
            every: Duration::from_secs(1) / count,
            burst: count,
            is_contacts: false,
        }
    }
}

/// A contact's part of a key: the same for the same address, and not readable as one.
pub(crate) fn hidden(address: &str) -> String {
    hex::encode(&Sha256::digest(address.as_bytes())[..8])
}
