//! A file on its way in, as the field `file` of a multipart form.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use domain::TenantId;
use files::Stored;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt as _, stream};
use poem::http::{StatusCode, header};
use poem::web::{Field, Multipart};
use poem::{Body, FromRequest, Request, RequestBody};
use poem_openapi::registry::{MetaMediaType, MetaRequest, MetaSchema, MetaSchemaRef, Registry};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use rag::extract::{MediaType, SNIFFED_BYTES, sniff};
use tokio::io::AsyncReadExt as _;
use tokio_util::io::ReaderStream;

use crate::{AppState, Problem};

/// What the form around the file may weigh.
const FORM_BYTES: u64 = 64 * 1024;
const MAX_NAME_CHARS: usize = 500;

/// What is uploaded: how large it may be, and what the description of the API says of it.
pub(crate) trait Purpose: Send + Sync + 'static {
    /// What may be sent.
    const DESCRIPTION: &'static str;

    /// The fields that may stand before the file, and what they are.
    const FIELDS: &'static [(&'static str, &'static str)] = &[];

    /// The largest file, in bytes.
    fn max_bytes(state: &AppState) -> u64;
}

/// A document that answers draw on.
pub(crate) struct ForAnswers;

impl Purpose for ForAnswers {
    const DESCRIPTION: &'static str = "A file: PDF, Word (DOCX), PowerPoint (PPTX), Excel (XLSX, \
        XLS), OpenDocument spreadsheet (ODS), CSV, HTML, Markdown or text.";

    fn max_bytes(state: &AppState) -> u64 {
        state.limits.max_upload_bytes
    }
}

/// A form whose field `file` is read as it comes in.
pub(crate) struct Upload<P = ForAnswers> {
    form: Multipart,
    max_bytes: u64,
    /// Set when more came in than any file within the limit needs.
    is_too_large: Arc<AtomicBool>,
    purpose: PhantomData<P>,
}

/// The field `file`: its name, the type its sender claims, and its content with the first bytes, by
/// which its real type is told, apart.
pub(crate) struct Arriving {
    /// The fields that stood before it, by name.
    pub(crate) fields: HashMap<&'static str, String>,
    /// Its name, without folders.
    pub(crate) name: String,
    /// What the sender says it is.
    pub(crate) declared: Option<String>,
    /// Its first bytes.
    pub(crate) first: Bytes,
    /// All of it.
    pub(crate) whole: BoxStream<'static, Result<Bytes, std::io::Error>>,
}

/// A file that was stored.
pub(crate) struct Received {
    /// Where and what it is.
    pub(crate) stored: Stored,
    /// Its name, without folders.
    pub(crate) name: String,
    /// What it was recognised as.
    pub(crate) media_type: MediaType,
}

impl<P: Purpose> Upload<P> {
    /// Opens the form. A body whose length is too large is refused before any of it is read.
    async fn open(request: &Request, body: &mut RequestBody) -> Result<Self, poem::Error> {
        let Some(state) = request.data::<Arc<AppState>>() else {
            return Err(Problem::internal("the state is not set").into());
        };
        let max_bytes = P::max_bytes(state);
        let length = request
            .header(header::CONTENT_LENGTH)
            .and_then(|text| text.parse().ok());
        if length.is_some_and(|length: u64| length > max_bytes + FORM_BYTES) {
            return Err(Problem::too_large(max_bytes).into());
        }
        let is_too_large = Arc::new(AtomicBool::new(false));
        let capped = cap(
            body.take()?,
            max_bytes + FORM_BYTES,
            Arc::clone(&is_too_large),
        );
        let mut body = RequestBody::new(Body::from_bytes_stream(capped));
        let form = <Multipart as FromRequest>::from_request(request, &mut body).await?;
        Ok(Self {
            form,
            max_bytes,
            is_too_large,
            purpose: PhantomData,
        })
    }

    /// Finds the field `file`; fields before it are ignored unless [`Purpose::FIELDS`] names them.
    ///
    /// # Errors
    /// 413 and 422, and 400 if the form ends before the file begins.
    pub(crate) async fn begin(&mut self) -> Result<Arriving, Problem> {
        let mut fields = HashMap::new();
        let field = loop {
            match self.form.next_field().await {
                Ok(Some(field)) if field.name() == Some("file") => break field,
                Ok(Some(field)) => {
                    let known = P::FIELDS.iter().find(|it| Some(it.0) == field.name());
                    if let Some((name, _)) = known {
                        let Ok(words) = read_words(field).await else {
                            return Err(self.broken());
                        };
                        let detail = format!("must be text of at most {FORM_BYTES} bytes");
                        let words = words.ok_or_else(|| Problem::invalid_field(*name, detail))?;
                        fields.insert(*name, words);
                    }
                }
                Ok(None) => return Err(Problem::invalid_field("file", "is required")),
                Err(_) => return Err(self.broken()),
            }
        };
        let name = file_name(&field)?;
        let declared = field.content_type().map(str::to_owned);
        let mut content = Box::pin(ReaderStream::new(field.into_async_read()));
        let Ok(first) = read_first(&mut content).await else {
            return Err(self.broken());
        };
        let again = first.clone();
        let whole = stream::once(async { Ok(again) }).chain(content).boxed();
        Ok(Arriving {
            fields,
            name,
            declared,
            first,
            whole,
        })
    }

