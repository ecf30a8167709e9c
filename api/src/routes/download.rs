use files::FileKey;
use poem::http::{HeaderValue, header};
use poem::{Body, IntoResponse, Response};
use poem_openapi::ApiResponse;
use poem_openapi::registry::{MetaMediaType, MetaResponse, MetaResponses, MetaSchema};
use poem_openapi::registry::{MetaSchemaRef, Registry};

use crate::{AppState, Problem};

/// A file that a contact sent, never to be shown by a browser as a page.
pub(super) struct Download {
    name: String,
    media_type: String,
    size_bytes: i64,
    file: tokio::fs::File,
}

/// A file that is kept, and what it is to be saved as.
pub(super) struct Kept {
    /// Where it is kept.
    pub(super) key: String,
    /// Its name.
    pub(super) name: String,
    /// Its media type.
    pub(super) media_type: String,
    /// Its length.
    pub(super) size_bytes: i64,
}

impl Download {
    /// Opens a file.
    ///
    /// # Errors
    /// 404 if it is gone.
    pub(super) async fn open(state: &AppState, kept: Kept) -> Result<Self, Problem> {
        let broken = |error: Box<dyn std::error::Error + Send + Sync>| {
            Problem::from(assistant::Error::broken("a contact's file", error))
        };
        let key: FileKey = kept.key.parse().map_err(|error| broken(Box::new(error)))?;
        let file = match state.files.open(&key).await {
            Ok(file) => file,
            Err(files::Error::NotFound { .. }) => return Err(Problem::not_found()),
            Err(error) => return Err(broken(Box::new(error))),
        };
        Ok(Self {
            name: kept.name,
            media_type: kept.media_type,
            size_bytes: kept.size_bytes,
            file,
        })
    }
}

impl IntoResponse for Download {
    fn into_response(self) -> Response {
        Response::builder()
            .content_type(self.media_type)
            .header(header::CONTENT_LENGTH, self.size_bytes)
            .header(header::CONTENT_DISPOSITION, saved_as(&self.name))
            .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
            .header(
                header::CONTENT_SECURITY_POLICY,
                "default-src 'none'; sandbox",
            )
            .header(header::CACHE_CONTROL, "private, max-age=86400, immutable")
            .body(Body::from_async_read(self.file))
    }
}

/// A file to be saved under its name, by RFC 6266: in UTF-8, with everything but letters and digits
/// escaped.
fn saved_as(name: &str) -> HeaderValue {
    let mut text = String::from("attachment; filename*=UTF-8''");
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_') {
            text.push(char::from(byte));
        } else {
            text.push('%');
            text.push_str(&hex::encode_upper([byte]));
        }
    }
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("attachment"))
}

impl ApiResponse for Download {
    fn meta() -> MetaResponses {
        let file = MetaSchema {
            format: Some("binary"),
            ..MetaSchema::new("string")
        };
        MetaResponses {
            responses: vec![MetaResponse {
                description: "The file.",
                status: Some(200),
                status_range: None,
                content: vec![MetaMediaType {
                    content_type: "application/octet-stream",
                    schema: MetaSchemaRef::Inline(Box::new(file)),
                }],
                headers: Vec::new(),
            }],
        }
    }

    fn register(_: &mut Registry) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_header() {
        assert_eq!(
            saved_as("a \"b\";\r\n\u{e9}.png"),
            "attachment; filename*=UTF-8''a%20%22b%22%3B%0D%0A%C3%A9.png"
        );
    }
}
