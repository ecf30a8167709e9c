use std::collections::HashMap;

use assistant::people::{self, NewFile};
use channels::webchat::AttachmentType;
use domain::{ConversationId, MessageFileState, TenantId};
use poem_openapi::param::Path;
use poem_openapi::{Enum, Object, OpenApi};
use store::message_files::{self, MessageFile};
use uuid::Uuid;

use super::Tag;
use super::download::{Download, Kept};
use super::messages::{QueuedMessages, by_message, with_files};
use super::upload::{Purpose, Upload};
use crate::answer::{Accepted, Answer};
use crate::auth::Auth;
use crate::payload::Checks;
use crate::{AppState, Problem};

/// Whether a file is here.
#[derive(Clone, Copy, Debug, Enum)]
#[oai(rename_all = "snake_case", rename = "MessageFileState")]
enum State {
    /// It is still at the channel's operator.
    Waiting,
    /// It is here.
    Stored,
    /// It cannot be had; `error` says why.
    Failed,
}

/// A file of a message: one that came by a channel whose operator keeps it for a while only, or that a
/// person of the tenant's sent.
#[derive(Debug, Object)]
#[oai(rename = "MessageFile")]
pub(super) struct FileView {
    /// Its id, to download it by.
    id: Uuid,
    /// What it is shown as: `image`, `video`, `audio`, `document` or `sticker`.
    media_kind: String,
    /// Its name, where the contact's app gave one.
    name: Option<String>,
    /// What the channel says it is, for example `image/jpeg`.
    media_type: Option<String>,
    /// Whether it is here.
    state: State,
    /// Why it could not be had.
    error: Option<String>,
    /// Its length in bytes.
    size_bytes: Option<i64>,
}

/// A file that a person of the tenant's sends.
struct FromAgent;

impl Purpose for FromAgent {
    const DESCRIPTION: &'static str = "A file: PNG, JPEG, GIF, WebP, MP4, 3GP, WebM, MP3, M4A, Ogg, WAV, PDF, \
        Word (DOCX), Excel (XLSX), PowerPoint (PPTX) or text. What it is shows by its content.";

    const FIELDS: &'static [(&'static str, &'static str)] = &[
        (
            "caption",
            "The words under it, up to 20000 characters; before the file.",
        ),
        (
            "from",
            "Who writes, in your own words, up to 200 characters; before the file.",
        ),
    ];

    fn max_bytes(state: &AppState) -> u64 {
        state.limits.max_upload_bytes
    }
}

/// The words that stood before a file.
struct Words {
    caption: Option<String>,
    from: Option<String>,
}

impl Words {
    fn read(mut fields: HashMap<&'static str, String>) -> Result<Self, Problem> {
        let mut checks = Checks::default();
        let mut read = |name, most| {
            let given: Option<String> = fields.remove(name);
            let given = given.filter(|words| !words.trim().is_empty());
            given.map(|words| checks.text(name, &words, most))
        };
        let (caption, from) = (read("caption", 20_000), read("from", 200));
        checks.finish()?;
        Ok(Self { caption, from })
    }
}

pub(crate) struct MessageFileRoutes;

