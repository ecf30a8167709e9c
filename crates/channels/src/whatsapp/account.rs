use domain::{AccountEffect, AccountEvent, Consent};
use serde_json::Value;

use super::decode::contact_ref;
use crate::lenient::{integer, list, text};

/// Reads an event of the account, a number or a template; `None` for a field that is none of them.
pub(super) fn account_event(kind: &str, value: &Value) -> Option<AccountEvent> {
    // One form of an alert stands in the value itself, another in a part of it.
    let said = value.get("alert_info").unwrap_or(value);
    let event = ["event", "decision", "alert_type", "new_quality_score"]
        .iter()
        .find_map(|name| text(said, name));
    let named = event.as_deref().unwrap_or_default();
    let effect = match kind {
        "account_update" => account_update(named, value),
        "account_review_update" => review(named),
        "account_alerts" => alert(said),
        "phone_number_quality_update" => quality(named, value),
        "business_capability_update" => AccountEffect::Limit {
            per_day: per_day(value),
        },
        "message_template_status_update" => template(named, value),
        "message_template_quality_update" if named == "RED" => AccountEffect::Warned,
        "phone_number_name_update"
        | "security"
        | "message_template_quality_update"
        | "message_template_components_update"
        | "template_category_update" => AccountEffect::None,
        "user_preferences" => AccountEffect::Consent {
            consents: consents(value),
        },
        _ => return None,
    };
    let notes = ["alert_description", "reason", "rejection_reason"];
    Some(AccountEvent {
        kind: kind.to_owned(),
        note: notes.iter().find_map(|name| text(said, name)),
        number: text(value, "display_phone_number").or_else(|| text(value, "phone_number")),
        event,
        effect,
    })
}

/// Source: <https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/account_update>.
fn account_update(event: &str, value: &Value) -> AccountEffect {
    let ban = value
        .get("ban_info")
        .and_then(|ban| text(ban, "waba_ban_state"));
    match (event, ban.as_deref()) {
        (_, Some("REINSTATE")) => AccountEffect::Working,
        (_, Some("SCHEDULE_FOR_DISABLE")) | ("ACCOUNT_VIOLATION", _) => AccountEffect::Warned,
        ("ACCOUNT_RESTRICTION", _) => AccountEffect::Restricted,
        (_, Some("DISABLE")) | ("DISABLED_UPDATE" | "ACCOUNT_DELETED" | "PARTNER_REMOVED", _) => {
            AccountEffect::Disabled
        }
        _ => AccountEffect::None,
    }
}

fn review(decision: &str) -> AccountEffect {
    match decision {
        "APPROVED" => AccountEffect::Working,
        "REJECTED" => AccountEffect::Restricted,
        _ => AccountEffect::None,
    }
}

fn alert(said: &Value) -> AccountEffect {
    match text(said, "alert_severity").as_deref() {
        Some("CRITICAL" | "WARNING") => AccountEffect::Warned,
        _ => AccountEffect::None,
    }
}

fn quality(event: &str, value: &Value) -> AccountEffect {
    match event {
        "FLAGGED" | "DOWNGRADE" => AccountEffect::Warned,
        "UNFLAGGED" => AccountEffect::Working,
        _ => match per_day(value) {
            None => AccountEffect::None,
            per_day => AccountEffect::Limit { per_day },
        },
    }
}

/// How many contacts may be written to first in a day: a number, or a tier such as `TIER_2K`.
fn per_day(value: &Value) -> Option<i64> {
    let names = [
        "max_daily_conversations_per_business",
        "max_daily_conversation_per_phone",
        "current_limit",
    ];
    names.iter().find_map(|name| {
        integer(value, name)
            .or_else(|| tier(&text(value, name)?))
            .filter(|count| *count >= 0)
    })
}

fn tier(name: &str) -> Option<i64> {
    let digits = name.strip_prefix("TIER_")?;
    match digits.strip_suffix('K') {
        Some(thousands) => thousands.parse::<i64>().ok()?.checked_mul(1000),
        None => digits.parse().ok(),
    }
}

fn template(event: &str, value: &Value) -> AccountEffect {
    match text(value, "message_template_name") {
        None => AccountEffect::None,
        Some(name) => AccountEffect::Template {
            name,
            language: text(value, "message_template_language"),
            usable: matches!(event, "APPROVED" | "REINSTATED" | "FLAGGED"),
        },
    }
}

