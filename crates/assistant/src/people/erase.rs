use std::collections::BTreeSet;

use db::TenantTx;
use domain::{ContactId, RawItemId};
use events::{ContactData, Event};
use jobs::kinds::{EraseContact, InboundMessage};
use jobs::{Failure, Job as _, JobHandle};
use serde_json::Value;
use store::contact_erasures::{self, Counts, Erasure};
use store::contacts::{self, Contact};
use store::{
    conversations, messages, parked_changes, parked_statuses, raw_items, webchat_attachments,
    webchat_sessions, webhook_deliveries,
};
use telemetry::trace::{Subject, note};

use super::tell;
use crate::{Assistant, dropped_files};

/// How many raw items are looked at once.
const PAGE: i64 = 200;

/// Asks for the erasure of everything kept about a contact, in the caller's transaction; a second
/// request before it is done finds the first.
///
/// # Errors
/// `NotFound` if there is no such contact, and those of the database.
pub async fn request_erasure(
    assistant: &Assistant,
    tx: &mut TenantTx,
    contact: ContactId,
) -> db::Result<Erasure> {
    contacts::get(tx, contact).await?;
    let erasure = contact_erasures::request(tx, contact, assistant.clock.now()).await?;
    let job = EraseContact {
        tenant_id: tx.tenant(),
        contact_id: contact,
        erasure_id: erasure.id,
    };
    jobs::enqueue(tx, &job).await?;
    Ok(erasure)
}

/// Erases everything kept about a contact: conversations, messages, what channels posted and
/// reported, web chat sessions, deliveries to webhooks, and what finished jobs say. It happens in
/// one transaction, with its proof; a message that comes later makes a fresh contact.
///
/// What calls to models cost stays, without anything about who they were made for but an id that
/// leads nowhere.
///
/// # Errors
/// A retry for what may pass.
pub async fn erase(
    assistant: &Assistant,
    handle: &JobHandle,
    job: EraseContact,
) -> Result<(), Failure> {
    note(Subject::Tenant, job.tenant_id);
    let mut tx = assistant.db.tenant(job.tenant_id).await?;
    handle.fence(&mut tx).await?;
    let now = assistant.clock.now();
    let contact = match contacts::get(&mut tx, job.contact_id).await {
        Err(db::Error::NotFound) => {
            contact_erasures::finish(&mut tx, job.erasure_id, now, &Counts::new()).await?;
            return Ok(tx.commit().await?);
        }
        found => found?,
    };
    let counts = erase_all(&mut tx, &contact).await?;
    contact_erasures::finish(&mut tx, job.erasure_id, now, &counts).await?;
    let data = ContactData {
        contact_id: contact.id,
        channel_id: contact.channel_id,
        occurred_at: now,
    };
    tell(assistant, &mut tx, &[Event::ContactErased(data)]).await?;
    tx.commit().await?;
    // What is left of this, should it be cut off here, `upkeep` does.
    dropped_files::sweep_soon(assistant).await;
    tracing::info!(erasure.id = %job.erasure_id, "a contact was erased");
    Ok(())
}

async fn erase_all(tx: &mut TenantTx, contact: &Contact) -> db::Result<Counts> {
    let channel = contact.channel_id;
    let conversations = conversations::list_of_contact(tx, contact.id).await?;
    let kept = messages::list_external_ids(tx, contact.id).await?;
    let changes = parked_changes::count_of_contact(tx, contact.id).await?;
    // First: from here on a message of theirs waits, and makes a fresh contact.
    let deleted = contacts::delete(tx, contact.id).await?;
    let mut names = vec![contact.external_id.clone()];
    names.extend(contact.address.clone());
    let visitor = &contact.external_id;
    let sessions = webchat_sessions::delete_of_visitor(tx, channel, visitor).await?;
    let files = webchat_attachments::delete_of_visitor(tx, channel, visitor).await?;
    let parked = parked_statuses::delete_of(tx, channel, &kept.external_ids).await?;
    let mut told: Vec<String> = vec![contact.id.to_string()];
    told.extend(
        conversations
            .iter()
            .map(|conversation| conversation.id.to_string()),
    );
    let deliveries = webhook_deliveries::delete_naming(tx, &told).await?;
    let key = format!("{channel}:{}", contact.external_id);
    let jobs = jobs::retention::forget_key(tx, InboundMessage::KIND, &key).await?;
    names.extend(kept.external_ids);
    let raw = empty_raw_items(tx, contact, &names).await?;
    let counts = [
        ("contacts", u64::from(deleted)),
        ("conversations", conversations.len() as u64),
        ("messages", kept.messages.unsigned_abs()),
        ("raw_items", raw),
        ("parked_changes", changes.unsigned_abs()),
        ("parked_statuses", parked),
        ("webchat_sessions", sessions),
        ("webchat_attachments", files),
        ("webhook_deliveries", deliveries),
        ("jobs", jobs),
    ];
    let counts = counts.into_iter();
    Ok(counts
        .map(|(what, count)| (what.to_owned(), count))
        .collect())
}

/// Empties what the contact's channel posted of them: items in which one of the names stands as a
/// value of its own, so that a short name empties nobody else's.
async fn empty_raw_items(
    tx: &mut TenantTx,
    contact: &Contact,
    names: &[String],
) -> db::Result<u64> {
    let channel = contact.channel_id;
    let wanted: BTreeSet<&str> = names.iter().map(String::as_str).collect();
    let mut emptied = raw_items::empty_unreadable(tx, channel, &names[..1]).await?;
    let mut after: Option<RawItemId> = None;
    loop {
        let items = raw_items::list_holding(tx, channel, names, after, PAGE).await?;
        let Some(last) = items.last() else {
            return Ok(emptied);
        };
        after = Some(last.id);
        let of_contact = items.iter().filter(|item| {
            let payload = item.payload.as_ref();
            payload.is_some_and(|payload| names_one(payload, &wanted))
        });
        let ids: Vec<RawItemId> = of_contact.map(|item| item.id).collect();
        emptied += raw_items::empty(tx, &ids).await?;
    }
}

/// Whether one of the names is a value anywhere in it.
fn names_one(value: &Value, names: &BTreeSet<&str>) -> bool {
    match value {
        Value::String(text) => names.contains(text.as_str()),
        Value::Number(number) => names.contains(number.to_string().as_str()),
        Value::Array(values) => values.iter().any(|value| names_one(value, names)),
        Value::Object(fields) => fields.values().any(|value| names_one(value, names)),
        Value::Null | Value::Bool(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_name_within_another_value_is_not_the_contact() {
        let names = BTreeSet::from(["12"]);
        assert!(names_one(&json!({"from": {"id": "12"}}), &names));
        assert!(names_one(&json!([{"id": 12}]), &names));
        assert!(!names_one(
            &json!({"from": "123", "text": "12 pieces"}),
            &names
        ));
    }
}
