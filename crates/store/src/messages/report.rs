//! What channels report of messages that were sent.

use chrono::{DateTime, Utc};
use db::{Error, Result, TenantTx, Tx};
use domain::{ChannelId, MessageId, MessageStatus};
use serde_json::Value;
use uuid::Uuid;

use super::send::attach_external_id;
use super::{Message, Row};

/// What a channel's report did to a message.
#[derive(Clone, Debug)]
pub enum Report {
    /// No message of that id or tag.
    UnknownMessage,
    /// It said nothing new.
    NoChange(MessageId),
    /// It moved the message on; `first` says that it is the first proof of its having been sent.
    Moved {
        /// The message as it stands now.
        message: Box<Message>,
        /// Whether nobody knew before that it was sent.
        first: bool,
    },
}

/// A channel's report about one of our messages.
#[derive(Clone, Debug)]
pub struct NewReport<'a> {
    /// The channel's id of it.
    pub external_id: &'a str,
    /// What the message carried when it was sent.
    pub tag: Option<&'a str>,
    /// How far it has come.
    pub status: MessageStatus,
    /// Why it failed, in the channel's words.
    pub error: Option<&'a str>,
    /// Why it failed, as the channel's number.
    pub error_code: Option<i64>,
    /// What the operator charges for it.
    pub pricing: Option<Value>,
    /// When it came that far, by the channel's clock.
    pub at: DateTime<Utc>,
}

/// The message that a report speaks of.
struct Reported {
    id: Uuid,
    status: String,
    sent_at: Option<DateTime<Utc>>,
    external_id: Option<String>,
    /// The report is of a send before the last one.
    is_earlier: bool,
}

/// Finds and locks a sent message by the channel's id. One condition for each look: with both in one,
/// row-level security keeps a planner from using either's index.
async fn find_by_its_id(
    tx: &mut TenantTx,
    channel: ChannelId,
    external_id: &str,
) -> Result<Option<Reported>> {
    let tenant = tx.tenant();
    Ok(sqlx::query_as!(
        Reported,
        r#"SELECT id, status, sent_at, external_id, false AS "is_earlier!" FROM messages
         WHERE tenant_id = $1 AND channel_id = $2 AND external_id = $3
           AND direction = 'outbound'
         FOR UPDATE"#,
        tenant.as_uuid(),
        channel.as_uuid(),
        external_id,
    )
    .fetch_optional(tx.conn())
    .await?)
}

/// Finds and locks a sent message by the tag that its send carried.
async fn find_by_tag(
    tx: &mut TenantTx,
    channel: ChannelId,
    tag: Uuid,
    external_id: &str,
) -> Result<Option<Reported>> {
    let tenant = tx.tenant();
    Ok(sqlx::query_as!(
        Reported,
        r#"SELECT id, status, sent_at, external_id, $4 = ANY(earlier_external_ids) AS "is_earlier!"
         FROM messages
         WHERE tenant_id = $1 AND id = $3 AND channel_id = $2 AND direction = 'outbound'
         FOR UPDATE"#,
        tenant.as_uuid(),
        channel.as_uuid(),
        tag,
        external_id,
    )
    .fetch_optional(tx.conn())
    .await?)
}

/// Applies a channel's report to the message of that id, or of that tag; statuses only move
/// forward.
///
/// # Errors
/// Those of the database.
pub async fn apply_report(
    tx: &mut TenantTx,
    channel: ChannelId,
    report: &NewReport<'_>,
) -> Result<Report> {
    let tenant = tx.tenant();
    let mut found = find_by_its_id(tx, channel, report.external_id).await?;
    if found.is_none()
        && let Some(tag) = report.tag.and_then(|tag| tag.parse().ok())
    {
        found = find_by_tag(tx, channel, tag, report.external_id).await?;
    }
    let Some(found) = found else {
        return Ok(Report::UnknownMessage);
    };
    let id = MessageId::from(found.id);
    if found.is_earlier {
        // Of a send that failed before a person had it tried again.
        return Ok(Report::NoChange(id));
    }
    if found.external_id.is_none() {
        attach_external_id(tx, id, report.external_id).await?;
    }
    let current: MessageStatus = found
        .status
        .parse()
        .map_err(|_| Error::corrupt("messages.status"))?;
    if !current.may_become(report.status) {
        return Ok(Report::NoChange(id));
    }
    let row = sqlx::query_as!(
        Row,
        "UPDATE messages SET status = $3, error = $4, error_code = $5,
                pricing = coalesce($6, pricing), updated_at = now(),
                sent_at = CASE WHEN $3 = 'failed' THEN sent_at ELSE coalesce(sent_at, $7) END
         WHERE tenant_id = $1 AND id = $2
         RETURNING id, conversation_id, channel_id, seq, direction, author, turn, text, content, sources,
                   status, error, error_code, external_id, send_attempts, sending_at, unknown_at, sent_at,
                   edited_at, revoked_at, occurred_at, created_at, unanswered_reason, retry_count",
        tenant.as_uuid(),
        id.as_uuid(),
        report.status.as_str(),
        report.error,
        report.error_code,
        report.pricing,
        report.at,
    )
    .fetch_one(tx.conn())
    .await?;
    let first = found.sent_at.is_none() && report.status != MessageStatus::Failed;
    let message = Box::new(row.try_into()?);
    Ok(Report::Moved { message, first })
}
