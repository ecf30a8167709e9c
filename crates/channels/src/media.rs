use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq;
use url::Url;

use crate::request::HttpRequest;
use crate::send::SendError;

/// The next step towards the bytes of a file that a contact sent.
#[derive(Clone, Debug)]
pub enum MediaStep {
    /// Ask for the file's address; the answer goes to [`crate::Connection::read_address`].
    Address(HttpRequest),
    /// Fetch the file itself, at most `HttpRequest::max_answer_bytes` of it.
    Bytes {
        /// The request. An address lasts minutes: one that is over (404) is asked for anew, once.
        request: HttpRequest,
        /// The SHA-256 of what must come, in base64 or hexadecimal, where it is known.
        sha256: Option<String>,
        /// The media type, where it is known.
        mime_type: Option<String>,
    },
}

/// Why a file cannot be had or taken.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// There is nothing to fetch: the channel itself could not take the file in.
    #[error("the channel has no file for this message")]
    Missing,
    /// It lies at an address that no file of the channel's lies at.
    #[error("the file's address is not one of the channel's")]
    ForeignAddress,
    /// It is longer than is taken.
    #[error("the file has more than {max_bytes} bytes")]
    TooLarge {
        /// The most that is taken.
        max_bytes: usize,
    },
    /// What came is not what the channel announced.
    #[error("the file is not the one that was announced")]
    WrongHash,
    /// The announced checksum is none.
    #[error("the announced checksum is not a SHA-256")]
    MalformedHash,
    /// The channel takes no file of this type.
    #[error("the channel takes no files of the type {mime_type}")]
    WrongType {
        /// The type.
        mime_type: String,
    },
    /// The operator refused.
    #[error("the operator refused")]
    Refused(#[source] SendError),
}

/// Tells whether the SHA-256 of a file is the announced one, where one was announced: in hexadecimal or
/// base64, with or without padding. WhatsApp writes the one in answers and the other in posts.
///
/// # Errors
/// [`MediaError::MalformedHash`] and [`MediaError::WrongHash`].
pub fn check_hash(sha256: &[u8; 32], announced: Option<&str>) -> Result<(), MediaError> {
    let Some(announced) = announced else {
        return Ok(());
    };
    let announced = read_hash(announced).ok_or(MediaError::MalformedHash)?;
    if bool::from(sha256.ct_eq(&announced)) {
        Ok(())
    } else {
        Err(MediaError::WrongHash)
    }
}

fn read_hash(text: &str) -> Option<[u8; 32]> {
    let text = text.trim();
    let mut hash = [0; 32];
    if text.len() == 64 {
        hex::decode_to_slice(text, &mut hash).ok()?;
        return Some(hash);
    }
    let padded = format!("{}=", text.trim_end_matches('='));
    STANDARD.decode(padded).ok()?.try_into().ok()
}

/// Whether `url` lies on one of `hosts`, or on a host below one of them; by HTTPS only.
pub(crate) fn lies_on(url: &Url, hosts: &[&str]) -> bool {
    let Some(host) = url.host_str().filter(|_| url.scheme() == "https") else {
        return false;
    };
    hosts.iter().any(|allowed| {
        host.strip_suffix(allowed)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    })
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;

    const HEX: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    const BASE64: &str = "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=";

    fn of(bytes: &[u8]) -> [u8; 32] {
        Sha256::digest(bytes).into()
    }

    #[test]
    fn both_forms_of_a_checksum_count() {
        for hash in [
            HEX.to_owned(),
            HEX.to_uppercase(),
            BASE64.to_owned(),
            BASE64.trim_end_matches('=').to_owned(),
            format!(" {BASE64}\n"),
        ] {
            assert!(check_hash(&of(b"abc"), Some(&hash)).is_ok(), "{hash}");
            let wrong = check_hash(&of(b"abd"), Some(&hash));
            assert!(matches!(wrong, Err(MediaError::WrongHash)), "{hash}");
        }
        assert!(check_hash(&of(b"abc"), None).is_ok());
        for hash in [
            "",
            "=",
            "abc",
            "é",
            &"z".repeat(64),
            &"é".repeat(32),
            &BASE64[4..],
        ] {
            let malformed = check_hash(&of(b"abc"), Some(hash));
            assert!(
                matches!(malformed, Err(MediaError::MalformedHash)),
                "{hash}"
            );
        }
    }

    #[test]
    fn only_hosts_of_the_channel_are_fetched_from() {
        let hosts = ["fbsbx.com"];
        for (url, expected) in [
            ("https://lookaside.fbsbx.com/a?b=c", true),
            ("https://fbsbx.com/", true),
            ("http://lookaside.fbsbx.com/", false),
            ("https://evilfbsbx.com/", false),
            ("https://fbsbx.com.evil.example/", false),
            ("https://evil.example/?fbsbx.com", false),
            ("https://fbsbx.com@evil.example/", false),
            ("https://127.0.0.1/", false),
            ("file:///fbsbx.com", false),
        ] {
            assert_eq!(
                lies_on(&Url::parse(url).unwrap(), &hosts),
                expected,
                "{url}"
            );
        }
    }
}
