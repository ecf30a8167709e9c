//! The successful answers of the API.

use domain::Page;
use poem::http::StatusCode;
use poem::{IntoResponse, Response};
use poem_openapi::ApiResponse;
use poem_openapi::payload::Payload as _;
use poem_openapi::registry::{MetaMediaType, MetaResponse, MetaResponses, Registry};
use poem_openapi::types::{ParseFromJSON, ToJSON, Type};

/// An answer of one status with a JSON body.
#[derive(Debug)]
pub struct Answer<const STATUS: u16, T>(pub T);

/// 200 with a body.
pub type Found<T> = Answer<200, T>;

/// 201: the thing was created.
pub type Created<T> = Answer<201, T>;

/// 202: the work is queued.
pub type Accepted<T> = Answer<202, T>;

impl<const STATUS: u16, T: ToJSON + Send> IntoResponse for Answer<STATUS, T> {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(STATUS).unwrap_or(StatusCode::OK);
        poem::web::Json(self.0.to_json())
            .with_status(status)
            .into_response()
    }
}

impl<const STATUS: u16, T: Type + ToJSON> ApiResponse for Answer<STATUS, T> {
    fn meta() -> MetaResponses {
        let description = match STATUS {
            201 => "Created.",
            202 => "Accepted: the work is queued.",
            _ => "As asked for.",
        };
        MetaResponses {
            responses: vec![MetaResponse {
                description,
                status: Some(STATUS),
                status_range: None,
                content: vec![MetaMediaType {
                    content_type: poem_openapi::payload::Json::<T>::CONTENT_TYPE,
                    schema: T::schema_ref(),
                }],
                headers: Vec::new(),
            }],
        }
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

/// 204: done, and nothing to say.
#[derive(Clone, Copy, Debug)]
pub struct Done;

impl IntoResponse for Done {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}

impl ApiResponse for Done {
    fn meta() -> MetaResponses {
        MetaResponses {
            responses: vec![MetaResponse {
                description: "Done.",
                status: Some(204),
                status_range: None,
                content: Vec::new(),
                headers: Vec::new(),
            }],
        }
    }

    fn register(_: &mut Registry) {}
}

/// One page of a list.
#[derive(Debug, poem_openapi::Object)]
pub struct List<T: ParseFromJSON + ToJSON + Type + Send + Sync> {
    /// The entries, in the order of the list.
    pub data: Vec<T>,
    /// What to send as `cursor` for the next page; `null` on the last one.
    pub next_cursor: Option<String>,
}

impl<T: ParseFromJSON + ToJSON + Type + Send + Sync> List<T> {
    /// Shows a page of rows.
    pub fn of<R>(page: Page<R>, show: impl FnMut(R) -> T) -> Found<Self> {
        let page = page.map(show);
        let next_cursor = page.next_cursor.map(|cursor| cursor.encode());
        Answer(Self {
            data: page.data,
            next_cursor,
        })
    }
}
