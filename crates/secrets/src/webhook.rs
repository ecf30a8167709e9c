use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::hmac_sha256;

const BRAND: &str = "whsec_";
const FRESH_BYTES: usize = 32;
const TOLERANCE_SECONDS: u64 = 300;

/// The secret of one webhook endpoint: `whsec_` and 24 to 64 random bytes in base64.
///
/// Signatures follow Standard Webhooks 1.0.0, so that any of its libraries verifies them.
/// Source: <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md> (2026-11-23).
#[derive(Clone)]
pub struct WebhookSecret(Zeroizing<Vec<u8>>);

/// The text is not `whsec_` and 24 to 64 bytes in base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a webhook secret is `whsec_` followed by 24 to 64 bytes in base64")]
pub struct InvalidWebhookSecret;

/// No signature in the header matches, or its time is too far off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no signature matches, or its time is too far off")]
pub struct SignatureMismatch;

impl WebhookSecret {
    /// Makes a fresh secret of 32 random bytes.
    pub fn generate() -> Self {
        let mut bytes = Zeroizing::new(vec![0; FRESH_BYTES]);
        rand::fill(&mut bytes[..]);
        Self(bytes)
    }

    /// The secret as its receiver needs it.
    pub fn to_text(&self) -> SecretString {
        format!("{BRAND}{}", STANDARD.encode(&self.0[..])).into()
    }

    /// Signs one attempt: `v1,` and the base64 HMAC-SHA256 of `{id}.{timestamp}.{body}`.
    ///
    /// `id` stays the same over retries and must not contain a dot; `timestamp` is the attempt's, in
    /// seconds since 1970.
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let signed = format!("{id}.{timestamp}.");
        let mac = hmac_sha256(&self.0, &[signed.as_bytes(), body]);
        format!("v1,{}", STANDARD.encode(mac))
    }

    /// Verifies a `webhook-signature` header as a receiver does whose time is `now`, in seconds.
    ///
    /// # Errors
    /// [`SignatureMismatch`], also for a timestamp more than five minutes from `now`.
    pub fn verify(
        &self,
        header: &str,
        id: &str,
        timestamp: i64,
        body: &[u8],
        now: i64,
    ) -> Result<(), SignatureMismatch> {
        let expected = self.sign(id, timestamp, body);
        let is_signed = header
            .split(' ')
            .any(|one| bool::from(one.as_bytes().ct_eq(expected.as_bytes())));
        if is_signed && now.abs_diff(timestamp) <= TOLERANCE_SECONDS {
            Ok(())
        } else {
            Err(SignatureMismatch)
        }
    }
}

/// The `webhook-signature` header under several secrets, as while one replaces another.
pub fn sign_with_all(secrets: &[WebhookSecret], id: &str, timestamp: i64, body: &[u8]) -> String {
    let signatures = secrets.iter().map(|one| one.sign(id, timestamp, body));
    signatures.collect::<Vec<_>>().join(" ")
}

impl FromStr for WebhookSecret {
    type Err = InvalidWebhookSecret;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let encoded = text.strip_prefix(BRAND).ok_or(InvalidWebhookSecret)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| InvalidWebhookSecret)?;
        let bytes = Zeroizing::new(bytes);
        if (24..=64).contains(&bytes.len()) {
            Ok(Self(bytes))
        } else {
            Err(InvalidWebhookSecret)
        }
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(…)")
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    const ID: &str = "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk";
    const AT: i64 = 1_649_367_553;
    const BODY: &[u8] = br#"{"email":"test@example.com","username":"test_user"}"#;

    // Source: the test vector of the Standard Webhooks specification.
    fn published() -> WebhookSecret {
        "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD".parse().unwrap()
    }

    #[test]
    fn signs_as_the_specification_does() {
        assert_eq!(
            published().sign(ID, AT, BODY),
            "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw="
        );
    }

    #[test]
    fn a_changed_part_or_a_wrong_time_does_not_verify() {
        let secret = published();
        let header = secret.sign(ID, AT, BODY);
        assert_eq!(secret.verify(&header, ID, AT, BODY, AT + 300), Ok(()));
        assert_eq!(secret.verify(&header, ID, AT, BODY, AT - 300), Ok(()));
        for wrong in [
            secret.verify(&header, ID, AT, BODY, AT + 301),
            secret.verify(&header, ID, AT, BODY, AT - 301),
            secret.verify(&header, "msg_2", AT, BODY, AT),
            secret.verify(&header, ID, AT + 1, BODY, AT),
            secret.verify(&header, ID, AT, b"{}", AT),
            secret.verify("", ID, AT, BODY, AT),
            secret.verify(&header[3..], ID, AT, BODY, AT),
            WebhookSecret::generate().verify(&header, ID, AT, BODY, AT),
        ] {
            assert_eq!(wrong, Err(SignatureMismatch));
        }
    }

    #[test]
    fn old_and_fresh_secret_both_verify_while_one_replaces_the_other() {
        let (old, fresh) = (published(), WebhookSecret::generate());
        let header = sign_with_all(&[fresh.clone(), old.clone()], ID, AT, BODY);
        assert_eq!(old.verify(&header, ID, AT, BODY, AT), Ok(()));
        assert_eq!(fresh.verify(&header, ID, AT, BODY, AT), Ok(()));
    }

    #[test]
    fn a_secret_reads_back_and_others_are_refused() {
        let secret = WebhookSecret::generate();
        let text = secret.to_text();
        let read: WebhookSecret = text.expose_secret().parse().unwrap();
        assert_eq!(read.sign("a", 1, b""), secret.sign("a", 1, b""));
        let short = format!("whsec_{}", STANDARD.encode([1; 23]));
        let long = format!("whsec_{}", STANDARD.encode([1; 65]));
        for wrong in [
            "",
            "whsec_",
            "whsec_?",
            &short,
            &long,
            "C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
        ] {
            assert_eq!(
                wrong.parse::<WebhookSecret>().unwrap_err(),
                InvalidWebhookSecret
            );
        }
        assert_eq!(format!("{secret:?}"), "WebhookSecret(…)");
    }
}
