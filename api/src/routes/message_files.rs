use domain::MessageFileState;
use poem_openapi::param::Path;
use poem_openapi::{Enum, Object, OpenApi};
use store::message_files::{self, MessageFile};
use uuid::Uuid;

use super::Tag;
use super::download::{Download, Kept};
use crate::Problem;
use crate::auth::Auth;

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

/// A file that came with a message by a channel whose operator keeps it for a while only.
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

pub(crate) struct MessageFileRoutes;

#[OpenApi(prefix_path = "/api", tag = "Tag::Conversations")]
impl MessageFileRoutes {
    /// Download a file that a contact sent
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
