use assistant::people;
use std::collections::HashMap;

use chrono::{DateTime, Utc};
use domain::{Content, ConversationId, MediaFile, Source};
use poem_openapi::param::{Path, Query};
use poem_openapi::{Object, OpenApi};
use serde::Deserialize;
use serde_json::Value;
use store::message_files::{self, MessageFile};
use store::messages::{self, Message};
use uuid::Uuid;

use super::Tag;
use super::message_files::FileView;
use crate::Problem;
use crate::answer::{Accepted, Answer, Found, List};
use crate::auth::Auth;
use crate::payload::{Checks, JsonBody, PageRequest};

/// One message of a conversation.
#[derive(Debug, Object)]
#[oai(rename = "Message")]
pub(super) struct MessageView {
    /// Its id.
    id: Uuid,
    /// Its position in the conversation, from 1.
    seq: i64,
    /// `inbound`: from the contact; `outbound`: to the contact.
    direction: String,
    /// Who wrote it: `contact`, `assistant`, `agent` or `system`.
    author: String,
    /// The words.
    text: String,
    /// How far it has come: inbound `received`; outbound `queued`, `sending`, `sent`, `delivered`,
    /// `read`, `failed`, or `unknown` while nobody knows whether it was sent.
    status: String,
    /// Why it failed.
    error: Option<String>,
    /// Why it failed, as the channel's operator numbers it.
    error_code: Option<i64>,
    /// Why the machine does not answer what the contact wrote: `opted_out`, `opt_word`,
    /// `asked_for_person`, `with_person`, `blocked`, `late`, `switched_off`, `unsupported`, `group`,
    /// `standby`, `ended` or `no_answer`; `null` where it does, or needs not.
    unanswered_reason: Option<String>,
    /// How often a send was begun since it was last retried.
    send_attempts: i16,
    /// How often it was retried after it had failed.
    retry_count: i16,
    /// The passages that an answer rests on.
    sources: Vec<SourceView>,
    /// The message as the channel brought it, where there is more than words.
    content: Value,
    /// Its files, except those of visitors of web chats, which `content` names.
    files: Vec<FileView>,
    /// When the contact changed it.
    edited_at: Option<DateTime<Utc>>,
    /// When the contact took it back; its words are gone.
    revoked_at: Option<DateTime<Utc>>,
    /// When it happened, by the channel's clock where there is one.
    occurred_at: DateTime<Utc>,
    /// When it was sent.
    sent_at: Option<DateTime<Utc>>,
    /// When it was stored.
    created_at: DateTime<Utc>,
}

/// A passage that an answer rests on.
#[derive(Debug, Object)]
#[oai(rename = "Source")]
struct SourceView {
    /// The number the answer cites it by, from 1.
    number: u32,
    /// Its document.
    document_id: Uuid,
    /// The passage itself.
    chunk_id: Uuid,
    /// The document's title, or its file name.
    title: String,
    /// The page it starts on, from 1, where the document has pages.
    page: Option<i32>,
    /// The heading it stands under.
    heading: Option<String>,
    /// How well it fits, 0 to 1.
    score: f64,
    /// The start of its text.
    excerpt: String,
}

/// A message of a person's to the contact.
#[derive(Debug, Object, Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateMessage {
    /// The words, 1 to 20000 characters; or `content`.
    text: Option<String>,
    /// What is more than words, by its `type`: `media` (`media_kind`, `file`: `{"link": …}`, `caption`,
    /// `filename`), `location`, `choices` (`body`, `choices`: `id`, `title`), `template` (`name`,
    /// `language`, `body`), `reaction` (`target`, `emoji`). What a channel has no form of its own for
    /// goes as text where it can.
    content: Option<Value>,
    /// Who writes, in your own words, up to 200 characters: the conversation is theirs from then on.
    from: Option<String>,
}

/// The messages that a text became.
#[derive(Debug, Object)]
pub(super) struct QueuedMessages {
    /// In order: one, or several where the channel carries no text as long.
    pub(super) data: Vec<MessageView>,
}

pub(crate) struct MessageRoutes;

#[OpenApi(prefix_path = "/api", tag = "Tag::Conversations")]
impl MessageRoutes {
    /// List the messages of a conversation
    ///
    /// In order, oldest first.
    #[oai(
        path = "/tenants/:tenant_id/conversations/:conversation_id/messages",
        method = "get",
        operation_id = "list_messages"
    )]
    async fn list(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        /// The conversation.
        conversation_id: Path<Uuid>,
        /// Where the page starts: `next_cursor` of the one before.
        cursor: Query<Option<String>>,
        /// Entries of a page, 1 to 100; 20 if missing.
        limit: Query<Option<u32>>,
    ) -> Result<Found<List<MessageView>>, Problem> {
        let page = PageRequest::<i64>::read(cursor.0, limit.0)?;
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        let conversation = ConversationId::from(conversation_id.0);
        store::conversations::get(&mut tx, conversation).await?;
        let after = page.after.unwrap_or(0);
        let found = messages::list(&mut tx, conversation, after, page.limit).await?;
        let ids: Vec<_> = found.data.iter().map(|message| message.id).collect();
        let mut files = by_message(message_files::list(&mut tx, &ids).await?);
        Ok(List::of(found, |message| with_files(message, &mut files)))
    }

    /// Send a message to the contact
    ///
    /// As a person: the conversation is a person's from then on, and the machine silent. It is sent
    /// at once, whatever the machine does. 409 if the conversation is closed, or the contact wants
    /// no more messages. Send an `Idempotency-Key` so that a repeated request sends nothing twice.
    #[oai(
        path = "/tenants/:tenant_id/conversations/:conversation_id/messages",
        method = "post",
        operation_id = "create_message"
    )]
    async fn create(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        /// The conversation.
        conversation_id: Path<Uuid>,
        body: JsonBody<CreateMessage>,
    ) -> Result<Accepted<QueuedMessages>, Problem> {
        let mut checks = Checks::default();
        let content = read_content(&body.value, &mut checks);
        let from = body.value.from.map(|from| checks.text("from", &from, 200));
        checks.finish()?;
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        let assistant = &auth.0.state().assistant;
        let id = conversation_id.0.into();
        let sent = people::send_message(assistant, &mut tx, id, &content, from.as_deref()).await?;
        tx.commit().await?;
        let data = sent.into_iter().map(view).collect();
        Ok(Answer(QueuedMessages { data }))
    }

    /// Send a failed message once more
    ///
    /// It goes to the end of what waits in its conversation. 409 unless it has failed.
    #[oai(
        path = "/tenants/:tenant_id/conversations/:conversation_id/messages/:message_id/retry",
        method = "post",
        operation_id = "retry_message"
    )]
    async fn retry(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        /// The conversation.
        conversation_id: Path<Uuid>,
        /// The message.
        message_id: Path<Uuid>,
    ) -> Result<Accepted<MessageView>, Problem> {
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        let conversation = conversation_id.0.into();
        let message = people::retry_message(
            &auth.0.state().assistant,
            &mut tx,
            conversation,
            message_id.0.into(),
        )
        .await?;
        tx.commit().await?;
        Ok(Answer(view(message)))
    }
}

