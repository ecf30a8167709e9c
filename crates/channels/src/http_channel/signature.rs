use secrecy::{ExposeSecret, SecretString};
use secrets::WebhookSecret;

use crate::{Matched, Post, SignatureError, Verified};

/// The header that names a post; the same for every attempt.
pub const ID_HEADER: &str = "webhook-id";

/// The header that says when an attempt was made, in seconds since 1970.
pub const TIMESTAMP_HEADER: &str = "webhook-timestamp";

/// The header that signs a post: `v1,` and the signature in base64, several with a space between.
pub const SIGNATURE_HEADER: &str = "webhook-signature";

/// How far a post's time may be from ours, in seconds.
const TOLERANCE_SECONDS: u64 = 300;

const MAX_ID_BYTES: usize = 256;

/// Tells which of `secrets` signed a post, by Standard Webhooks 1.0.0.
pub(super) fn verify(
    secrets: &[&SecretString],
    post: &Post<'_>,
) -> Result<Verified, SignatureError> {
    let id = header(post, ID_HEADER)?;
    let stamp = header(post, TIMESTAMP_HEADER)?;
    let signature = header(post, SIGNATURE_HEADER)?;
    let is_id = !id.is_empty() && id.len() <= MAX_ID_BYTES && !id.contains('.');
    let is_stamp = stamp.bytes().all(|byte| byte.is_ascii_digit());
    let (true, true, Ok(stamp)) = (is_id, is_stamp, stamp.parse::<i64>()) else {
        return Err(SignatureError::Malformed);
    };
    let signed_by = |secret: &&SecretString| {
        let secret = secret.expose_secret().parse::<WebhookSecret>();
        // Its own look at the time is put aside, for what is old and genuine is told so.
        secret.is_ok_and(|secret| {
            secret
                .verify(signature, id, stamp, post.body, stamp)
                .is_ok()
        })
    };
    let Some(nth) = secrets.iter().position(signed_by) else {
        return Err(SignatureError::Mismatch);
    };
    if post.received_at.timestamp().abs_diff(stamp) > TOLERANCE_SECONDS {
        return Err(SignatureError::TooOld);
    }
    Ok(Verified {
        nth,
        matched: Matched::AsReceived,
    })
}

fn header<'a>(post: &'a Post<'_>, name: &str) -> Result<&'a str, SignatureError> {
    let value = post.header(name).ok_or(SignatureError::Missing)?;
    std::str::from_utf8(value).map_err(|_| SignatureError::Malformed)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use http::{HeaderMap, HeaderValue};

    use super::*;

    const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    const AT: i64 = 1_649_367_553;
    const BODY: &[u8] = br#"{"email":"test@example.com","username":"test_user"}"#;
    // Source: the test vector of the Standard Webhooks specification.
    const SIGNATURE: &str = "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=";

    fn headers() -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            (ID_HEADER, "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk"),
            (TIMESTAMP_HEADER, "1649367553"),
            (SIGNATURE_HEADER, SIGNATURE),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        headers
    }

    fn said(headers: &HeaderMap, body: &[u8], now: i64) -> Result<usize, SignatureError> {
        let post = Post {
            headers,
            body,
            received_at: DateTime::from_timestamp(now, 0).unwrap(),
        };
        let secrets = [SecretString::from("whsec_no"), SecretString::from(SECRET)];
        let secrets: Vec<&SecretString> = secrets.iter().collect();
        verify(&secrets, &post).map(|verified| verified.nth)
    }

    #[test]
    fn the_specifications_own_vector_verifies_in_its_time() {
        assert_eq!(said(&headers(), BODY, AT), Ok(1));
        assert_eq!(said(&headers(), BODY, AT + 300), Ok(1));
        assert_eq!(said(&headers(), BODY, AT - 300), Ok(1));
        assert_eq!(
            said(&headers(), BODY, AT + 301),
            Err(SignatureError::TooOld)
        );
        assert_eq!(
            said(&headers(), BODY, AT - 301),
            Err(SignatureError::TooOld)
        );
        assert_eq!(said(&headers(), b"{}", AT), Err(SignatureError::Mismatch));
    }

    #[test]
    fn headers_of_another_form_are_told_from_wrong_ones() {
        for name in [ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER] {
            let mut missing = headers();
            missing.remove(name);
            assert_eq!(said(&missing, BODY, AT), Err(SignatureError::Missing));
            let mut strange = headers();
            strange.insert(name, HeaderValue::from_bytes(b"\xff\xfe").unwrap());
            assert_eq!(said(&strange, BODY, AT), Err(SignatureError::Malformed));
        }
        for (name, value, error) in [
            (ID_HEADER, "", SignatureError::Malformed),
            (ID_HEADER, "a.b", SignatureError::Malformed),
            (ID_HEADER, "other", SignatureError::Mismatch),
            (TIMESTAMP_HEADER, "", SignatureError::Malformed),
            (TIMESTAMP_HEADER, "-1", SignatureError::Malformed),
            (TIMESTAMP_HEADER, "+1649367553", SignatureError::Malformed),
            (
                TIMESTAMP_HEADER,
                "99999999999999999999",
                SignatureError::Malformed,
            ),
            (TIMESTAMP_HEADER, "1649367554", SignatureError::Mismatch),
            (SIGNATURE_HEADER, "", SignatureError::Mismatch),
            (SIGNATURE_HEADER, "v2,x v1,", SignatureError::Mismatch),
        ] {
            let mut changed = headers();
            changed.insert(name, HeaderValue::from_static(value));
            assert_eq!(said(&changed, BODY, AT), Err(error), "{name}: {value}");
        }
    }

    #[test]
    fn one_of_several_signatures_is_enough_and_no_secret_is_none() {
        let mut several = headers();
        let value = format!("v1,AAAA {SIGNATURE}");
        several.insert(SIGNATURE_HEADER, value.parse().unwrap());
        assert_eq!(said(&several, BODY, AT), Ok(1));
        let post = Post {
            headers: &headers(),
            body: BODY,
            received_at: DateTime::from_timestamp(AT, 0).unwrap(),
        };
        assert_eq!(verify(&[], &post), Err(SignatureError::Mismatch));
    }
}
