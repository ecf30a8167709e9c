use chrono::{DateTime, Utc};
use domain::{ChannelId, RawOutcome, TenantId};
use poem_openapi::param::Query;
use poem_openapi::{Enum, Object, OpenApi};
use serde_json::Value;
use store::raw_items::{self, RawItem};
use uuid::Uuid;

use super::Tag;
use crate::Problem;
use crate::answer::{Found, List};
use crate::auth::Auth;
use crate::payload::PageRequest;

/// What became of an item that did not become a message or a status.
#[derive(Clone, Copy, Debug, Enum)]
#[oai(rename_all = "snake_case", rename = "RawItemOutcome")]
enum Outcome {
    /// Of a number that no channel has.
    Unroutable,
    /// Not what the channel's format says.
    Unreadable,
    /// Its job was given up, or the message that it changes never came.
    Failed,
}

/// One item as a channel posted it.
#[derive(Debug, Object)]
#[oai(rename = "RawItem")]
struct RawItemView {
    /// Its id.
    id: Uuid,
    /// When it came.
    received_at: DateTime<Utc>,
    /// The type of channel that posted it.
    channel_type: String,
    /// Whose channel it is, once that is known.
    tenant_id: Option<Uuid>,
    /// The channel, once that is known.
    channel_id: Option<Uuid>,
    /// What became of it.
    outcome: String,
    /// Why.
    error: Option<String>,
    /// What was posted; `null` where it was not JSON.
    payload: Option<Value>,
}

pub(crate) struct RawItemRoutes;

#[OpenApi(prefix_path = "/api", tag = "Tag::RawItems")]
impl RawItemRoutes {
    /// List what channels posted in vain
    ///
    /// Newest first. Needs an operator's key.
    #[oai(path = "/raw-items", method = "get", operation_id = "list_raw_items")]
    async fn list(
        &self,
        auth: Auth,
        /// What became of them.
        outcome: Query<Outcome>,
        /// Where the page starts: `next_cursor` of the one before.
        cursor: Query<Option<String>>,
        /// Entries of a page, 1 to 100; 20 if missing.
        limit: Query<Option<u32>>,
    ) -> Result<Found<List<RawItemView>>, Problem> {
        let page = PageRequest::read(cursor.0, limit.0)?;
        let mut tx = auth.0.operate().await?;
        let outcome = match outcome.0 {
            Outcome::Unroutable => RawOutcome::Unroutable,
            Outcome::Unreadable => RawOutcome::Unreadable,
            Outcome::Failed => RawOutcome::Failed,
        };
        Ok(List::of(
            raw_items::list(&mut tx, outcome, page.after, page.limit).await?,
            view,
        ))
    }
}

fn view(item: RawItem) -> RawItemView {
    RawItemView {
        id: item.id.as_uuid(),
        received_at: item.received_at,
        channel_type: item.channel_kind.to_string(),
        tenant_id: item.tenant_id.map(TenantId::as_uuid),
        channel_id: item.channel_id.map(ChannelId::as_uuid),
        outcome: item.outcome.to_string(),
        error: item.error,
        payload: item.payload,
    }
}
