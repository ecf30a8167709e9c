use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::sha256;

/// Tells master keys apart without telling anything of them: four bytes of a digest.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId([u8; 4]);

impl KeyId {
    pub(crate) fn from_bytes(bytes: [u8; 4]) -> Self {
        Self(bytes)
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 4] {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// A key of 32 random bytes that other secrets are sealed under.
///
/// Its text form is base64 (either alphabet, padded or not) or 64 hexadecimal digits.
#[derive(Clone)]
pub struct MasterKey {
    id: KeyId,
    bytes: Zeroizing<[u8; 32]>,
}

/// The text is not 32 bytes in base64 or hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a master key is 32 random bytes, as base64 or 64 hexadecimal digits")]
pub struct InvalidMasterKey;

impl MasterKey {
    /// Makes a fresh key.
    pub fn generate() -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        rand::fill(&mut bytes[..]);
        Self::from_bytes(bytes)
    }

    /// The key's name in sealed values; it follows from the key.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The key as base64, to be kept where it can be read again.
    pub fn to_text(&self) -> SecretString {
        STANDARD.encode(&self.bytes[..]).into()
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    fn from_bytes(bytes: Zeroizing<[u8; 32]>) -> Self {
        let mut named = Zeroizing::new(b"metachat master key id ".to_vec());
        named.extend_from_slice(&bytes[..]);
        let [a, b, c, d, ..] = sha256(&named);
        Self {
            id: KeyId([a, b, c, d]),
            bytes,
        }
    }
}

impl FromStr for MasterKey {
    type Err = InvalidMasterKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let decoded = if text.len() == 64 {
            hex::decode(text).ok()
        } else {
            [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD]
                .iter()
                .find_map(|alphabet| alphabet.decode(text).ok())
        };
        let decoded = Zeroizing::new(decoded.ok_or(InvalidMasterKey)?);
        let mut bytes = Zeroizing::new([0; 32]);
        if decoded.len() != bytes.len() {
            return Err(InvalidMasterKey);
        }
        bytes.copy_from_slice(&decoded);
        Ok(Self::from_bytes(bytes))
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MasterKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn every_text_form_is_the_same_key() {
        let key = MasterKey::generate();
        let texts = [
            key.to_text().expose_secret().to_owned(),
            hex::encode(key.bytes()),
            URL_SAFE_NO_PAD.encode(key.bytes()),
        ];
        for text in texts {
            let read: MasterKey = text.parse().unwrap();
            assert_eq!(read.id(), key.id());
            assert_eq!(read.bytes(), key.bytes());
        }
    }

    #[test]
    fn what_is_not_32_bytes_is_refused() {
        let short = STANDARD.encode([7; 31]);
        let long = STANDARD.encode([7; 33]);
        for text in ["", "secret", &short, &long, &"zz".repeat(32)] {
            assert_eq!(text.parse::<MasterKey>().unwrap_err(), InvalidMasterKey);
        }
    }

    #[test]
    fn two_keys_have_two_names() {
        assert_ne!(MasterKey::generate().id(), MasterKey::generate().id());
    }
}
