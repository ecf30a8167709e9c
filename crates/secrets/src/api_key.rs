use std::fmt;
use std::str::FromStr;

use secrecy::{ExposeSecret, SecretString};

use crate::base62::{is_base62, random, six_digits};
use crate::sha256;

const BRAND: &str = "mck_";
const RANDOM_DIGITS: usize = 32;
const CHECKSUM_DIGITS: usize = 6;
const SHOWN_DIGITS: usize = 8;

/// A key to the API: `mck_`, 32 random base62 digits, `_`, six digits of their CRC-32.
///
/// The checksum lets a typo or a cut be told from a revoked key without the database, and lets
/// scanners tell a leaked key from text that resembles one. Only [`ApiKey::hash`] is stored.
#[derive(Clone)]
pub struct ApiKey(SecretString);

/// The text is not of the form of an API key, or its checksum is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no API key: its form or its checksum is wrong")]
pub struct InvalidApiKey;

impl ApiKey {
    /// Makes a fresh key, of 190 random bits.
    pub fn generate() -> Self {
        let body = random(RANDOM_DIGITS);
        let checksum = checksum(&body);
        Self(format!("{BRAND}{}_{checksum}", *body).into())
    }

    /// The key's beginning, to be shown and stored so that people can tell keys apart: `mck_` and
    /// eight digits.
    pub fn prefix(&self) -> &str {
        let text = self.0.expose_secret();
        text.get(..BRAND.len() + SHOWN_DIGITS).unwrap_or(text)
    }

    /// What is stored and looked up: the SHA-256 of the whole key.
    ///
    /// A fast hash is right here, for nobody can search 190 random bits.
    pub fn hash(&self) -> [u8; 32] {
        sha256(self.0.expose_secret().as_bytes())
    }

    /// The key itself, to be shown once.
    pub fn secret(&self) -> &SecretString {
        &self.0
    }
}

impl FromStr for ApiKey {
    type Err = InvalidApiKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (body, sum) = text
            .strip_prefix(BRAND)
            .and_then(|rest| rest.split_once('_'))
            .ok_or(InvalidApiKey)?;
        let is_shaped =
            body.len() == RANDOM_DIGITS && sum.len() == CHECKSUM_DIGITS && is_base62(body);
        if is_shaped && checksum(body) == sum {
            Ok(Self(text.to_owned().into()))
        } else {
            Err(InvalidApiKey)
        }
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({}…)", self.prefix())
    }
}

fn checksum(body: &str) -> String {
    six_digits(crc32fast::hash(body.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_key_reads_back_with_the_same_hash() {
        let key = ApiKey::generate();
        let text = key.secret().expose_secret();
        assert_eq!(text.len(), 43);
        let read: ApiKey = text.parse().unwrap();
        assert_eq!(read.hash(), key.hash());
        assert_eq!(read.prefix(), &text[..12]);
        assert_ne!(ApiKey::generate().hash(), key.hash());
    }

    // CRC-32 of these 32 zeros, by another implementation, is 0xa0f292d0.
    #[test]
    fn the_form_never_changes() {
        let text = "mck_00000000000000000000000000000000_2wjyrI";
        assert!(text.parse::<ApiKey>().is_ok());
    }

    #[test]
    fn a_changed_or_cut_key_is_refused() {
        let key = ApiKey::generate();
        let text = key.secret().expose_secret().to_owned();
        let flipped = if text.as_bytes()[10] == b'a' {
            "b"
        } else {
            "a"
        };
        let mut changed = text.clone();
        changed.replace_range(10..11, flipped);
        for wrong in [
            changed.as_str(),
            &text[..42],
            &text[1..],
            &format!("{text}0"),
            &format!(" {text}"),
            "mck_",
            "mck__",
            "",
        ] {
            assert_eq!(wrong.parse::<ApiKey>().unwrap_err(), InvalidApiKey);
        }
    }

    #[test]
    fn debug_shows_the_prefix_alone() {
        let key = ApiKey::generate();
        assert_eq!(format!("{key:?}"), format!("ApiKey({}…)", key.prefix()));
    }
}
