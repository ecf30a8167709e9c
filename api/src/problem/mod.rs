//! The only place where an error becomes HTTP: RFC 9457 problems with a stable `code`.
//!
//! `title` and `detail` are for people and may change; `code` is for programs and never does. What
//! happened inside is logged here, once, and never sent.

mod causes;
mod render;

use std::fmt;

use poem::Response;
use poem::http::{StatusCode, header};
use poem_openapi::registry::{MetaMediaType, MetaResponse, MetaResponses, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiResponse, Object};
use serde::{Deserialize, Serialize};

pub(crate) use render::render;

/// Seconds after which a caller may ask again when something of ours is away.
const RETRY_AFTER_SECONDS: u64 = 5;

/// The media type of every error.
pub(crate) const MEDIA_TYPE: &str = "application/problem+json";

/// Why a request was not done, ready to be sent.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    errors: Vec<FieldProblem>,
    retry_after_seconds: Option<u64>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What is wrong with one field of a request.
#[derive(Clone, Debug, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct FieldProblem {
    /// The field, with dots and brackets where it lies inside others: `settings.llm.temperature`.
    /// Empty: the body as a whole.
    pub field: String,
    /// What is wrong with it, for people.
    pub detail: String,
}

/// The body of every error, by RFC 9457.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[oai(rename = "Problem")]
pub struct ProblemBody {
    /// Always `about:blank`: `code` tells problems apart.
    #[serde(rename = "type")]
    #[oai(rename = "type")]
    pub kind: String,
    /// The status in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened, for people.
    pub detail: String,
    /// What happened, for programs: `not_found`, `invalid_request`, … Never changes.
    pub code: String,
    /// The request's id, as in the header `X-Request-Id`; name it when you ask for help.
    pub request_id: String,
    /// What is wrong with which field, where fields are to blame.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[oai(default, skip_serializing_if_is_empty)]
    pub errors: Vec<FieldProblem>,
}

impl FieldProblem {
    /// Names a field and what is wrong with it.
    pub fn new(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            detail: detail.into(),
        }
    }
}

impl Problem {
    /// A problem of a status and a code, with a sentence for people.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            errors: Vec::new(),
            retry_after_seconds: None,
            source: None,
        }
    }

    /// Whether what was to be committed may be committed all the same: an outage may have swallowed the
    /// answer alone.
    pub(crate) fn may_be_done(&self) -> bool {
        self.status == StatusCode::SERVICE_UNAVAILABLE
    }

    /// 404: there is no such thing, or it is not the caller's to know of.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "There is nothing here.")
    }

    /// 422 for fields that are wrong.
    pub fn invalid(errors: Vec<FieldProblem>) -> Self {
        let problem = Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_request",
            "The request is not valid; `errors` says where.",
        );
        Self { errors, ..problem }
    }

    /// 422 for one field that is wrong.
    pub fn invalid_field(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::invalid(vec![FieldProblem::new(field, detail)])
    }

    /// 409: what stands already does not allow it.
    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    /// 401: no key, or one that does not work.
    pub fn unauthorized() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "Send a valid API key as `Authorization: Bearer mck_…`.",
        )
    }

    /// 403: the operation needs an operator's key.
    pub fn operator_only() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "operator_key_required",
            "Only an operator's key may do this.",
        )
    }

    /// 429: as many streams are open as there may be.
    pub fn too_many_streams() -> Self {
        Self {
            retry_after_seconds: Some(RETRY_AFTER_SECONDS),
            ..Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_streams",
                "As many streams are open as there may be; try again soon.",
            )
        }
    }

    /// 413 for a body of more than `max_bytes`.
    pub fn too_large(max_bytes: u64) -> Self {
        let detail = format!("The body may have at most {max_bytes} bytes.");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail)
    }

    /// 415 for content that is not taken.
    pub fn unsupported_media(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            detail,
        )
    }

    /// 429: ask again after `seconds`.
    pub fn rate_limited(seconds: u64) -> Self {
        let detail = format!("Too many requests; try again in {seconds} s.");
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail);
        Self {
            retry_after_seconds: Some(seconds),
            ..problem
        }
    }

    /// 503: something of ours is away, ask again in five seconds.
    pub fn unavailable(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let problem = Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            "The service cannot answer right now; try again soon.",
        );
        let source = Some(source.into());
        Self {
            retry_after_seconds: Some(RETRY_AFTER_SECONDS),
            source,
            ..problem
        }
    }

    /// 500: a mistake of ours; `source` goes to the log only.
    pub fn internal(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let problem = Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "Something went wrong on our side.",
        );
        Self {
            source: Some(source.into()),
            ..problem
        }
    }

    /// The status it is sent with.
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    fn log(&self) {
        let Some(source) = &self.source else { return };
        let cause = chain(source.as_ref());
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            tracing::warn!(cause, "the request could not be served");
        } else {
            tracing::error!(cause, "the request failed");
        }
    }

    fn into_http(self, request_id: &str) -> Response {
        self.log();
        let body = ProblemBody {
            kind: "about:blank".to_owned(),
            title: self.status.canonical_reason().unwrap_or("Error").to_owned(),
            status: self.status.as_u16(),
            detail: self.detail,
            code: self.code.to_owned(),
            request_id: request_id.to_owned(),
            errors: self.errors,
        };
        let mut response = Response::builder()
            .status(self.status)
            .content_type(MEDIA_TYPE);
        if let Some(seconds) = self.retry_after_seconds {
            response = response.header(header::RETRY_AFTER, seconds);
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response = response.header(header::WWW_AUTHENTICATE, "Bearer");
        }
        response.body(serde_json::to_string(&body).unwrap_or_default())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Problem {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source.as_ref() as _)
    }
}

impl From<Problem> for poem::Error {
    fn from(problem: Problem) -> Self {
        let status = problem.status;
        Self::new(problem, status)
    }
}

impl ApiResponse for Problem {
    fn meta() -> MetaResponses {
        MetaResponses {
            responses: vec![MetaResponse {
                description: "Not done; `code` says why.",
                status: None,
                status_range: None,
                content: vec![MetaMediaType {
                    content_type: MEDIA_TYPE,
                    schema: ProblemBody::schema_ref(),
                }],
                headers: Vec::new(),
            }],
        }
    }

    fn register(registry: &mut Registry) {
        ProblemBody::register(registry);
    }
}

/// An error with everything that caused it, in one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