fn consents(value: &Value) -> Vec<Consent> {
    let profiles = list(value, "contacts");
    list(value, "user_preferences")
        .iter()
        .filter_map(|preference| {
            let names = ["user_id", "wa_id"];
            let ids = names.map(|name| text(preference, name));
            let profile = profiles.iter().find(|profile| {
                let of_profile = names.map(|name| text(profile, name));
                ids.iter()
                    .flatten()
                    .any(|id| of_profile.iter().flatten().any(|other| other == id))
            });
            Some(Consent {
                contact: contact_ref(preference, "user_id", "wa_id", profile).ok()?,
                category: text(preference, "category")?,
                allowed: text(preference, "value").as_deref() != Some("stop"),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn effect(kind: &str, value: &Value) -> AccountEffect {
        account_event(kind, value).unwrap().effect
    }

    #[test]
    fn what_happens_to_the_account_says_what_it_means() {
        use AccountEffect::{Disabled, None, Restricted, Warned, Working};
        let ban = |state: &str| json!({"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": state}});
        let event = |name: &str| json!({"event": name});
        for (kind, value, expected) in [
            ("account_update", event("VERIFIED_ACCOUNT"), None),
            ("account_update", ban("DISABLE"), Disabled),
            ("account_update", ban("REINSTATE"), Working),
            ("account_update", ban("SCHEDULE_FOR_DISABLE"), Warned),
            ("account_update", event("ACCOUNT_RESTRICTION"), Restricted),
            ("account_update", event("PARTNER_REMOVED"), Disabled),
            ("account_update", json!({"event": 5}), None),
            (
                "account_review_update",
                json!({"decision": "REJECTED"}),
                Restricted,
            ),
            (
                "account_alerts",
                json!({"alert_severity": "CRITICAL"}),
                Warned,
            ),
            (
                "account_alerts",
                json!({"alert_info": {"alert_severity": "WARNING"}}),
                Warned,
            ),
            (
                "account_alerts",
                json!({"alert_severity": "INFORMATIONAL"}),
                None,
            ),
            ("phone_number_quality_update", event("FLAGGED"), Warned),
            ("phone_number_quality_update", event("UNFLAGGED"), Working),
        ] {
            assert_eq!(effect(kind, &value), expected, "{kind} {value}");
        }
        assert_eq!(account_event("history", &json!({})), Option::None);
    }

    #[test]
    fn tiers_are_numbers_of_contacts() {
        let quality = "phone_number_quality_update";
        let business = "business_capability_update";
        for (kind, value, per_day) in [
            (
                quality,
                json!({"event": "UPGRADE", "current_limit": "TIER_10K"}),
                Some(10_000),
            ),
            (
                quality,
                json!({"event": "ONBOARDING", "current_limit": "TIER_250"}),
                Some(250),
            ),
            (
                business,
                json!({"max_daily_conversation_per_phone": 1000}),
                Some(1000),
            ),
            (
                business,
                json!({"max_daily_conversations_per_business": -1}),
                None,
            ),
        ] {
            assert_eq!(
                effect(kind, &value),
                AccountEffect::Limit { per_day },
                "{value}"
            );
        }
        assert_eq!(tier("TIER_UNLIMITED"), None);
        assert_eq!(tier("TIER_99999999999999999999K"), None);
    }

    #[test]
    fn templates_and_consents_name_whom_they_concern() {
        let template = json!({"event": "PAUSED", "message_template_name": "news",
            "message_template_language": "en-US", "message_template_id": 5});
        assert_eq!(
            effect("message_template_status_update", &template),
            AccountEffect::Template {
                name: "news".to_owned(),
                language: Some("en-US".to_owned()),
                usable: false,
            }
        );
        let value = json!({
            "contacts": [{"wa_id": "1", "user_id": "US.1"}, {"wa_id": "2"}],
            "user_preferences": [
                {"wa_id": "1", "category": "marketing_messages", "value": "stop"},
                {"user_id": "US.2", "category": "marketing_messages", "value": "resume"},
                {"category": "marketing_messages"}, 5,
            ],
        });
        let AccountEffect::Consent { consents } = effect("user_preferences", &value) else {
            panic!("no consents");
        };
        let seen: Vec<_> = consents
            .iter()
            .map(|consent| (consent.contact.external_id.as_str(), consent.allowed))
            .collect();
        assert_eq!(seen, [("US.1", false), ("US.2", true)]);
    }
}