    /// Why the file could not be stored.
    pub(crate) fn failed(&self, error: files::Error) -> Problem {
        match error {
            files::Error::Cut(_) => self.broken(),
            error => error.into(),
        }
    }

    /// Why the form cannot be read any further.
    fn broken(&self) -> Problem {
        if self.is_too_large.load(Ordering::Relaxed) {
            return Problem::too_large(self.max_bytes);
        }
        Problem::new(
            StatusCode::BAD_REQUEST,
            "upload_incomplete",
            "The form is not valid, or ended before the file was whole.",
        )
    }
}

impl Upload {
    /// Stores the field `file` as a document.
    ///
    /// # Errors
    /// 413, 415 and 422, and 400 if the form ends before the file does.
    pub(crate) async fn receive(
        mut self,
        state: &AppState,
        tenant: TenantId,
    ) -> Result<Received, Problem> {
        let Arriving {
            name,
            declared,
            first,
            whole,
            ..
        } = self.begin().await?;
        let media_type = sniff(&name, declared.as_deref(), &first)
            .map_err(|unsupported| Problem::unsupported_media(unsupported.to_string()))?;
        let stored = state.files.put_stream(tenant, whole, self.max_bytes).await;
        Ok(Received {
            stored: stored.map_err(|error| self.failed(error))?,
            name,
            media_type,
        })
    }
}

impl<'a, P: Purpose> ApiExtractor<'a> for Upload<P> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(_: &mut Registry) {}

    fn request_meta() -> Option<MetaRequest> {
        let file = MetaSchema {
            format: Some("binary"),
            ..MetaSchema::new("string")
        };
        let fields = P::FIELDS.iter().map(|(name, description)| {
            let text = MetaSchema {
                description: Some(description),
                ..MetaSchema::new("string")
            };
            (*name, MetaSchemaRef::Inline(Box::new(text)))
        });
        let file = ("file", MetaSchemaRef::Inline(Box::new(file)));
        let form = MetaSchema {
            required: vec!["file"],
            properties: fields.chain([file]).collect(),
            ..MetaSchema::new("object")
        };
        Some(MetaRequest {
            description: Some(P::DESCRIPTION),
            content: vec![MetaMediaType {
                content_type: "multipart/form-data",
                schema: MetaSchemaRef::Inline(Box::new(form)),
            }],
            required: true,
        })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        Self::open(request, body).await
    }
}

/// Ends a body with an error once it is longer than `max_bytes`.
fn cap(
    body: Body,
    max_bytes: u64,
    is_too_large: Arc<AtomicBool>,
) -> impl Stream<Item = Result<Bytes, std::io::Error>> + Send + 'static {
    let mut taken = 0_u64;
    body.into_bytes_stream().map(move |piece| {
        let piece = piece?;
        taken = taken.saturating_add(piece.len() as u64);
        if taken > max_bytes {
            is_too_large.store(true, Ordering::Relaxed);
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        Ok(piece)
    })
}

/// Reads a field of words; `None` if there are too many of them, or they are none.
async fn read_words(field: Field) -> Result<Option<String>, std::io::Error> {
    let mut bytes = Vec::new();
    let mut capped = field.into_async_read().take(FORM_BYTES + 1);
    capped.read_to_end(&mut bytes).await?;
    let fits = bytes.len() as u64 <= FORM_BYTES;
    Ok(String::from_utf8(bytes).ok().filter(|_| fits))
}

/// Reads enough of a file to tell its kind.
async fn read_first<S>(content: &mut S) -> Result<Bytes, std::io::Error>
where
    S: Stream<Item = Result<Bytes, std::io::Error>> + Unpin,
{
    let mut first = Vec::new();
    while first.len() < SNIFFED_BYTES {
        match content.next().await {
            Some(piece) => first.extend_from_slice(&piece?),
            None => break,
        }
    }
    Ok(first.into())
}

/// The file's name without the folders that some clients send along.
fn file_name(field: &Field) -> Result<String, Problem> {
    let given = field.file_name().unwrap_or_default();
    let name = given.rsplit(['/', '\\']).next().unwrap_or_default().trim();
    let fits = (1..=MAX_NAME_CHARS).contains(&name.chars().count());
    if !fits || name.chars().any(char::is_control) {
        let detail = format!("must be a file with a name of 1 to {MAX_NAME_CHARS} characters");
        return Err(Problem::invalid_field("file", detail));
    }
    Ok(name.to_owned())
}
