//! Files that visitors of web chats send: uploaded and read by the visitor, read by the tenant.

use std::sync::Arc;

use assistant::webchat::Incoming;
use channels::webchat::AttachmentType;
use poem::web::Data;
use poem_openapi::param::Path;
use poem_openapi::{Object, OpenApi};
use store::webchat_attachments::{self, WebchatAttachment};
use uuid::Uuid;

use super::Tag;
use super::download::{Download, Kept};
use super::upload::{Arriving, Purpose, Upload};
use super::webchat::Visitor;
use crate::answer::{Answer, Created};
use crate::auth::Auth;
use crate::{AppState, Problem};

/// A file that a visitor sends.
struct FromVisitor;

impl Purpose for FromVisitor {
    const DESCRIPTION: &'static str = "A file: PNG, JPEG, GIF, WebP, MP4, 3GP, WebM, MP3, M4A, Ogg, WAV, PDF, \
        Word (DOCX), Excel (XLSX), PowerPoint (PPTX) or text. What it is shows by its content.";

    fn max_bytes(state: &AppState) -> u64 {
        state.webchat.caps().max_file_bytes
    }
}

/// A visitor's file that is stored.
#[derive(Debug, Object)]
#[oai(rename = "WebchatAttachment")]
struct StoredAttachment {
    /// What to send as `attachment_id` with a message, within a day.
    id: Uuid,
    /// Its name, without folders.
    name: String,
    /// What it was recognised as, for example `image/png`.
    media_type: String,
    /// Its length in bytes.
    size_bytes: i64,
}

pub(crate) struct WebchatAttachmentRoutes;

#[OpenApi(prefix_path = "/api", tag = "Tag::Webchat")]
impl WebchatAttachmentRoutes {
    /// Upload a file in a web chat
    ///
    /// Send its `id` with a message within a day; what goes with no message is deleted.
    #[oai(
        path = "/webchat/attachments",
        method = "post",
        operation_id = "create_webchat_attachment"
    )]
    async fn create(
        &self,
        state: Data<&Arc<AppState>>,
        visitor: Visitor,
        mut upload: Upload<FromVisitor>,
    ) -> Result<Created<StoredAttachment>, Problem> {
        state.webchat.check_attachment(&visitor.0).await?;
        let Arriving {
            name, first, whole, ..
        } = upload.begin().await?;
        let media_type = AttachmentType::sniff(&name, &first)
            .ok_or_else(|| Problem::unsupported_media("Files of this type are not taken."))?;
        let incoming = Incoming {
            name,
            media_type,
            content: whole,
        };
        let stored = state.webchat.store_attachment(&visitor.0, incoming).await;
        let attachment = stored.map_err(|error| upload.failed(error))??;
        Ok(Answer(StoredAttachment {
            id: attachment.id.as_uuid(),
            name: attachment.name,
            media_type: attachment.media_type,
            size_bytes: attachment.size_bytes,
        }))
    }

    /// Download a file of a web chat
    ///
    /// By the visitor who sent it, or was sent it.
    #[oai(
        path = "/webchat/attachments/:attachment_id",
        method = "get",
        operation_id = "get_webchat_attachment"
    )]
    async fn get(
        &self,
        state: Data<&Arc<AppState>>,
        visitor: Visitor,
        /// The file.
        attachment_id: Path<Uuid>,
    ) -> Result<Download, Problem> {
        let file = state.webchat.get_file(&visitor.0, attachment_id.0).await?;
        let kept = Kept {
            key: file.file_key,
            name: file.name,
            media_type: file.media_type,
            size_bytes: file.size_bytes,
        };
        Download::open(&state, kept).await
    }

    /// Download a file that a visitor sent
    ///
    /// The id is that of the media in the message's `content`.
    #[oai(
        path = "/tenants/:tenant_id/webchat-attachments/:attachment_id",
        method = "get",
        operation_id = "get_attachment"
    )]
    async fn get_of_tenant(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        /// The file.
        attachment_id: Path<Uuid>,
    ) -> Result<Download, Problem> {
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        let attachment = webchat_attachments::get(&mut tx, attachment_id.0.into()).await?;
        drop(tx);
        download(auth.0.state(), attachment).await
    }
}

async fn download(state: &AppState, attachment: WebchatAttachment) -> Result<Download, Problem> {
    let kept = Kept {
        key: attachment.file_key,
        name: attachment.name,
        media_type: attachment.media_type,
        size_bytes: attachment.size_bytes,
    };
    Download::open(state, kept).await
}
