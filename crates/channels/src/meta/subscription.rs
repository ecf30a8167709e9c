use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::HandshakeError;

/// Answers Meta's GET that confirms the webhook's address: returns the challenge, to be sent back
/// verbatim as plain text.
///
/// Every expected token is compared, so that the time tells nothing; empty ones never match.
///
/// # Errors
/// [`HandshakeError::NotSubscribe`] and [`HandshakeError::UnknownToken`], to be answered with 403.
pub fn verify_subscription<'a, 'b>(
    mode: Option<&str>,
    token: Option<&str>,
    challenge: Option<&'a str>,
    expected: impl IntoIterator<Item = &'b SecretString>,
) -> Result<&'a str, HandshakeError> {
    let (Some("subscribe"), Some(token), Some(challenge)) = (mode, token, challenge) else {
        return Err(HandshakeError::NotSubscribe);
    };
    let token = Sha256::digest(token.as_bytes());
    let mut known = false;
    for candidate in expected {
        let candidate = candidate.expose_secret();
        let equal = bool::from(token.ct_eq(&Sha256::digest(candidate.as_bytes())));
        known |= equal && !candidate.is_empty();
    }
    if known {
        Ok(challenge)
    } else {
        Err(HandshakeError::UnknownToken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_expected_token_returns_the_challenge() {
        let expected = [SecretString::from("one"), SecretString::from("two")];
        for token in ["one", "two"] {
            assert_eq!(
                verify_subscription(Some("subscribe"), Some(token), Some("115 8"), &expected),
                Ok("115 8")
            );
        }
    }

    #[test]
    fn other_tokens_modes_and_missing_parameters_are_turned_down() {
        let expected = [SecretString::from("one"), SecretString::from("")];
        for token in ["", "on", "onee", "ONE"] {
            assert_eq!(
                verify_subscription(Some("subscribe"), Some(token), Some("1"), &expected),
                Err(HandshakeError::UnknownToken),
                "{token}"
            );
        }
        for (mode, token, challenge) in [
            (Some("unsubscribe"), Some("one"), Some("1")),
            (None, Some("one"), Some("1")),
            (Some("subscribe"), None, Some("1")),
            (Some("subscribe"), Some("one"), None),
        ] {
            assert_eq!(
                verify_subscription(mode, token, challenge, &expected),
                Err(HandshakeError::NotSubscribe)
            );
        }
        assert!(verify_subscription(Some("subscribe"), Some("one"), Some("1"), []).is_err());
    }
}
