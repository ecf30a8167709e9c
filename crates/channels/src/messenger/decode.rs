use chrono::{DateTime, Utc};
use domain::{
    AccountEffect, AccountEvent, ContactRef, ContentBody, Handover, HandoverChange, Inbound,
    InboundMessage, InteractiveReply, MessageStatus, NormalizedContent, Receipt, StatusUpdate,
};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::content::{body_of, context_of, notice};
use super::message::read_mark;
use super::{field, split};
use crate::Unreadable;
use crate::lenient::{Unit, flag, integer, list, moment, text};

/// The longest id of a message, in bytes; longer ones could not be indexed.
const MAX_MESSAGE_ID: usize = 512;

/// The longest id of a person, in bytes.
const MAX_CONTACT_ID: usize = 256;

/// The most messages one report names.
const MAX_REPORTED: usize = 1000;

/// Decodes one item, see [`crate::Channel::decode`].
pub(super) fn decode(payload: &Value) -> Result<Inbound, Unreadable> {
    if let Some(object) = text(payload, field::OBJECT).filter(|name| name != split::OBJECT) {
        return Ok(other(format!("object:{object}")));
    }
    if let Some(event) = payload.get(field::EVENT) {
        return Event {
            payload,
            part: event,
            standby: flag(payload, field::STANDBY),
        }
        .decode();
    }
    if let Some(change) = payload.get(field::CHANGE) {
        let name = text(change, "field").unwrap_or_else(|| "unknown".to_owned());
        return Ok(other(format!("changes:{name}")));
    }
    if payload.get(field::VALUE).is_some() {
        return Ok(other("entry".to_owned()));
    }
    match payload.get(field::MALFORMED) {
        Some(_) => Err(Unreadable::new("the item is not in the channel's form")),
        None => Err(Unreadable::new("the payload is not one of this channel")),
    }
}

fn other(kind: String) -> Inbound {
    Inbound::Other { kind, note: None }
}

/// One event of a page and the head of its item.
struct Event<'a> {
    payload: &'a Value,
    part: &'a Value,
    standby: bool,
}

