//! What arrives: JSON bodies, and the parameters of lists.

use std::str::FromStr;

use domain::Cursor;
use poem::http::StatusCode;
use poem::{Request, RequestBody};
use poem_openapi::payload::{Json, ParsePayload, Payload};
use poem_openapi::registry::{MetaMediaType, MetaRequest, MetaSchemaRef, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Problem;
use crate::problem::FieldProblem;

/// The longest JSON body that is read, in bytes.
pub const MAX_JSON_BYTES: usize = 1024 * 1024;

const DEFAULT_LIMIT: u32 = 20;
const MAX_LIMIT: u32 = 100;

/// A JSON body, read by serde so that an error names its field and never repeats a value.
#[derive(Debug)]
pub struct JsonBody<T> {
    /// The body.
    pub value: T,
    /// The body as it was sent, for what tells a missing field from `null`.
    pub raw: Value,
}

impl<T: Type> Payload for JsonBody<T> {
    const CONTENT_TYPE: &'static str = "application/json";

    fn check_content_type(content_type: &str) -> bool {
        Json::<T>::check_content_type(content_type)
    }

    fn schema_ref() -> MetaSchemaRef {
        T::schema_ref()
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl<T: DeserializeOwned + Send> ParsePayload for JsonBody<T> {
    const IS_REQUIRED: bool = true;

    async fn from_request(_: &Request, body: &mut RequestBody) -> poem::Result<Self> {
        let bytes = read_capped(body.take()?).await?;
        Ok(parse(&bytes)?)
    }
}

impl<'a, T: Type + DeserializeOwned + Send> ApiExtractor<'a> for JsonBody<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        <Self as Payload>::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        Some(MetaRequest {
            description: None,
            content: vec![MetaMediaType {
                content_type: Self::CONTENT_TYPE,
                schema: T::schema_ref(),
            }],
            required: true,
        })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        match request.content_type() {
            Some(content_type) if Self::check_content_type(content_type) => {
                <Self as ParsePayload>::from_request(request, body).await
            }
            _ => Err(Problem::unsupported_media("Send `Content-Type: application/json`.").into()),
        }
    }
}

/// A JSON body that may be left out; an empty one is.
#[derive(Debug)]
pub struct OptionalBody<T>(pub Option<T>);

impl<'a, T: Type + DeserializeOwned + Send> ApiExtractor<'a> for OptionalBody<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        let meta = <JsonBody<T> as ApiExtractor>::request_meta()?;
        Some(MetaRequest {
            required: false,
            ..meta
        })
    }

    async fn from_request(
        _: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let bytes = read_capped(body.take()?).await?;
        if bytes.is_empty() {
            return Ok(Self(None));
        }
        Ok(Self(Some(parse(&bytes)?.value)))
    }
}

/// Reads a body of at most [`MAX_JSON_BYTES`].
pub(crate) async fn read_capped(body: poem::Body) -> Result<bytes::Bytes, Problem> {
    body.into_bytes_limit(MAX_JSON_BYTES)
        .await
        .map_err(|error| match error {
            poem::error::ReadBodyError::PayloadTooLarge => {
                Problem::too_large(MAX_JSON_BYTES as u64)
            }
            _ => unreadable(),
        })
}

fn unreadable() -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "unreadable_body",
        "The body cannot be read as JSON.",
    )
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<JsonBody<T>, Problem> {
    let raw: Value = serde_json::from_slice(bytes).map_err(|_| unreadable())?;
    let value = serde_path_to_error::deserialize(&raw).map_err(|error| {
        let path = error.path().to_string();
        Problem::invalid(vec![field_problem(&path, &error.into_inner().to_string())])
    })?;
    Ok(JsonBody { value, raw })
}

/// Puts what serde reports into our words: the part that quotes the value is left out.
fn field_problem(path: &str, report: &str) -> FieldProblem {
    let path = if path == "." { "" } else { path };
    let quoted = report.split('`').nth(1).unwrap_or_default();
    let inside = |name: &str| match path {
        "" => name.to_owned(),
        _ if path.ends_with(name) => path.to_owned(),
        _ => format!("{path}.{name}"),
    };
    if report.starts_with("missing field") {
        FieldProblem::new(inside(quoted), "is required")
    } else if report.starts_with("unknown field") {
        FieldProblem::new(inside(quoted), "is not a field of this request")
    } else if let Some((_, expected)) = report.rsplit_once("expected ") {
        FieldProblem::new(
            path,
            format!("must be {}", expected.replace("struct ", "an object: ")),
        )
    } else {
        FieldProblem::new(path, "is not in its form")
    }
}

