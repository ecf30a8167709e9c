//! What a document is made of as it comes in: a file, an address or a text.

use bytes::Bytes;
use domain::{DocumentId, DocumentSource, TenantId};
use files::Stored;
use futures::stream;
use outbound::Guard;
use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaMediaType, MetaRequest, Registry};
use poem_openapi::types::Type as _;
use poem_openapi::{ApiExtractor, ApiExtractorType, Enum, ExtractParamOptions, Object};
use rag::extract::MediaType;
use serde::Deserialize;
use store::document_sources;
use store::documents::{self, Document, NewDocument};
use url::Url;

use super::super::upload::Upload;
use crate::payload::{Checks, JsonBody};
use crate::{AppState, Problem};

/// The longest name, in characters.
const MAX_NAME_CHARS: usize = 500;
/// The longest address, in characters.
const MAX_URL_CHARS: usize = 2000;
/// How often an address may be looked at again, in seconds: an hour to 30 days.
const REFRESH_SECONDS: std::ops::RangeInclusive<i32> = 3600..=2_592_000;

/// What a sent text is written in.
#[derive(Clone, Copy, Debug, Default, Enum, Deserialize)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
enum TextFormat {
    /// Plain text.
    #[default]
    Plain,
    /// Markdown: its headings become those of the passages.
    Markdown,
}

/// A document that is not a file: `url` for an address to be fetched, or `name` and `text` for a text.
#[derive(Debug, Object, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(example)]
pub(super) struct AddDocument {
    /// What it is called, 1 to 500 characters. An address without a name is called by itself.
    name: Option<String>,
    /// An address, `http` or `https` and public. It is fetched as it is, without a browser and
    /// without a login, and may lead on to others.
    url: Option<String>,
    /// How often the address is looked at again, in seconds, 3600 to 2592000; missing: only when you
    /// have the document indexed anew. It is indexed only if its content changed.
    refresh_seconds: Option<i32>,
    /// The text itself. All of the body may have 1 MiB; send longer ones as a file.
    text: Option<String>,
    /// What the text is written in. Default `plain`.
    format: Option<TextFormat>,
}

impl poem_openapi::types::Example for AddDocument {
    fn example() -> Self {
        Self {
            name: None,
            url: Some("https://shop.example/returns.pdf".to_owned()),
            refresh_seconds: Some(86_400),
            text: None,
            format: None,
        }
    }
}

/// A body that a document is made of.
pub(super) enum Content {
    /// A form with a file.
    File(Box<Upload>),
    /// An address or a text.
    Json(AddDocument),
}

impl<'a> ApiExtractor<'a> for Content {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        AddDocument::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        let mut meta = <Upload>::request_meta()?;
        meta.description =
            Some("A form with the file as its field `file`, or JSON for an address or a text.");
        meta.content.push(MetaMediaType {
            content_type: "application/json",
            schema: AddDocument::schema_ref(),
        });
        Some(meta)
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let is_json = request
            .content_type()
            .is_some_and(|kind| kind.to_ascii_lowercase().starts_with("application/json"));
        if is_json {
            let json = JsonBody::<AddDocument>::from_request(request, body, options).await?;
            return Ok(Self::Json(json.value));
        }
        let upload = <Upload as ApiExtractor>::from_request(request, body, options).await?;
        Ok(Self::File(Box::new(upload)))
    }
}

/// What a document is to be, its content checked, and stored where it is there.
pub(super) struct Arrived {
    name: String,
    source: DocumentSource,
    /// The file with the format it was recognised as; `None` for an address.
    file: Option<(Stored, MediaType)>,
    url: Option<Url>,
    refresh_seconds: Option<i32>,
}

impl Content {
    /// Takes the content in.
    ///
    /// # Errors
    /// 413, 415 and 422.
    pub(super) async fn receive(
        self,
        state: &AppState,
        tenant: TenantId,
    ) -> Result<Arrived, Problem> {
        let add = match self {
            Self::File(upload) => {
                let received = upload.receive(state, tenant).await?;
                return Ok(Arrived {
                    name: received.name,
                    source: DocumentSource::File,
                    file: Some((received.stored, received.media_type)),
                    url: None,
                    refresh_seconds: None,
                });
            }
            Self::Json(add) => add,
        };
        if add.url.is_some() == add.text.is_some() {
            let detail = "must have either `url` or `text`";
            return Err(Problem::invalid_field("", detail));
        }
        let checks = Checks::default();
        match (&add.url, &add.text) {
            (Some(url), _) => add.receive_url(url, &state.guard, checks),
            (None, text) => {
                let text = text.clone().unwrap_or_default();
                add.receive_text(text, state, tenant, checks).await
            }
        }
    }
}