impl Event<'_> {
    fn decode(&self) -> Result<Inbound, Unreadable> {
        let Some(fields) = self.part.as_object() else {
            return Err(Unreadable::new("the event is not in the channel's form"));
        };
        let part = |name: &str| self.part.get(name).filter(|part| !part.is_null());
        if let Some(message) = part("message") {
            return self.message(message);
        }
        if let Some(receipt) = part("delivery") {
            return self.receipt(receipt, MessageStatus::Delivered);
        }
        if let Some(receipt) = part("read") {
            return self.receipt(receipt, MessageStatus::Read);
        }
        if let Some(inbound) = self.contacts_doing()? {
            return Ok(inbound);
        }
        let handovers = [
            ("pass_thread_control", HandoverChange::Passed),
            ("take_thread_control", HandoverChange::Taken),
            ("request_thread_control", HandoverChange::Requested),
        ];
        for (name, change) in handovers {
            if let Some(handover) = part(name) {
                return self.handover(handover, change);
            }
        }
        for name in ["policy-enforcement", "policy_enforcement", "app_roles"] {
            if let Some(event) = part(name) {
                return Ok(Inbound::Account(account_event(name, event)));
            }
        }
        let unknown = fields
            .keys()
            .find(|name| !matches!(name.as_str(), "sender" | "recipient" | "timestamp"));
        Ok(other(unknown.map_or("event", String::as_str).to_owned()))
    }

    /// A message, or an echo of one that was sent for the page.
    fn message(&self, message: &Value) -> Result<Inbound, Unreadable> {
        let id = checked_id(text(message, "mid"))?;
        if !flag(message, "is_echo") {
            let (id, body) = if flag(message, "is_deleted") {
                (format!("revoke:{id}"), ContentBody::Revoke { target: id })
            } else {
                (id, body_of(message))
            };
            return self.inbound(id, self.sender()?, body, message);
        }
        let contact = self.contact_of_echo()?;
        let mark = text(message, "metadata").and_then(|text| read_mark(&text).map(str::to_owned));
        if let Some(tag) = mark {
            return Ok(Inbound::Status(StatusUpdate {
                external_id: id,
                status: MessageStatus::Sent,
                occurred_at: self.occurred_at()?,
                error: None,
                error_code: None,
                tag: Some(tag),
                recipient: Some(contact.external_id),
                pricing: None,
            }));
        }
        match self.inbound(id, contact, body_of(message), message)? {
            Inbound::Message(message) => Ok(Inbound::Echo(message)),
            inbound => Ok(inbound),
        }
    }

    /// What a contact did without a message; `None` if it is none of that.
    fn contacts_doing(&self) -> Result<Option<Inbound>, Unreadable> {
        let part = |name: &str| self.part.get(name).filter(|part| !part.is_null());
        let (name, part, body) = if let Some(postback) = part("postback") {
            let reply = InteractiveReply::Postback {
                title: text(postback, "title"),
                payload: text(postback, "payload"),
            };
            ("postback", postback, ContentBody::Interactive { reply })
        } else if let Some(edit) = part("message_edit") {
            ("edit", edit, edit_of(edit)?)
        } else if let Some(reaction) = part("reaction") {
            ("reaction", reaction, reaction_of(reaction)?)
        } else if let Some(referral) = part("referral") {
            let words = text(referral, "ref");
            ("referral", referral, notice("referral", words))
        } else if let Some(optin) = part("optin") {
            ("optin", optin, notice("optin", text(optin, "ref")))
        } else if let Some(link) = part("account_linking") {
            let words = text(link, "status");
            ("account_linking", link, notice("account_linking", words))
        } else {
            return Ok(None);
        };
        // A plug-in knows its visitor only once they write.
        if name == "optin" && self.person("sender").is_none() {
            return Ok(Some(other(name.to_owned())));
        }
        let id = match (name, text(part, "mid")) {
            ("postback", Some(mid)) => mid,
            _ => self.made_id(name, part)?,
        };
        let id = checked_id(Some(id))?;
        self.inbound(id, self.sender()?, body, part).map(Some)
    }

    /// An id for what has none, of what tells it from others.
    fn made_id(&self, name: &str, part: &Value) -> Result<String, Unreadable> {
        let at = self.occurred_at()?.timestamp_millis();
        let sender = self.sender()?.external_id;
        let hash = Sha256::digest(part.to_string().as_bytes());
        Ok(format!("{name}:{sender}:{at}:{}", hex::encode(&hash[..8])))
    }

    fn inbound(
        &self,
        external_id: String,
        contact: ContactRef,
        body: ContentBody,
        part: &Value,
    ) -> Result<Inbound, Unreadable> {
        let mut context = context_of(self.part, part, self.standby);
        if part.get("ref").is_some() || part.get("source").is_some() {
            context.referral = Some(part.clone());
        }
        Ok(Inbound::Message(InboundMessage {
            external_id,
            contact,
            occurred_at: self.occurred_at()?,
            text: body.plain_text(),
            content: NormalizedContent { body, context },
        }))
    }

    fn receipt(&self, receipt: &Value, status: MessageStatus) -> Result<Inbound, Unreadable> {
        let up_to = integer(receipt, "watermark")
            .and_then(|watermark| moment(watermark, Unit::Milliseconds));
        let external_ids: Vec<String> = list(receipt, "mids")
            .iter()
            .take(MAX_REPORTED)
            .filter_map(crate::lenient::as_text)
            .filter(|id| id.len() <= MAX_MESSAGE_ID)
            .collect();
        if up_to.is_none() && external_ids.is_empty() {
            return Err(Unreadable::new("the report names no message and no time"));
        }
        Ok(Inbound::Receipt(Receipt {
            contact_external_id: self.sender()?.external_id,
            status,
            external_ids,
            up_to,
            occurred_at: match (self.occurred_at(), up_to) {
                (Ok(at), _) | (Err(_), Some(at)) => at,
                (Err(unreadable), None) => return Err(unreadable),
            },
        }))
    }

    fn handover(&self, part: &Value, change: HandoverChange) -> Result<Inbound, Unreadable> {
        let new_owner = ["new_owner_app_id", "requested_owner_app_id"];
        Ok(Inbound::Handover(Handover {
            contact_external_id: self.contact_of_echo()?.external_id,
            change,
            new_owner_app_id: new_owner.iter().find_map(|name| text(part, name)),
            previous_owner_app_id: text(part, "previous_owner_app_id"),
            metadata: text(part, "metadata"),
            occurred_at: self.occurred_at()?,
        }))
    }

    fn person(&self, name: &str) -> Option<String> {
        self.part.get(name).and_then(|person| text(person, "id"))
    }

    fn sender(&self) -> Result<ContactRef, Unreadable> {
        contact(self.person("sender"))
    }

    /// The contact of what was sent for the page: whoever of the two is not the page. Current posts
    /// name the page as the sender, and older ones the other way round.
    fn contact_of_echo(&self) -> Result<ContactRef, Unreadable> {
        let page = text(self.payload, field::PAGE_ID);
        let [sender, recipient] = ["sender", "recipient"].map(|name| self.person(name));
        if recipient.is_none() || recipient == page {
            contact(sender.filter(|id| Some(id) != page.as_ref()))
        } else {
            contact(recipient)
        }
    }

    fn occurred_at(&self) -> Result<DateTime<Utc>, Unreadable> {
        integer(self.part, "timestamp")
            .or_else(|| integer(self.payload, field::TIME))
            .and_then(|at| moment(at, Unit::Milliseconds))
            .ok_or_else(|| Unreadable::new("the event has no time in milliseconds"))
    }
}