/// What is to be sent: words, or a content whose form is checked here and whose fit the channel checks.
fn read_content(body: &CreateMessage, checks: &mut Checks) -> Content {
    let nothing = Content::text("");
    match (&body.text, &body.content) {
        (Some(text), None) => Content::text(checks.text("text", text, 20_000)),
        (None, Some(content)) => {
            let is_short = content.to_string().len() <= 64 * 1024;
            checks.require(is_short, "content", "must have at most 64 KiB");
            let is_clean = !holds_nul(content);
            checks.require(is_clean, "content", "must hold no NUL characters");
            match serde_json::from_value(content.clone()) {
                Ok(content) => checked(content, checks),
                Err(error) => {
                    checks.require(false, "content", format!("is none that is known: {error}"));
                    nothing
                }
            }
        }
        (Some(_), Some(_)) | (None, None) => {
            checks.require(false, "", "must have either `text` or `content`");
            nothing
        }
    }
}

/// Notes what no channel could send of a content.
fn checked(content: Content, checks: &mut Checks) -> Content {
    match &content {
        Content::Text { body } => {
            return Content::text(checks.text("content.body", body, 20_000));
        }
        Content::Media(media) => {
            let detail = "must be an http:// or https:// address, or an id of the channel's";
            checks.require(is_public(&media.file), "content.file", detail);
        }
        Content::Location(place) => {
            for (field, degrees, most) in [
                ("content.latitude", place.latitude, 90.0),
                ("content.longitude", place.longitude, 180.0),
            ] {
                let detail = format!("must be from -{most} to {most} degrees");
                checks.require(degrees.abs() <= most, field, detail);
            }
        }
        Content::Choices(question) => {
            let has_words = !question.body.trim().is_empty();
            checks.require(has_words, "content.body", "must have words");
            let has_choices = !question.choices.is_empty();
            checks.require(has_choices, "content.choices", "must have one or more");
        }
        Content::Template(_) | Content::Reaction { .. } => {}
    }
    content
}

/// Whether a text or a name inside holds NUL, which no row can.
pub(super) fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(holds_nul),
        Value::Object(fields) => fields
            .iter()
            .any(|(name, value)| name.contains('\0') || holds_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn is_public(file: &MediaFile) -> bool {
    match file {
        MediaFile::Uploaded(id) => !id.is_empty() && id.len() <= 200,
        // What a message keeps comes with it.
        MediaFile::Kept(_) => false,
        MediaFile::Link(link) => {
            let url = link.parse::<url::Url>();
            url.is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
        }
    }
}

/// Files by the messages they came with.
pub(super) fn by_message(files: Vec<MessageFile>) -> HashMap<Uuid, Vec<FileView>> {
    let mut by_message: HashMap<Uuid, Vec<FileView>> = HashMap::new();
    for file in files {
        let of_message = by_message.entry(file.message_id.as_uuid()).or_default();
        of_message.push(super::message_files::view(file));
    }
    by_message
}

/// A message with the files that came with it.
pub(super) fn with_files(
    message: Message,
    files: &mut HashMap<Uuid, Vec<FileView>>,
) -> MessageView {
    let mut shown = view(message);
    shown.files = files.remove(&shown.id).unwrap_or_default();
    shown
}

fn view(message: Message) -> MessageView {
    MessageView {
        id: message.id.as_uuid(),
        seq: message.seq,
        direction: message.direction.to_string(),
        author: message.author.to_string(),
        text: message.text,
        status: message.status.to_string(),
        error: message.error,
        error_code: message.error_code,
        unanswered_reason: message.unanswered_reason.map(|reason| reason.to_string()),
        send_attempts: message.send_attempts,
        retry_count: message.retry_count,
        sources: message.sources.into_iter().map(view_source).collect(),
        content: message.content,
        files: Vec::new(),
        edited_at: message.edited_at,
        revoked_at: message.revoked_at,
        occurred_at: message.occurred_at,
        sent_at: message.sent_at,
        created_at: message.created_at,
    }
}

fn view_source(source: Source) -> SourceView {
    SourceView {
        number: source.number,
        document_id: source.document_id.as_uuid(),
        chunk_id: source.chunk_id.as_uuid(),
        title: source.title,
        page: source.page,
        heading: source.heading,
        score: source.score,
        excerpt: source.excerpt,
    }
}
