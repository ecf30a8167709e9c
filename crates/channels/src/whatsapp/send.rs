use std::fmt;

use http::Method;
use outbound::Client;
use secrecy::SecretString;
use serde_json::{Value, json};
use url::Url;

use super::error::class_of;
use super::message::recipient;
use crate::lenient::text;
use crate::meta::{Graph, read_answer};
use crate::{Audience, HttpAnswer, HttpRequest, SendClass, SendError, Sent, perform};

/// One text message to be sent.
pub struct SendRequest<'a> {
    /// The number it is sent from, by Meta's id.
    pub phone_number_id: &'a str,
    /// Whom it goes to: a contact's address, which is a phone number or a business-scoped user id.
    pub to: &'a str,
    /// The text in WhatsApp's markup, of at most [`super::MAX_TEXT_UNITS`].
    pub body: &'a str,
    /// What the message's statuses bring back.
    pub tag: &'a str,
    /// The number's access token.
    pub access_token: &'a SecretString,
}

impl fmt::Debug for SendRequest<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SendRequest")
            .field("phone_number_id", &self.phone_number_id)
            .field("tag", &self.tag)
            .finish_non_exhaustive()
    }
}

impl SendRequest<'_> {
    /// The address to post to.
    ///
    /// # Errors
    /// [`SendClass::Config`] if the Graph API's address cannot hold a path.
    pub fn url(&self, graph: &Graph) -> Result<Url, SendError> {
        graph.address(&[self.phone_number_id, "messages"])
    }

    /// The body to post.
    pub fn json(&self) -> Value {
        let (name, recipient) = recipient(self.to);
        json!({
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            name: recipient,
            "type": "text",
            "text": {"body": self.body, "preview_url": false},
            "biz_opaque_callback_data": self.tag,
        })
    }
}

/// Sends one message.
///
/// There is no key that makes Meta drop a repetition: only errors of the classes `Retry`,
/// `RetryFew`, `PairLimit` and `Throughput` may be followed by another send at once. After
/// [`SendClass::Unknown`], or if this future is dropped, the message may have been taken.
///
/// # Errors
/// [`SendError`], by what it asks of the caller.
pub async fn send(
    client: &Client,
    graph: &Graph,
    request: &SendRequest<'_>,
) -> Result<Sent, SendError> {
    let url = request.url(graph)?;
    let request = HttpRequest::new(Method::POST, url, Audience::Operator)
        .bearer(request.access_token)
        .json(request.json());
    let answer = perform(client, &request)
        .await
        .map_err(SendError::of_connection)?;
    read_sent(&answer)
}

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

    fn request<'a>(to: &'a str, token: &'a SecretString) -> SendRequest<'a> {
        SendRequest {
            phone_number_id: "200000000000001",
            to,
            body: "hello",
            tag: "m-1",
            access_token: token,
        }
    }

    #[test]
    fn phone_numbers_get_their_plus_and_user_ids_stay_as_they_are() {
        let token = SecretString::from("t");
        let body = request("15550002222", &token).json();
        assert_eq!(
            body,
            json!({
                "messaging_product": "whatsapp",
                "recipient_type": "individual",
                "to": "+15550002222",
                "type": "text",
                "text": {"body": "hello", "preview_url": false},
                "biz_opaque_callback_data": "m-1",
            })
        );
        assert_eq!(request("+15550002222", &token).json()["to"], "+15550002222");
        let body = request("US.13491208655302741918", &token).json();
        assert_eq!(body["recipient"], "US.13491208655302741918");
        assert_eq!(body.get("to"), None);
    }

    #[test]
    fn the_address_holds_version_and_number() {
        let token = SecretString::from("t");
        for base in ["http://127.0.0.1:9/graph", "http://127.0.0.1:9/graph/"] {
            let graph = Graph {
                url: base.parse().unwrap(),
                version: "v25.0".to_owned(),
            };
            assert_eq!(
                request("1", &token).url(&graph).unwrap().as_str(),
                "http://127.0.0.1:9/graph/v25.0/200000000000001/messages"
            );
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
