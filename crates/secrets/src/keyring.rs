use std::str::FromStr;
use std::sync::Arc;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{Error, InvalidMasterKey, KeyId, MasterKey, hmac_sha256, is_hmac_sha256};

// A sealed value is: format, key id, nonce, then ciphertext with its 16-byte tag.
const FORMAT: u8 = 1;
const HEADER_BYTES: usize = 1 + 4;
const NONCE_BYTES: usize = 24;

/// The keys that secrets are sealed under: one for sealing, older ones only to open.
///
/// Sealing is XChaCha20-Poly1305 under a random nonce, so sealing the same value twice gives different
/// bytes. Every value is sealed *for a context*, such as [`row_context`] makes: bytes copied into
/// another row do not open there. Cloning is cheap.
///
/// As text it is one key or several, separated by commas or white space, the current one first; to
/// rotate, put a fresh key in front and seal again what [`Keyring::needs_resealing`] names.
#[derive(Clone, Debug)]
pub struct Keyring {
    keys: Arc<Keys>,
}

#[derive(Debug)]
struct Keys {
    current: MasterKey,
    older: Vec<MasterKey>,
}

impl Keyring {
    /// A ring that seals under `current` and also opens what was sealed under `older`.
    pub fn new(current: MasterKey, older: Vec<MasterKey>) -> Self {
        Self {
            keys: Arc::new(Keys { current, older }),
        }
    }

    /// Seals a value for a context; the result is 45 bytes longer.
    ///
    /// # Errors
    /// [`Error::TooLong`] beyond 256 GiB.
    pub fn seal(&self, context: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, Error> {
        let key = &self.keys.current;
        let mut nonce = [0; NONCE_BYTES];
        rand::fill(&mut nonce[..]);
        let mut sealed = vec![FORMAT];
        sealed.extend_from_slice(key.id().as_bytes());
        let payload = Payload {
            msg: plaintext,
            aad: &associated(&sealed, context),
        };
        let ciphertext = cipher(key)
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| Error::TooLong)?;
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&ciphertext);
        Ok(sealed)
    }

    /// Opens what was sealed for the same context under any key of the ring.
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::UnknownKey`] and [`Error::NotAuthentic`].
    pub fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let key_id = key_id(sealed)?;
        let (header, rest) = sealed.split_at(HEADER_BYTES);
        let (nonce, ciphertext) = rest
            .split_first_chunk::<NONCE_BYTES>()
            .ok_or(Error::Malformed)?;
        let key = std::iter::once(&self.keys.current)
            .chain(&self.keys.older)
            .find(|key| key.id() == key_id)
            .ok_or(Error::UnknownKey { key_id })?;
        let payload = Payload {
            msg: ciphertext,
            aad: &associated(header, context),
        };
        cipher(key)
            .decrypt(&XNonce::from(*nonce), payload)
            .map(Zeroizing::new)
            .map_err(|_| Error::NotAuthentic)
    }

    /// Seals a value as JSON.
    ///
    /// # Errors
    /// [`Error::Shape`] if the value has no JSON form, [`Error::TooLong`].
    pub fn seal_json<T: Serialize>(&self, context: &[u8], value: &T) -> Result<Vec<u8>, Error> {
        let text = serde_json::to_vec(value).map_err(|error| shape(&error))?;
        self.seal(context, &Zeroizing::new(text))
    }

    /// Opens a value that was sealed as JSON.
    ///
    /// # Errors
    /// Those of [`Keyring::open`], and [`Error::Shape`] if the value is of another type.
    pub fn open_json<T: DeserializeOwned>(
        &self,
        context: &[u8],
        sealed: &[u8],
    ) -> Result<T, Error> {
        let text = self.open(context, sealed)?;
        serde_json::from_slice(&text).map_err(|error| shape(&error))
    }

    /// Signs a message for a purpose: an HMAC-SHA256 under a key that is derived from the current one
    /// for that purpose alone.
    pub fn sign(&self, purpose: &str, message: &[u8]) -> [u8; 32] {
        hmac_sha256(&signing_key(&self.keys.current, purpose)[..], &[message])
    }

    /// Signs a message as [`Keyring::sign`] does, under each key of the ring, the current one first: to
    /// look up what was stored before the current one came.
    pub fn sign_by_each(&self, purpose: &str, message: &[u8]) -> Vec<[u8; 32]> {
        std::iter::once(&self.keys.current)
            .chain(&self.keys.older)
            .map(|key| hmac_sha256(&signing_key(key, purpose)[..], &[message]))
            .collect()
    }

    /// Tells whether a message was signed for a purpose under any key of the ring.
    pub fn is_signed(&self, purpose: &str, message: &[u8], tag: &[u8]) -> bool {
        std::iter::once(&self.keys.current)
            .chain(&self.keys.older)
            .any(|key| is_hmac_sha256(&signing_key(key, purpose)[..], message, tag))
    }

    /// Tells whether a sealed value is under another key than the current one.
    ///
    /// # Errors
    /// [`Error::Malformed`] if the bytes are no sealed value.
    pub fn needs_resealing(&self, sealed: &[u8]) -> Result<bool, Error> {
        Ok(key_id(sealed)? != self.keys.current.id())
    }
}

impl FromStr for Keyring {
    type Err = InvalidMasterKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut keys = text
            .split(|c: char| c == ',' || c.is_whitespace())
            .filter(|key| !key.is_empty())
            .map(str::parse);
        let current = keys.next().ok_or(InvalidMasterKey)??;
        Ok(Self::new(current, keys.collect::<Result<_, _>>()?))
    }
}

/// The context of one column of one row, for [`Keyring::seal`].
pub fn row_context(table: &str, column: &str, row: Uuid) -> Vec<u8> {
    format!("{table}/{column}/{row}").into_bytes()
}

fn cipher(key: &MasterKey) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(key.bytes().into())
}

/// What signs for a purpose: never the key that seals.
fn signing_key(key: &MasterKey, purpose: &str) -> Zeroizing<[u8; 32]> {
    Zeroizing::new(hmac_sha256(
        key.bytes(),
        &[b"metachat/sign/", purpose.as_bytes()],
    ))
}

fn associated(header: &[u8], context: &[u8]) -> Vec<u8> {
    [header, context].concat()
}

fn key_id(sealed: &[u8]) -> Result<KeyId, Error> {
    match sealed {
        [FORMAT, a, b, c, d, ..] => Ok(KeyId::from_bytes([*a, *b, *c, *d])),
        _ => Err(Error::Malformed),
    }
}

// serde_json quotes the offending value, which here is a secret: only its place is kept.
fn shape(error: &serde_json::Error) -> Error {
    Error::Shape {
        line: error.line(),
        column: error.column(),
    }
}
