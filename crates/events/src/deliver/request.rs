use std::time::Duration;

use chrono::{DateTime, Utc};
use http::{Method, StatusCode, header};
use outbound::Client;
use reqwest::RequestBuilder;
use secrets::Keyring;
use store::webhook_deliveries::Delivery;
use store::webhook_endpoints::Endpoint;
use url::Url;

use super::failure::Undelivered;
use crate::open_secret;

/// How long one attempt may take, from the look-up of the name to the end of the answer.
/// Source: Standard Webhooks 1.0.0 recommends 15 to 30 seconds.
const TIMEOUT: Duration = Duration::from_secs(15);
/// How much of an answer's body the record of an attempt keeps.
const MAX_BODY_BYTES: usize = 1024;
const USER_AGENT: &str = concat!("metachat-webhooks/", env!("CARGO_PKG_VERSION"));

/// What an endpoint said.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// The header as it came.
    pub(super) retry_after: Option<String>,
    /// How the body begins; `None` if it is empty or did not come.
    pub(super) body: Option<String>,
}

/// Makes the signed request of one attempt. The stored body is signed and sent as it stands.
pub(super) fn prepare(
    client: &Client,
    keyring: &Keyring,
    endpoint: &Endpoint,
    delivery: &Delivery,
    attempted_at: DateTime<Utc>,
) -> Result<RequestBuilder, Undelivered> {
    let url = Url::parse(&endpoint.url).map_err(Undelivered::Url)?;
    let secret = open_secret(keyring, endpoint).map_err(Undelivered::Secret)?;
    let id = delivery.event_id.to_string();
    let timestamp = attempted_at.timestamp();
    let signature = secret.sign(&id, timestamp, delivery.body.as_bytes());
    let request = client
        .request(Method::POST, &url)?
        .timeout(TIMEOUT)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::USER_AGENT, USER_AGENT)
        .header("webhook-id", id)
        .header("webhook-timestamp", timestamp)
        .header("webhook-signature", signature)
        .body(delivery.body.clone());
    Ok(request)
}

/// Sends the request. Once the status is there it counts, whether or not a body follows.
pub(super) async fn send(request: RequestBuilder) -> Result<Answer, Undelivered> {
    let response = request.send().await.map_err(outbound::Error::from)?;
    let status = response.status();
    let retry_after = response
        .headers()
        .get(header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let body = outbound::read_prefix(response, MAX_BODY_BYTES).await.ok();
    Ok(Answer {
        status,
        retry_after,
        body: body.and_then(|bytes| readable(&bytes)),
    })
}

/// The start of a body as text that Postgres stores: what is no UTF-8, or a control character other
/// than white space, is replaced.
fn readable(bytes: &[u8]) -> Option<String> {
    let text: String = String::from_utf8_lossy(bytes)
        .chars()
        .map(|c| match c {
            '\n' | '\r' | '\t' => c,
            _ if c.is_control() => char::REPLACEMENT_CHARACTER,
            _ => c,
        })
        .collect();
    (!text.is_empty()).then_some(text)
}

/// How long the endpoint asks to be left alone: only an overloaded one may ask. Both forms of the
/// header are read, seconds and a date; a date that is past is no wait.
pub(super) fn retry_after(
    status: StatusCode,
    header: Option<&str>,
    now: DateTime<Utc>,
) -> Option<Duration> {
    let may_ask = matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    );
    let header = header.filter(|_| may_ask)?.trim();
    if let Ok(seconds) = header.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = DateTime::parse_from_rfc2822(header).ok()?;
    (at.to_utc() - now).to_std().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overloaded_endpoint_may_put_the_next_attempt_off() {
        let now = DateTime::from_timestamp(1_445_412_420, 0).unwrap();
        let date = "Wed, 21 Oct 2015 07:28:00 GMT";
        for (status, header, expected) in [
            (429, Some("120"), Some(120)),
            (503, Some(" 7 "), Some(7)),
            (502, Some(date), Some(60)),
            (504, Some("Wed, 21 Oct 2015 07:26:00 GMT"), None),
            (429, Some("soon"), None),
            (429, Some("-1"), None),
            (429, None, None),
            (500, Some("120"), None),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(
                retry_after(status, header, now),
                expected.map(Duration::from_secs),
                "{status} {header:?}"
            );
        }
    }

    #[test]
    fn bodies_become_text_that_postgres_stores() {
        assert_eq!(readable(b""), None);
        assert_eq!(
            readable(b"a\0b\x1b[0m\n\xff").unwrap(),
            "a\u{fffd}b\u{fffd}[0m\n\u{fffd}"
        );
    }
}
