use std::fmt;
use std::time::Duration;

use http::{HeaderMap, Method, header};
use outbound::{Client, read_capped};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use url::Url;

use super::SendClass;
use super::graph_error::class_of_answer;
use crate::lenient::{flag, integer, text};

/// The longest answer that is read, in bytes.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// The longest wait an answer may ask for; a longer one is cut.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(1);

/// Where the Graph API is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graph {
    /// The address before the version, for example `https://graph.facebook.com`.
    pub url: Url,
    /// The version, for example `v25.0`.
    pub version: String,
}

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

/// A message that Meta took; whether it arrives, statuses will tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Meta's id of the message, the `external_id` of its statuses.
    pub external_id: String,
}

/// Why a message is not known to be sent.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct SendError {
    /// What it asks of the caller.
    pub class: SendClass,
    /// Meta's code, where there was one.
    pub code: Option<i64>,
    /// What happened, in Meta's words where it answered; holds no secret.
    pub message: String,
    /// The failure of the connection, where it failed.
    #[source]
    pub source: Option<outbound::Error>,
}

impl SendRequest<'_> {
    /// The address to post to.
    ///
    /// # Errors
    /// [`SendClass::Config`] if the Graph API's address cannot hold a path.
    pub fn url(&self, graph: &Graph) -> Result<Url, SendError> {
        let mut url = graph.url.clone();
        url.path_segments_mut()
            .map_err(|()| {
                SendError::of(SendClass::Config, "the Graph API's address takes no path")
            })?
            .pop_if_empty()
            .extend([&graph.version, self.phone_number_id, "messages"]);
        Ok(url)
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

/// The field that names a recipient, and its value. A phone number gets its `+`, without which Meta
/// may take it for a national one; a user id is never changed.
fn recipient(address: &str) -> (&'static str, String) {
    let digits = address.strip_prefix('+').unwrap_or(address);
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        ("to", format!("+{digits}"))
    } else {
        ("recipient", address.to_owned())
    }
}

impl SendError {
    fn of(class: SendClass, message: impl Into<String>) -> Self {
        Self {
            class,
            code: None,
            message: message.into(),
            source: None,
        }
    }

    /// A failure before any answer: whether the message may have been taken, the connection tells.
    fn of_connection(error: outbound::Error) -> Self {
        let (class, message) = match &error {
            outbound::Error::Refused(_) | outbound::Error::Invalid(_) => (
                SendClass::Config,
                "the Graph API's address cannot be called",
            ),
            outbound::Error::Unreachable(_) => (
                SendClass::Retry { after: None },
                "the Graph API cannot be reached",
            ),
            outbound::Error::TimedOut(_)
            | outbound::Error::Interrupted(_)
            | outbound::Error::TooLarge { .. } => (
                SendClass::Unknown,
                "no usable answer came after the message had left",
            ),
        };
        Self {
            source: Some(error),
            ..Self::of(class, message)
        }
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
    let response = client
        .request(Method::POST, &url)
        .map_err(SendError::of_connection)?
        .bearer_auth(request.access_token.expose_secret())
        .json(&request.json())
        .send()
        .await
        .map_err(|error| SendError::of_connection(error.into()))?;
    let status = response.status().as_u16();
    let retry_after = retry_after(response.headers());
    let answer = match read_capped(response, MAX_ANSWER_BYTES).await {
        Ok(answer) => answer,
        // A refusal stays one even if its reason got lost on the way.
        Err(_) if (400..500).contains(&status) => bytes::Bytes::new(),
        Err(error) => return Err(SendError::of_connection(error)),
    };
    read_answer(status, retry_after, &answer)
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    Some(Duration::from_secs(seconds.parse().ok()?).min(MAX_RETRY_AFTER))
}

fn read_answer(
    status: u16,
    retry_after: Option<Duration>,
    answer: &[u8],
) -> Result<Sent, SendError> {
    let answer: Value = serde_json::from_slice(answer).unwrap_or(Value::Null);
    if let Some(error) = answer.get("error") {
        let code = integer(error, "code");
        let class = class_of_answer(status, code, flag(error, "is_transient"), retry_after);
        let details = error
            .get("error_data")
            .and_then(|data| text(data, "details"));
        let message = details
            .or_else(|| text(error, "message"))
            .unwrap_or_else(|| format!("the Graph API answered {status}"));
        return Err(SendError {
            code,
            ..SendError::of(class, message)
        });
    }
    if !(200..300).contains(&status) {
        let class = class_of_answer(status, None, false, retry_after);
        return Err(SendError::of(
            class,
            format!("the Graph API answered {status}"),
        ));
    }
    answer
        .get("messages")
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
        let sent = read_answer(200, None, br#"{"messages":[{"id":"wamid.1"}]}"#).unwrap();
        assert_eq!(sent.external_id, "wamid.1");
        for answer in [&b"{}"[..], b"<html>", b"", br#"{"messages":[]}"#] {
            let error = read_answer(200, None, answer).unwrap_err();
            assert_eq!(error.class, SendClass::Unknown);
        }
    }

    #[test]
    fn an_error_says_what_meta_said() {
        let answer = br#"{"error":{"message":"(#131047) Re-engagement","code":131047,
            "error_data":{"details":"more than 24 hours have passed"}}}"#;
        let error = read_answer(400, None, answer).unwrap_err();
        assert_eq!(error.class, SendClass::WindowClosed);
        assert_eq!(error.code, Some(131_047));
        assert_eq!(error.to_string(), "more than 24 hours have passed");
    }
}
