use secrecy::SecretString;

use crate::base62::random;
use crate::sha256;

/// Makes a token for a web chat session: `mcw_` and 43 random base62 digits, 256 bits.
///
/// Only its [`hash_token`] is stored.
pub fn generate_token() -> SecretString {
    format!("mcw_{}", *random(43)).into()
}

/// What is stored of a session token, and looked up: its SHA-256.
pub fn hash_token(token: &str) -> [u8; 32] {
    sha256(token.as_bytes())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn tokens_differ_and_so_do_their_hashes() {
        let (one, other) = (generate_token(), generate_token());
        let (one, other) = (one.expose_secret(), other.expose_secret());
        assert!(one.starts_with("mcw_") && one.len() == 47);
        assert_ne!(one, other);
        assert_ne!(hash_token(one), hash_token(other));
    }
}