fn contact(id: Option<String>) -> Result<ContactRef, Unreadable> {
    let id = id.ok_or_else(|| Unreadable::new("the event names no contact"))?;
    if id.len() > MAX_CONTACT_ID {
        return Err(Unreadable::new("the contact's id is too long"));
    }
    Ok(ContactRef {
        address: id.clone(),
        external_id: id,
        display_name: None,
    })
}

fn checked_id(id: Option<String>) -> Result<String, Unreadable> {
    match id {
        None => Err(Unreadable::new("the event has no id")),
        // A mark may be set before it.
        Some(id) if id.len() > MAX_MESSAGE_ID - "revoke:".len() => {
            Err(Unreadable::new("the event's id is too long"))
        }
        Some(id) => Ok(id),
    }
}

fn edit_of(edit: &Value) -> Result<ContentBody, Unreadable> {
    let target = checked_id(text(edit, "mid"))?;
    let body = text(edit, "text").unwrap_or_default();
    Ok(ContentBody::Edit {
        target,
        content: Box::new(ContentBody::Text { body }),
    })
}

fn reaction_of(reaction: &Value) -> Result<ContentBody, Unreadable> {
    let is_taken_off = text(reaction, "action").as_deref() == Some("unreact");
    let emoji = text(reaction, "emoji").or_else(|| text(reaction, "reaction"));
    Ok(ContentBody::Reaction {
        target: checked_id(text(reaction, "mid"))?,
        emoji: emoji.filter(|_| !is_taken_off),
    })
}

fn account_event(kind: &str, event: &Value) -> AccountEvent {
    let action = text(event, "action");
    AccountEvent {
        kind: kind.to_owned(),
        effect: match action.as_deref() {
            Some("block") => AccountEffect::Disabled,
            Some("unblock") => AccountEffect::Working,
            Some("warning") => AccountEffect::Warned,
            Some(_) | None => AccountEffect::None,
        },
        event: action,
        number: None,
        note: text(event, "reason"),
    }
}
