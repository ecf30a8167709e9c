use std::time::Duration;

use bytes::Bytes;
use domain::TenantId;
use files::Stored;
use futures::{StreamExt as _, stream};
use http::{HeaderMap, Method, StatusCode, header};
use outbound::Refusal;
use rag::extract::{MediaType, sniff};
use reqwest::Response;
use store::document_sources::Validators;
use url::Url;

use crate::Assistant;

/// How long one request may take, from the look-up of the name to the last byte.
const TIMEOUT: Duration = Duration::from_mins(2);
/// How often an address may lead to another one.
const MAX_REDIRECTS: usize = 5;
/// How much of a file tells its kind.
const SNIFFED_BYTES: usize = 1024;
/// A longer `ETag` or `Last-Modified` is not kept.
const MAX_VALIDATOR_BYTES: usize = 1000;
/// The longest wait that an address may ask for.
const MAX_WAIT: Duration = Duration::from_hours(1);

/// What an address gave.
pub(super) enum Found {
    /// It has what it had.
    Unchanged,
    /// Its content, stored.
    Content(Content),
}

/// The content of an address, stored.
pub(super) struct Content {
    pub(super) stored: Stored,
    pub(super) media_type: MediaType,
    pub(super) validators: Validators,
}

/// Why an address gave nothing, for the tenant to read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// May be over later.
    Passing {
        reason: String,
        after: Option<Duration>,
    },
    /// Somebody has to do something.
    Lasting(String),
}

fn passing(reason: &str) -> Trouble {
    Trouble::Passing {
        reason: reason.to_owned(),
        after: None,
    }
}

fn lasting(reason: impl Into<String>) -> Trouble {
    Trouble::Lasting(reason.into())
}

/// Asks an address for its content, only if it is another one than `validators` stand for, and stores
/// it. Every address on the way is judged as the first one is.
pub(super) async fn ask(
    assistant: &Assistant,
    tenant: TenantId,
    mut url: Url,
    validators: &Validators,
) -> Result<Found, Trouble> {
    for _ in 0..=MAX_REDIRECTS {
        let response = request(assistant, &url, validators).await?;
        match response.status() {
            StatusCode::OK => return take(assistant, tenant, &url, response).await,
            StatusCode::NOT_MODIFIED => return Ok(Found::Unchanged),
            status if status.is_redirection() => url = next_url(&url, response.headers())?,
            status => return Err(trouble_of(status, response.headers())),
        }
    }
    Err(lasting("The address leads to another one too often."))
}

async fn request(
    assistant: &Assistant,
    url: &Url,
    validators: &Validators,
) -> Result<Response, Trouble> {
    let request = assistant.guarded.request(Method::GET, url);
    let mut request = request
        .map_err(trouble)?
        .timeout(TIMEOUT)
        .header(header::ACCEPT, "*/*")
        .header(header::ACCEPT_ENCODING, "identity");
    if let Some(etag) = &validators.etag {
        request = request.header(header::IF_NONE_MATCH, etag);
    }
    if let Some(since) = &validators.last_modified {
        request = request.header(header::IF_MODIFIED_SINCE, since);
    }
    let response = request.send().await.map_err(outbound::Error::from);
    response.map_err(trouble)
}

/// Where a redirect leads; never from an encrypted connection to an open one.
fn next_url(url: &Url, headers: &HeaderMap) -> Result<Url, Trouble> {
    let target = headers.get(header::LOCATION);
    let next = target
        .and_then(|target| target.to_str().ok())
        .and_then(|target| url.join(target).ok())
        .ok_or_else(|| lasting("The address leads nowhere."))?;
    if url.scheme() == "https" && next.scheme() != "https" {
        return Err(lasting("The address leads from https to http."));
    }
    Ok(next)
}

