use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The SHA-256 digest of `message`.
pub fn sha256(message: &[u8]) -> [u8; 32] {
    Sha256::digest(message).into()
}

/// The HMAC-SHA256 of `parts`, taken as one message; a key of any length will do.
pub fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new(&padded(key).into());
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// Tells whether `tag` is the HMAC-SHA256 of `message`, in a time that does not depend on where they differ.
pub fn is_hmac_sha256(key: &[u8], message: &[u8], tag: &[u8]) -> bool {
    hmac_sha256(key, &[message]).ct_eq(tag).into()
}

/// Tells whether two secrets are the same, in a time that depends on neither content nor length.
pub fn same_secret(one: &str, other: &str) -> bool {
    sha256(one.as_bytes())
        .ct_eq(&sha256(other.as_bytes()))
        .into()
}

// HMAC's own rule for keys, so that no length is an error: hash what is longer than a block, pad the rest.
fn padded(key: &[u8]) -> [u8; 64] {
    let mut block = [0; 64];
    if key.len() > block.len() {
        block[..32].copy_from_slice(&sha256(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    // Source: https://www.rfc-editor.org/rfc/rfc4231, cases 2 and 6.
    #[test]
    fn short_and_long_keys_give_the_published_codes() {
        let short = hmac_sha256(b"Jefe", &[b"what do ya want ", b"for nothing?"]);
        assert_eq!(
            hex::encode(short),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        let message = b"Test Using Larger Than Block-Size Key - Hash Key First";
        let long = hmac_sha256(&[0xaa; 131], &[message]);
        assert_eq!(
            hex::encode(long),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
        assert!(is_hmac_sha256(&[0xaa; 131], message, &long));
        assert!(!is_hmac_sha256(&[0xab; 131], message, &long));
        assert!(!is_hmac_sha256(&[0xaa; 131], message, &long[..31]));
    }

    #[test]
    fn secrets_are_the_same_only_if_equal() {
        assert!(same_secret("abc", "abc"));
        assert!(!same_secret("abc", "abd"));
        assert!(!same_secret("abc", "abcd"));
        assert!(!same_secret("", "a"));
    }
}
