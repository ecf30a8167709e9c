use super::error::class_of;
use crate::lenient::text;
use crate::meta::read_answer;
use crate::{HttpAnswer, SendClass, SendError, Sent};

/// Reads the answer to a send.
pub(super) fn read_sent(answer: &HttpAnswer) -> Result<Sent, SendError> {
    let json = read_answer(answer, class_of)?;
    json.get("messages")
        .and_then(|messages| messages.get(0))
        .and_then(|message| text(message, "id"))
        .map(|external_id| Sent { external_id })
        .ok_or_else(|| {
            SendError::of(
                SendClass::Unknown,
                "the Graph API's answer names no message",
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &'static [u8]) -> HttpAnswer {
        HttpAnswer {
            status,
            retry_after: None,
            body: bytes::Bytes::from_static(body),
        }
    }

    #[test]
    fn a_success_without_a_message_id_is_unknown() {
        let sent = read_sent(&answer(200, br#"{"messages":[{"id":"wamid.1"}]}"#)).unwrap();
        assert_eq!(sent.external_id, "wamid.1");
        for body in [&b"{}"[..], b"<html>", b"", br#"{"messages":[]}"#] {
            let error = read_sent(&answer(200, body)).unwrap_err();
            assert_eq!(error.class, SendClass::Unknown);
        }
    }

    #[test]
    fn an_error_says_what_meta_said() {
        let body = br#"{"error":{"message":"(#131047) Re-engagement","code":131047,
            "error_data":{"details":"more than 24 hours have passed"}}}"#;
        let error = read_sent(&answer(400, body)).unwrap_err();
        assert_eq!(error.class, SendClass::WindowClosed);
        assert_eq!(error.code, Some(131_047));
        assert_eq!(error.to_string(), "more than 24 hours have passed");
    }
}
