use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// What stands in place of a value that is not shown.
const REDACTED: &str = "redacted";

/// The fields of a kind's payload that may be shown: ids, versions, numbers and times. A field that
/// is not listed, and every field of a kind that is not, may hold what people wrote.
fn shown(kind: &str) -> Option<&'static [&'static str]> {
    Some(match kind {
        "answer-turn" | "move-thread" => &["tenant_id", "conversation_id"],
        "channel-status" | "inbound-message" => &["tenant_id", "raw_item_id", "received_at"],
        "check-channel" => &["tenant_id", "channel_id"],
        "deliver-webhook" => &["tenant_id", "endpoint_id", "delivery_id"],
        "embed-chunk" => &["tenant_id", "document_id", "version", "first", "count"],
        "erase-contact" => &["tenant_id", "contact_id", "erasure_id"],
        "fetch-media" => &["tenant_id", "file_id"],
        "fetch-source" | "ingest-document" => &["tenant_id", "document_id", "version"],
        "run-eval" => &["tenant_id", "run_id"],
        "send-reply" => &["tenant_id", "conversation_id", "message_id", "file_id"],
        "check-accounts" | "tend-index" => &["tenant_id"],
        "check-channels"
        | "check-providers"
        | "refresh-sources"
        | "release-conversations"
        | "upkeep" => &[],
        _ => return None,
    })
}

/// Whether the ordering keys of a kind are made of ids alone.
fn has_plain_keys(kind: &str) -> bool {
    shown(kind).is_some() && kind != "inbound-message"
}

/// What stands before the hash of a key.
const HASH: &str = "hash:";
/// How many hexadecimal digits of it are shown.
pub(super) const HASH_DIGITS: usize = 12;

/// An ordering key as it may be shown: one that may name a person as a short hash, by which its jobs
/// are known for those of one key. Whoever knows the key can recompute it.
pub(super) fn redact_key(kind: &str, key: String) -> String {
    if has_plain_keys(kind) {
        return key;
    }
    let digits = hex::encode(Sha256::digest(key.as_bytes()));
    format!("{HASH}{}", digits.get(..HASH_DIGITS).unwrap_or_default())
}

/// The digits of a key that is a hash as [`redact_key`] shows it.
pub(super) fn hash_digits(key: &str) -> Option<&str> {
    let digits = key.strip_prefix(HASH)?;
    let is_hash = digits.len() == HASH_DIGITS && digits.bytes().all(|it| it.is_ascii_hexdigit());
    is_hash.then_some(digits)
}

/// The payload with the names of all its fields and the values of those that may be shown.
pub(super) fn redact(kind: &str, payload: Value) -> Value {
    let Value::Object(mut fields) = payload else {
        return REDACTED.into();
    };
    let shown = shown(kind).unwrap_or_default();
    for (name, value) in &mut fields {
        if !shown.contains(&name.as_str()) || value.is_object() || value.is_array() {
            *value = REDACTED.into();
        }
    }
    Value::Object(fields)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::DateTime;
    use domain::{ConversationId, DocumentId, MessageFileId, MessageId, RawItemId, TenantId};
    use serde_json::json;

    use super::*;
    use crate::{Job, kinds};

    fn names<J: Job>(job: &J, values: fn(&Value) -> bool) -> Vec<String> {
        let payload = redact(J::KIND, serde_json::to_value(job).unwrap());
        let fields = payload.as_object().unwrap().iter();
        fields
            .filter(|(_, value)| values(value))
            .map(|(name, _)| name.clone())
            .collect()
    }

    fn hidden<J: Job>(job: &J) -> Vec<String> {
        names(job, |value| value == REDACTED)
    }

    #[test]
    fn ids_are_shown_and_who_wrote_is_not() {
        let (tenant_id, raw_item_id) = (TenantId::new(), RawItemId::new());
        let received_at = DateTime::UNIX_EPOCH;
        let contact_key = "7:+4930123456".to_owned();
        let inbound = kinds::InboundMessage {
            tenant_id,
            raw_item_id,
            received_at,
            contact_key,
        };
        assert_eq!(hidden(&inbound), ["contact_key"]);
        let conversation_id = ConversationId::new();
        let turn = kinds::AnswerTurn {
            tenant_id,
            conversation_id,
            settle: Duration::ZERO,
            settle_max: Duration::ZERO,
        };
        assert_eq!(hidden(&turn), Vec::<String>::new());
        let message_id = MessageId::new();
        let reply = kinds::SendReply {
            tenant_id,
            conversation_id,
            message_id,
            file_id: Some(MessageFileId::new()),
            limit_keys: [None, None],
            delay: Duration::ZERO,
        };
        assert_eq!(hidden(&reply), Vec::<String>::new());
        let document_id = DocumentId::new();
        let run = kinds::EmbedChunk {
            tenant_id,
            document_id,
            version: 1,
            first: 0,
            count: 20,
        };
        assert_eq!(
            names(&run, |value| value != REDACTED),
            ["tenant_id", "document_id", "version", "first", "count"]
        );
    }

    #[test]
    fn of_an_unknown_kind_only_the_names_are_shown() {
        let payload = json!({"text": "my card is 4111", "list": [1]});
        assert_eq!(
            redact("of-tomorrow", payload),
            json!({"text": REDACTED, "list": REDACTED})
        );
        assert_eq!(redact("of-tomorrow", json!("secret")), json!(REDACTED));
    }

    #[test]
    fn keys_that_may_name_a_person_are_hashes() {
        let key = || "7:+4930123456".to_owned();
        let hidden = redact_key("inbound-message", key());
        assert_eq!(hidden, redact_key("of-tomorrow", key()));
        assert_ne!(hidden, redact_key("inbound-message", "7:1".to_owned()));
        assert_eq!(
            hash_digits(&hidden).map(str::len),
            Some(HASH_DIGITS),
            "{hidden}"
        );
        assert_eq!(redact_key("send-reply", key()), key());
        assert_eq!(hash_digits("hash:of something"), None);
    }

    #[test]
    fn what_is_nested_is_never_shown() {
        let payload = json!({"tenant_id": {"text": "hello"}, "version": 3});
        assert_eq!(
            redact("ingest-document", payload),
            json!({"tenant_id": REDACTED, "version": 3})
        );
    }

    #[test]
    fn every_listed_kind_exists() {
        macro_rules! kinds {
            ($($payload:ident => $module:ident,)*) => { [$(<kinds::$payload as Job>::KIND,)*] };
        }
        for kind in crate::for_each_job!(kinds) {
            assert!(shown(kind).is_some(), "what may {kind} show?");
        }
    }
}