/// Stores the body of an answer.
async fn take(
    assistant: &Assistant,
    tenant: TenantId,
    url: &Url,
    mut response: Response,
) -> Result<Found, Trouble> {
    let headers = response.headers();
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if text(header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return Err(lasting("The address sends its content compressed."));
    }
    let declared = text(header::CONTENT_TYPE).map(str::to_owned);
    let kept = |name| {
        let value = text(name).filter(|value| value.len() <= MAX_VALIDATOR_BYTES);
        value.map(str::to_owned)
    };
    let validators = Validators {
        etag: kept(header::ETAG),
        last_modified: kept(header::LAST_MODIFIED),
    };
    let first = read_first(&mut response).await.map_err(trouble)?;
    let name = url.path_segments().and_then(|mut path| path.next_back());
    let media_type = sniff(name.unwrap_or_default(), declared.as_deref(), &first)
        .map_err(|unsupported| lasting(unsupported.to_string()))?;
    let rest = response
        .bytes_stream()
        .map(|piece| piece.map_err(outbound::Error::from));
    let whole = stream::once(async { Ok(first) }).chain(rest);
    let max_bytes = assistant.settings.max_upload_bytes;
    let stored = assistant.files.put_stream(tenant, whole, max_bytes).await;
    match stored {
        Ok(stored) => Ok(Found::Content(Content {
            stored,
            media_type,
            validators,
        })),
        Err(files::Error::TooLarge { max_bytes }) => Err(lasting(format!(
            "The content is larger than {max_bytes} bytes."
        ))),
        Err(files::Error::Cut(_)) => Err(passing("The address broke off its answer.")),
        Err(error) => {
            tracing::error!(%error, "what an address gave cannot be stored");
            Err(passing("The content could not be stored."))
        }
    }
}

async fn read_first(response: &mut Response) -> Result<Bytes, outbound::Error> {
    let mut first = Vec::new();
    while first.len() < SNIFFED_BYTES {
        match response.chunk().await? {
            Some(piece) => first.extend_from_slice(&piece),
            None => break,
        }
    }
    Ok(first.into())
}

fn trouble_of(status: StatusCode, headers: &HeaderMap) -> Trouble {
    let number = status.as_u16();
    match status {
        StatusCode::NOT_FOUND | StatusCode::GONE => lasting(format!(
            "There is nothing at the address (status {number})."
        )),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => lasting(format!(
            "The address does not let us read it (status {number})."
        )),
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Trouble::Passing {
            reason: format!("The address asks to come again later (status {number})."),
            after: wait(headers),
        },
        _ if status.is_server_error() => Trouble::Passing {
            reason: format!("The address is out of order (status {number})."),
            after: wait(headers),
        },
        _ => lasting(format!("The address answered with status {number}.")),
    }
}

fn wait(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    let wait = Duration::from_secs(seconds.trim().parse().ok()?);
    Some(wait.min(MAX_WAIT))
}

fn trouble(error: outbound::Error) -> Trouble {
    match error {
        // Which address a name leads to inside is not the tenant's to know.
        outbound::Error::Refused(Refusal::NotPublic(_)) => {
            lasting("The address is not a public one.")
        }
        outbound::Error::Refused(refusal) => {
            lasting(format!("The address may not be fetched: {refusal}."))
        }
        outbound::Error::Unreachable(_) => passing("The address cannot be reached."),
        outbound::Error::TimedOut(_) => passing("The address took too long to answer."),
        outbound::Error::Interrupted(_) | outbound::Error::TooLarge { .. } => {
            passing("The address broke off its answer.")
        }
        outbound::Error::Invalid(_) => lasting("The address cannot be asked."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(location: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::LOCATION, location.parse().unwrap())])
    }

    #[test]
    fn a_redirect_never_leaves_encryption() {
        let from = |url: &str, to_: &str| {
            let url = next_url(&url.parse().unwrap(), &to(to_));
            url.map(|url| url.to_string())
        };
        assert_eq!(
            from("http://a.example/x/y", "../z").unwrap(),
            "http://a.example/z"
        );
        assert_eq!(
            from("http://a.example/", "https://a.example/").unwrap(),
            "https://a.example/"
        );
        assert!(from("https://a.example/", "http://a.example/").is_err());
        assert!(next_url(&"http://a.example/".parse().unwrap(), &HeaderMap::new()).is_err());
    }

    #[test]
    fn what_may_pass_is_told_from_what_will_not() {
        let headers = HeaderMap::from_iter([(header::RETRY_AFTER, "7200".parse().unwrap())]);
        for (status, passes) in [
            (404, false),
            (403, false),
            (418, false),
            (429, true),
            (503, true),
        ] {
            let trouble = trouble_of(StatusCode::from_u16(status).unwrap(), &headers);
            match trouble {
                Trouble::Passing { after, .. } => assert!(passes && after == Some(MAX_WAIT)),
                Trouble::Lasting(reason) => {
                    assert!(!passes && reason.contains(&status.to_string()), "{reason}");
                }
            }
        }
    }

    #[test]
    fn what_a_name_leads_to_inside_is_not_told() {
        let refusal = Refusal::NotPublic("10.1.2.3".parse().unwrap());
        let told = trouble(outbound::Error::Refused(refusal));
        assert_eq!(told, lasting("The address is not a public one."));
    }
}