impl AddDocument {
    fn receive_url(
        &self,
        url: &str,
        guard: &Guard,
        mut checks: Checks,
    ) -> Result<Arrived, Problem> {
        checks.require(self.format.is_none(), "format", "is for `text` only");
        check_refresh(self.refresh_seconds, &mut checks);
        let name = self.name.as_ref();
        let name = name.map(|name| checks.text("name", name, MAX_NAME_CHARS));
        let url = check_url(url, guard, &mut checks);
        checks.finish()?;
        let Some(mut url) = url else {
            return Err(Problem::invalid_field("url", "is not an address"));
        };
        // It never leaves the browser of whoever follows a link.
        url.set_fragment(None);
        Ok(Arrived {
            name: name.unwrap_or_else(|| name_of(&url)),
            source: DocumentSource::Url,
            file: None,
            url: Some(url),
            refresh_seconds: self.refresh_seconds,
        })
    }

    async fn receive_text(
        &self,
        text: String,
        state: &AppState,
        tenant: TenantId,
        mut checks: Checks,
    ) -> Result<Arrived, Problem> {
        let name = self.name.as_deref().unwrap_or_default();
        let name = checks.text("name", name, MAX_NAME_CHARS);
        let has_text = !text.trim().is_empty() && !text.contains('\0');
        checks.require(has_text, "text", "must have words, and no character NUL");
        let is_plain = self.refresh_seconds.is_none();
        checks.require(is_plain, "refresh_seconds", "is for `url` only");
        checks.finish()?;
        let media_type = match self.format.unwrap_or_default() {
            TextFormat::Plain => MediaType::Text,
            TextFormat::Markdown => MediaType::Markdown,
        };
        let content = stream::iter([Ok::<_, std::io::Error>(Bytes::from(text))]);
        let max_bytes = state.limits.max_upload_bytes;
        let stored = state.files.put_stream(tenant, content, max_bytes).await?;
        Ok(Arrived {
            name,
            source: DocumentSource::Text,
            file: Some((stored, media_type)),
            url: None,
            refresh_seconds: None,
        })
    }
}

/// Notes if an address cannot be looked at again as often as that.
pub(super) fn check_refresh(seconds: Option<i32>, checks: &mut Checks) {
    let fits = seconds.is_none_or(|seconds| REFRESH_SECONDS.contains(&seconds));
    let (low, high) = (REFRESH_SECONDS.start(), REFRESH_SECONDS.end());
    let detail = format!("must be from {low} to {high}");
    checks.require(fits, "refresh_seconds", detail);
}

fn check_url(text: &str, guard: &Guard, checks: &mut Checks) -> Option<Url> {
    let is_short = text.chars().count() <= MAX_URL_CHARS;
    let detail = format!("must have at most {MAX_URL_CHARS} characters");
    checks.require(is_short, "url", detail);
    let Ok(url) = text.trim().parse::<Url>() else {
        checks.require(false, "url", "must be an http:// or https:// URL");
        return None;
    };
    if let Err(outbound::Error::Refused(refusal)) = outbound::check_url(&url, guard) {
        checks.require(false, "url", refusal.to_string());
    }
    // Written out, an address may be longer than it was sent.
    checks.require(url.as_str().len() <= MAX_URL_CHARS, "url", "is too long");
    Some(url)
}

/// What an address is called that has no name: itself, without what only machines read.
fn name_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let path = url.path().trim_end_matches('/');
    format!("{host}{path}")
        .chars()
        .take(MAX_NAME_CHARS)
        .collect()
}

impl Arrived {
    /// Stores the document and its job in one transaction.
    pub(super) async fn record(
        &self,
        state: &AppState,
        tenant: TenantId,
    ) -> Result<Document, Problem> {
        let mut tx = state.db.tenant(tenant).await?;
        let id = DocumentId::new();
        let new = match &self.file {
            Some((stored, media_type)) => NewDocument {
                id,
                name: &self.name,
                source: self.source,
                media_type: media_type.as_str(),
                size_bytes: i64::try_from(stored.size_bytes).unwrap_or(i64::MAX),
                sha256: &stored.sha256,
                file_key: &stored.key.to_string(),
            },
            None => NewDocument {
                id,
                name: &self.name,
                source: self.source,
                media_type: "",
                size_bytes: 0,
                sha256: &[0; 32],
                file_key: "",
            },
        };
        let document = documents::insert(&mut tx, &new).await?;
        if let Some(url) = &self.url {
            document_sources::insert(&mut tx, id, url.as_str(), self.refresh_seconds).await?;
        }
        assistant::ingest::begin_version(&mut tx, &document).await?;
        tx.commit().await?;
        Ok(document)
    }

    /// The key of the file that was stored.
    pub(super) fn file_key(&self) -> Option<String> {
        let (stored, _) = self.file.as_ref()?;
        Some(stored.key.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_without_a_name_is_called_by_itself() {
        for (url, name) in [
            ("https://shop.example/", "shop.example"),
            (
                "https://shop.example/a/returns.pdf?x=1#top",
                "shop.example/a/returns.pdf",
            ),
        ] {
            assert_eq!(name_of(&url.parse().unwrap()), name);
        }
    }
}
