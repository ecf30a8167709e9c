use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, header};
use outbound::{Client, read_capped};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::Url;

use crate::lenient::{without_lone_surrogates, without_nul};

/// The longest answer that is read where a request says nothing else, in bytes.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// How long a file may take on its way out: longer than other requests, and less than its job.
const FORM_TIMEOUT: Duration = Duration::from_secs(50);

/// The longest wait an answer may ask for; a longer one is cut.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(1);

/// A request to be made: everything but the making.
#[derive(Clone)]
pub struct HttpRequest {
    /// The method.
    pub method: Method,
    /// The address; holds no secret.
    pub url: Url,
    /// Which client may make it.
    pub audience: Audience,
    /// What authorises it, as a bearer token.
    pub bearer: Option<SecretString>,
    /// Other headers; the body's type is added.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    pub body: RequestBody,
    /// The longest answer that is worth reading, in bytes.
    pub max_answer_bytes: usize,
}

/// Whose address a request goes to, which says what client may make it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// The channel's operator, at an address the platform's operator configured.
    Operator,
    /// An address that a tenant or a contact chose: only a guarded client may make it.
    Stranger,
}

/// A request's body.
#[derive(Clone)]
pub enum RequestBody {
    /// None.
    Empty,
    /// JSON.
    Json(Value),
    /// JSON as these very bytes, which a header signs.
    SignedJson(Bytes),
    /// A form with a file, as `multipart/form-data`.
    Form {
        /// The fields before it, in their order.
        fields: Vec<(&'static str, String)>,
        /// The file's field.
        file_field: &'static str,
        /// The file's name.
        filename: String,
        /// The file's media type.
        mime_type: String,
        /// The file.
        bytes: Bytes,
    },
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpAnswer {
    /// Its status.
    pub status: u16,
    /// How long it asks to wait, cut to an hour.
    pub retry_after: Option<Duration>,
    /// Its body.
    pub body: Bytes,
}

impl HttpRequest {
    pub(crate) fn new(method: Method, url: Url, audience: Audience) -> Self {
        Self {
            method,
            url,
            audience,
            bearer: None,
            headers: Vec::new(),
            body: RequestBody::Empty,
            max_answer_bytes: MAX_ANSWER_BYTES,
        }
    }

    pub(crate) fn bearer(mut self, token: &SecretString) -> Self {
        self.bearer = Some(token.clone());
        self
    }

    pub(crate) fn json(mut self, body: Value) -> Self {
        self.body = RequestBody::Json(body);
        self
    }
}

impl fmt::Debug for HttpRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("HttpRequest")
            .field("method", &self.method)
            .field("audience", &self.audience)
            .field("host", &self.url.host_str())
            .field("is_authorised", &self.bearer.is_some())
            .finish_non_exhaustive()
    }
}

impl HttpAnswer {
    /// The body as JSON that a row can hold; `null` where it is none.
    pub fn json(&self) -> Value {
        let json = serde_json::from_slice(&without_lone_surrogates(&self.body));
        json.map_or(Value::Null, without_nul)
    }

    /// Whether the status says that the request was done.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// An answer whose body is still to come.
#[derive(Debug)]
pub struct Begun {
    /// Its status.
    pub status: u16,
    /// How long it asks to wait, cut to an hour.
    pub retry_after: Option<Duration>,
    response: reqwest::Response,
}

impl Begun {
    /// How many bytes are announced, where they are.
    pub fn announced_bytes(&self) -> Option<u64> {
        self.response.content_length()
    }

    /// The next piece of the body; `None` at its end.
    ///
    /// # Errors
    /// Those of `outbound`, if it does not come.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, outbound::Error> {
        Ok(self.response.chunk().await?)
    }
}

/// Makes a request and reads its answer, whatever its status.
///
/// `client` must be a guarded one where the request's audience is [`Audience::Stranger`].
///
/// # Errors
/// Those of `outbound`. A refusal (4xx) stays an answer even if its body got lost on the way.
pub async fn perform(
    client: &Client,
    request: &HttpRequest,
) -> Result<HttpAnswer, outbound::Error> {
    let Begun {
        status,
        retry_after,
        response,
    } = begin(client, request).await?;
    let body = match read_capped(response, request.max_answer_bytes).await {
        Ok(body) => body,
        Err(_) if (400..500).contains(&status) => Bytes::new(),
        Err(error) => return Err(error),
    };
    Ok(HttpAnswer {
        status,
        retry_after,
        body,
    })
}

/// Makes a request and reads the head of its answer, for a body that is to be taken as it comes: the
/// caller keeps to `max_answer_bytes`.
///
/// `client` as in [`perform`].
///
/// # Errors
/// Those of `outbound`.
pub async fn begin(client: &Client, request: &HttpRequest) -> Result<Begun, outbound::Error> {
    let response = written(client, request)?.send().await?;
    Ok(Begun {
        status: response.status().as_u16(),
        retry_after: retry_after(response.headers()),
        response,
    })
}

/// The request as it goes out.
fn written(
    client: &Client,
    request: &HttpRequest,
) -> Result<reqwest::RequestBuilder, outbound::Error> {
    let mut builder = client.request(request.method.clone(), &request.url)?;
    if let Some(token) = &request.bearer {
        builder = builder.bearer_auth(token.expose_secret());
    }
    for (name, value) in &request.headers {
        builder = builder.header(name, value);
    }
    Ok(match &request.body {
        RequestBody::Empty => builder,
        RequestBody::Json(body) => builder.json(body),
        RequestBody::SignedJson(body) => builder
            .header(header::CONTENT_TYPE, "application/json")
            .body(body.clone()),
        RequestBody::Form {
            fields,
            file_field,
            filename,
            mime_type,
            bytes,
        } => {
            let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            let file = reqwest::multipart::Part::stream_with_length(bytes.clone(), length)
                .file_name(filename.clone())
                .mime_str(mime_type)?;
            let form = fields
                .iter()
                .fold(reqwest::multipart::Form::new(), |form, (name, value)| {
                    form.text(*name, value.clone())
                });
            builder
                .timeout(FORM_TIMEOUT)
                .multipart(form.part(*file_field, file))
        }
    })
}

fn retry_after(headers: &http::HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    Some(Duration::from_secs(seconds.parse().ok()?).min(MAX_RETRY_AFTER))
}