/// Where a page starts and how long it is.
#[derive(Clone, Debug)]
pub struct PageRequest<K> {
    /// The key of the last row that was seen.
    pub after: Option<K>,
    /// The most rows to answer with.
    pub limit: usize,
}

impl<K: FromStr> PageRequest<K> {
    /// Reads the two parameters of every list.
    ///
    /// # Errors
    /// 422 for a limit outside of 1 to 100, or a cursor that the list did not give out.
    pub fn read(cursor: Option<String>, limit: Option<u32>) -> Result<Self, Problem> {
        let limit = limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(Problem::invalid_field(
                "limit",
                format!("must be from 1 to {MAX_LIMIT}"),
            ));
        }
        let after = cursor
            .map(|text| Cursor::decode(&text)?.key())
            .transpose()
            .map_err(|_: domain::InvalidCursor| {
                Problem::invalid_field("cursor", "is not one that this list returned")
            })?;
        Ok(Self {
            after,
            limit: limit as usize,
        })
    }
}

/// What is wrong with a request, gathered so that all of it is told at once.
#[derive(Debug, Default)]
pub struct Checks(Vec<FieldProblem>);

impl Checks {
    /// Notes what is wrong with a field unless `holds`.
    pub fn require(&mut self, holds: bool, field: &str, detail: impl Into<String>) {
        if !holds {
            self.0.push(FieldProblem::new(field, detail));
        }
    }

    /// Trims a text and notes if it does not have 1 to `max` characters.
    pub fn text(&mut self, field: &str, text: &str, max: usize) -> String {
        let text = text.trim();
        let fits = !text.is_empty() && text.chars().count() <= max && !text.contains('\0');
        self.require(fits, field, format!("must have 1 to {max} characters"));
        text.to_owned()
    }

    /// Returns what is wrong, if anything is.
    ///
    /// # Errors
    /// 422 with every note.
    pub fn finish(self) -> Result<(), Problem> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Problem::invalid(self.0))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        name: String,
        inner: Option<Inner>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        count: u32,
    }

    #[test]
    fn a_valid_body_is_read_and_kept_as_sent() {
        let body = parse::<Outer>(br#"{"name": "x", "inner": {"count": 1}}"#).unwrap();
        assert_eq!(body.value.name, "x");
        assert_eq!(body.value.inner.unwrap().count, 1);
        assert_eq!(body.raw["inner"]["count"], 1);
    }

    fn wrong(text: &str) -> (String, String) {
        let problem = parse::<Outer>(text.as_bytes()).unwrap_err();
        let poem_error = poem::Error::from(problem);
        let problem = poem_error.downcast::<Problem>().unwrap();
        let body = format!("{problem:?}");
        assert!(!body.contains("hunter2"), "{body}");
        let field = body.split("field: \"").nth(1).unwrap_or_default();
        let detail = body.split("detail: \"").nth(2).unwrap_or_default();
        let text = |part: &str| part.split('"').next().unwrap_or_default().to_owned();
        (text(field), text(detail))
    }

    #[test]
    fn errors_name_their_field_and_keep_the_value_to_themselves() {
        assert_eq!(wrong("{}"), ("name".into(), "is required".into()));
        assert_eq!(
            wrong(r#"{"name": "x", "hunter": 1}"#),
            ("hunter".into(), "is not a field of this request".into())
        );
        assert_eq!(
            wrong(r#"{"name": "x", "inner": {"count": "hunter2"}}"#),
            ("inner.count".into(), "must be u32".into())
        );
        assert_eq!(
            wrong(r#"{"name": "x", "inner": {}}"#),
            ("inner.count".into(), "is required".into())
        );
        assert_eq!(
            wrong(r#"{"name": ["hunter2"]}"#),
            ("name".into(), "must be a string".into())
        );
    }

    #[test]
    fn a_body_that_is_not_json_is_unreadable() {
        for text in ["", "{", "\u{feff}"] {
            let problem = parse::<Outer>(text.as_bytes()).unwrap_err();
            assert_eq!(problem.status(), StatusCode::BAD_REQUEST);
        }
    }

    #[test]
    fn the_parameters_of_a_list_have_bounds() {
        assert_eq!(PageRequest::<i64>::read(None, None).unwrap().limit, 20);
        assert!(PageRequest::<i64>::read(None, Some(0)).is_err());
        assert!(PageRequest::<i64>::read(None, Some(101)).is_err());
        assert!(PageRequest::<i64>::read(Some("zz".into()), None).is_err());
        let cursor = Cursor::after(7).encode();
        assert_eq!(
            PageRequest::<i64>::read(Some(cursor), None).unwrap().after,
            Some(7)
        );
    }
}