#[OpenApi(prefix_path = "/api", tag = "Tag::Conversations")]
impl MessageFileRoutes {
    /// Send a file to the contact
    ///
    /// As a person, in one go: as if it were sent by `create_message`. Where WhatsApp does not take
    /// it as what it is, it is sent as a document; 422 if it does not take it at all. Send an
    /// `Idempotency-Key` so that a repeated request sends nothing twice.
    #[oai(
        path = "/tenants/:tenant_id/conversations/:conversation_id/files",
        method = "post",
        operation_id = "create_message_file"
    )]
    async fn create(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        /// The conversation.
        conversation_id: Path<Uuid>,
        mut upload: Upload<FromAgent>,
    ) -> Result<Accepted<QueuedMessages>, Problem> {
        let (tenant, conversation) = (tenant_id.0.into(), conversation_id.0.into());
        let mut tx = auth.0.act_for(tenant).await?;
        people::check_writable(&mut tx, conversation).await?;
        drop(tx);
        let arriving = upload.begin().await?;
        let words = Words::read(arriving.fields)?;
        let media_type = AttachmentType::sniff(&arriving.name, &arriving.first)
            .ok_or_else(|| Problem::unsupported_media("Files of this type are not taken."))?;
        let state = auth.0.state();
        let max_bytes = FromAgent::max_bytes(state);
        let stored = state.files.put_stream(tenant, arriving.whole, max_bytes);
        let file = NewFile {
            stored: stored.await.map_err(|error| upload.failed(error))?,
            name: arriving.name,
            media_type: media_type.as_str(),
            media_kind: media_type.media_kind(),
        };
        let sent = send(&auth, tenant, conversation, &file, &words).await;
        if sent.as_ref().is_err_and(|problem| !problem.may_be_done()) {
            // Else its message may lead to it, or the sweep of files finds it.
            discard(state, &file).await;
        }
        Ok(Answer(sent?))
    }

    /// Download a file of a message
    ///
    /// Its id is in the `files` of the message.
    #[oai(
        path = "/tenants/:tenant_id/message-files/:file_id",
        method = "get",
        operation_id = "get_message_file"
    )]
    async fn get(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        /// The file.
        file_id: Path<Uuid>,
    ) -> Result<Download, Problem> {
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        let file = message_files::get(&mut tx, file_id.0.into()).await?;
        drop(tx);
        let Some(key) = file.file_key else {
            return Err(Problem::not_found());
        };
        let kept = Kept {
            key,
            name: file.name.unwrap_or_else(|| file.media_kind.clone()),
            media_type: safe(file.media_type.as_deref()).to_owned(),
            size_bytes: file.size_bytes.unwrap_or_default(),
        };
        Download::open(auth.0.state(), kept).await
    }
}

/// Sends a file that is kept; afterwards its message leads to it.
async fn send(
    auth: &Auth,
    tenant: TenantId,
    conversation: ConversationId,
    file: &NewFile,
    words: &Words,
) -> Result<QueuedMessages, Problem> {
    let mut tx = auth.0.act_for(tenant).await?;
    let assistant = &auth.0.state().assistant;
    let (caption, from) = (words.caption.as_deref(), words.from.as_deref());
    let sent = people::send_file(assistant, &mut tx, conversation, file, caption, from).await?;
    let ids: Vec<_> = sent.iter().map(|message| message.id).collect();
    let mut files = by_message(message_files::list(&mut tx, &ids).await?);
    tx.commit().await?;
    let data = sent.into_iter();
    let data = data
        .map(|message| with_files(message, &mut files))
        .collect();
    Ok(QueuedMessages { data })
}

/// Removes a file that no message leads to.
async fn discard(state: &AppState, file: &NewFile) {
    let key = &file.stored.key;
    if let Err(error) = state.files.delete(key).await {
        tracing::warn!(%error, %key, "a file that was not sent was not removed");
    }
}

/// A media type as a header can carry it: what a channel said may be anything.
fn safe(media_type: Option<&str>) -> &str {
    media_type
        .filter(|text| {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "/+-.;= ".contains(c);
            text.contains('/') && text.len() <= 100 && text.chars().all(is_plain)
        })
        .unwrap_or("application/octet-stream")
}

/// A file as the API shows it.
pub(super) fn view(file: MessageFile) -> FileView {
    FileView {
        id: file.id.as_uuid(),
        media_kind: file.media_kind,
        name: file.name,
        media_type: file.media_type,
        state: match file.state {
            MessageFileState::Waiting => State::Waiting,
            MessageFileState::Stored => State::Stored,
            MessageFileState::Failed => State::Failed,
        },
        error: file.error,
        size_bytes: file.size_bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_media_type_cannot_leave_its_header() {
        assert_eq!(
            safe(Some("audio/ogg; codecs=opus")),
            "audio/ogg; codecs=opus"
        );
        for odd in [None, Some("text"), Some("a/b\r\nx: y"), Some("a/\u{e9}")] {
            assert_eq!(safe(odd), "application/octet-stream");
        }
    }
}
