use secrecy::SecretString;

use crate::base62::random;
use crate::sha256;

/// Makes a secret that a tenant's server vouches for its logged-in users with: `mci_` and 43 random
/// base62 digits, 256 bits. The key of its HMAC is the text as it stands.
pub fn generate_identity_secret() -> SecretString {
    format!("mci_{}", *random(43)).into()
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
    fn secrets_differ_and_so_do_the_hashes_of_tokens() {
        let (one, other) = (generate_identity_secret(), generate_identity_secret());
        let (one, other) = (one.expose_secret(), other.expose_secret());
        assert!(one.starts_with("mci_") && one.len() == 47);
        assert_ne!(one, other);
        assert_ne!(hash_token(one), hash_token(other));
    }
}
