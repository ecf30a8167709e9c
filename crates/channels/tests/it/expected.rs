/// What the items of every fixture of WhatsApp say, in order: see [`crate::fixtures::summary`].
pub(crate) const WHATSAPP: &[(&str, &[&str])] = &[
    (
        "audio-voice",
        &[
            "message 200000000000001 message wamid.AUDIO US.10000000000000000001/15550002222/Ana: [voice message]",
        ],
    ),
    (
        "bad-items-among-good",
        &[
            "message 200000000000001 unreadable: the message names no contact",
            "message 200000000000001 unreadable: the message names no contact",
            "message 200000000000001 message wamid.GOOD1 US.10000000000000000001/15550002222/Ana: well",
            "message 200000000000001 unreadable: the item has no id",
            "message 200000000000001 unreadable: the item has no time in seconds",
            "message 200000000000001 unreadable: the message names no contact",
            "message 200000000000001 message wamid.GOOD2 US.10000000000000000001/15550002222/Ana: well",
            "status 200000000000001 unreadable: the item has no id",
            "status 200000000000001 status wamid.OUT1 sent of US.10000000000000000001 tag=- error=0",
            "status 200000000000001 unreadable: the status has no name",
            "unreadable - unreadable: the item is not in the channel's form",
            "unreadable - unreadable: the item is not in the channel's form",
            "unreadable 200000000000001 unreadable: the item is not in the channel's form",
            "unreadable - unreadable: the item is not in the channel's form",
            "unreadable - unreadable: the item is not in the channel's form",
            "status 200000000000001 status wamid.OUT1 read of US.10000000000000000001 tag=m-1 error=0",
        ],
    ),
    (
        "button-reply",
        &[
            "message 200000000000001 message wamid.INTERACTIVE US.10000000000000000001/15550002222/Ana: Yes, please",
        ],
    ),
    (
        "call",
        &[
            "status 200000000000001 other call:RINGING -",
            "message 200000000000001 message wacid.1:connect US.10000000000000000001/15550002222/Ana: [notice: call:connect] (no answer)",
        ],
    ),
    (
        "contacts",
        &[
            "message 200000000000001 message wamid.CONTACTS US.10000000000000000001/15550002222/Ana: [contacts: Bo Berg, +1 555-000-3333, bo@mail.example; Cy Clay; no name, 15550004444]",
        ],
    ),
    (
        "document",
        &[
            "message 200000000000001 message wamid.DOCUMENT US.10000000000000000001/15550002222/Ana: [document: bill.pdf] my bill",
        ],
    ),
    (
        "echo-edit",
        &[
            "echo 200000000000001 echo wamid.ECHO3 15550002222/15550002222/-: I call you tomorrow (no answer)",
        ],
    ),
    (
        "echo-revoke",
        &[
            "echo 200000000000001 echo wamid.ECHO2 15550002222/15550002222/-: [message deleted] (no answer)",
        ],
    ),
    (
        "echo-text",
        &[
            "echo 200000000000001 echo wamid.ECHO1 US.10000000000000000001/15550002222/-: I call you back",
        ],
    ),
    (
        "edit",
        &[
            "message 200000000000001 message wamid.EDIT US.10000000000000000001/15550002222/Ana: When do you close? (no answer)",
        ],
    ),
    (
        "edit-of-edit",
        &[
            "message 200000000000001 message wamid.EDIT US.10000000000000000001/15550002222/Ana: [unsupported message: edit] (no answer)",
        ],
    ),
    ("entry-without-changes", &["event - other entry -"]),
    (
        "field-account-alerts",
        &[
            "event - account account_alerts INCREASED_CAPABILITIES_ELIGIBILITY_NEED_MORE_INFO Warned Verify the business",
            "event - account account_alerts PROFILE_PICTURE_LOST Warned The picture was removed",
        ],
    ),
    (
        "field-account-bans",
        &[
            "event - account account_update DISABLED_UPDATE Warned -",
            "event - account account_update DISABLED_UPDATE Disabled -",
            "event - account account_update DISABLED_UPDATE Working -",
            "event - account account_update ACCOUNT_VIOLATION Warned -",
            "event - account account_update ACCOUNT_RESTRICTION Restricted -",
            "event - account account_update ACCOUNT_DELETED Disabled -",
            "event - account account_update PARTNER_REMOVED Disabled -",
        ],
    ),
    (
        "field-account-review",
        &[
            "event - account account_review_update APPROVED Working -",
            "event - account account_review_update REJECTED Restricted -",
        ],
    ),
    (
        "field-account-update",
        &["event - account account_update VERIFIED_ACCOUNT None -"],
    ),
    (
        "field-business-capability",
        &[
            "event - account business_capability_update - Limit { per_day: Some(1000) } -",
            "event - account business_capability_update - Limit { per_day: Some(10000) } -",
        ],
    ),
    (
        "field-number",
        &[
            "event - account phone_number_quality_update DOWNGRADE Warned -",
            "event - account phone_number_quality_update UNFLAGGED Working -",
            "event - account phone_number_quality_update UPGRADE Limit { per_day: Some(10000) } -",
            "event - account phone_number_name_update REJECTED None NAME_NOT_CONSISTENT_WITH_BUSINESS",
            "event - account security PIN_CHANGED None -",
        ],
    ),
    (
        "field-quality",
        &["event - account phone_number_quality_update FLAGGED Warned -"],
    ),
    (
        "field-template",
        &[
            "event - account message_template_status_update APPROVED Template { name: \"order_ready\", language: Some(\"en-US\"), usable: true } -",
            "event - account message_template_status_update REINSTATED Template { name: \"order_ready\", language: Some(\"en-US\"), usable: true } -",
            "event - account message_template_status_update PAUSED Template { name: \"order_ready\", language: Some(\"en-US\"), usable: false } -",
            "event - account message_template_quality_update RED Warned -",
            "event - account message_template_quality_update GREEN None -",
            "event - account message_template_components_update - None -",
            "event - account template_category_update - None -",
        ],
    ),
    (
        "field-template-status",
        &[
            "event - account message_template_status_update REJECTED Template { name: \"order_ready\", language: Some(\"en-US\"), usable: false } TAG_CONTENT_MISMATCH",
        ],
    ),
    (
        "field-user-preferences",
        &[
            "event 200000000000001 account user_preferences - Consent { consents: [Consent { contact: ContactRef { external_id: \"US.10000000000000000001\", address: \"15550002222\", display_name: None }, category: \"marketing_messages\", allowed: false }] } -",
        ],
    ),
    (
        "form-reply",
        &[
            "message 200000000000001 message wamid.INTERACTIVE US.10000000000000000001/15550002222/Ana: [form: flow] size: L, count: 2",
        ],
    ),
    (
        "form-reply-broken",
        &[
            "message 200000000000001 message wamid.INTERACTIVE US.10000000000000000001/15550002222/Ana: [form: flow] {not json",
        ],
    ),
    (
        "image",
        &[
            "message 200000000000001 message wamid.IMAGE US.10000000000000000001/15550002222/Ana: [image] this one",
        ],
    ),
    (
        "image-failed",
        &[
            "message 200000000000001 message wamid.IMAGE US.10000000000000000001/15550002222/Ana: [image]",
        ],
    ),
    (
        "interactive-empty",
        &[
            "message 200000000000001 message wamid.INTERACTIVE US.10000000000000000001/15550002222/Ana: [selection]",
            "event 200000000000001 other value_error 131000 Unsupported webhook payload",
        ],
    ),
    (
        "list-reply",
        &[
            "message 200000000000001 message wamid.INTERACTIVE US.10000000000000000001/15550002222/Ana: Tuesday (10 to 12)",
        ],
    ),
    (
        "location",
        &[
            "message 200000000000001 message wamid.LOCATION US.10000000000000000001/15550002222/Ana: [location: The shop, 1 Main Street, 52.52 13.405]",
        ],
    ),
    (
        "object-of-another-product",
        &["event - other object:page -"],
    ),
    (
        "order",
        &[
            "message 200000000000001 message wamid.ORDER US.10000000000000000001/15550002222/Ana: [order: 2 x SODA at 1.5 EUR; 1 x CAKE at 4 EUR] soon please",
        ],
    ),
    (
        "reaction",
        &[
            "message 200000000000001 message wamid.REACTION US.10000000000000000001/15550002222/Ana: [reaction: 👍] (no answer)",
        ],
    ),
    (
        "reaction-removed-absent",
        &[
            "message 200000000000001 message wamid.REACTION US.10000000000000000001/15550002222/Ana: [reaction removed] (no answer)",
        ],
    ),
    (
        "reaction-removed-empty",
        &[
            "message 200000000000001 message wamid.REACTION US.10000000000000000001/15550002222/Ana: [reaction removed] (no answer)",
        ],
    ),
    (
        "revoke",
        &[
            "message 200000000000001 message wamid.REVOKE US.10000000000000000001/15550002222/Ana: [message deleted] (no answer)",
        ],
    ),
    (
        "several-of-one-person",
        &[
            "message 200000000000001 message wamid.B1 US.10000000000000000001/15550002222/Ana: first",
            "message 200000000000001 message wamid.B2 US.10000000000000000002/15550003333/Bo: second",
            "message 200000000000001 message wamid.B3 US.10000000000000000001/15550002222/Ana: third",
        ],
    ),
    (
        "status-delivered",
        &[
            "status 200000000000001 status wamid.OUT1 delivered of US.10000000000000000001 tag=m-1 error=0",
        ],
    ),
    (
        "status-failed",
        &["status 200000000000001 status wamid.OUT1 failed of 15550002222 tag=- error=131047"],
    ),
    (
        "status-group",
        &["status 200000000000001 status wamid.OUT1 read of US.10000000000000000001 tag=- error=0"],
    ),
    (
        "status-played",
        &[
            "status 200000000000001 status wamid.OUT1 read of US.10000000000000000001 tag=m-1 error=0",
        ],
    ),
    (
        "status-read",
        &[
            "status 200000000000001 status wamid.OUT1 read of US.10000000000000000001 tag=m-1 error=0",
        ],
    ),
    (
        "status-sent",
        &[
            "status 200000000000001 status wamid.OUT1 sent of US.10000000000000000001 tag=m-1 error=0",
        ],
    ),
    (
        "status-unknown",
        &["status 200000000000001 other status:pondered -"],
    ),
    (
        "status-unknown-number",
        &["status - status wamid.OUT9 delivered of - tag=- error=0"],
    ),
    (
        "statuses-out-of-order",
        &[
            "status 200000000000001 status wamid.OUT1 read of US.10000000000000000001 tag=- error=0",
            "status 200000000000001 status wamid.OUT1 sent of US.10000000000000000001 tag=- error=0",
            "status 200000000000001 status wamid.OUT1 delivered of US.10000000000000000001 tag=- error=0",
            "status 200000000000001 status wamid.OUT1 delivered of US.10000000000000000001 tag=- error=0",
            "status 200000000000001 status wamid.OUT9 delivered of US.10000000000000000001 tag=- error=0",
        ],
    ),
    (
        "sticker",
        &[
            "message 200000000000001 message wamid.STICKER US.10000000000000000001/15550002222/Ana: [sticker]",
        ],
    ),
    (
        "system-identity-changed",
        &[
            "message 200000000000001 message wamid.SYSTEM 15550002222/15550002222/Ana: [notice: The identity changed] (no answer)",
        ],
    ),
    (
        "system-number-changed",
        &[
            "message 200000000000001 message wamid.SYSTEM 15550002222/15550002222/-: [notice: Ana changed from 15550002222 to 15550005555] (no answer)",
        ],
    ),
    (
        "system-number-changed-older",
        &[
            "message 200000000000001 message wamid.SYSTEM 15550002222/15550002222/-: [notice: Ana changed from 15550002222 to 15550005555] (no answer)",
        ],
    ),
    (
        "system-user-id-changed",
        &[
            "message 200000000000001 message wamid.SYSTEM US.10000000000000000001/US.10000000000000000001/-: [notice: user_changed_user_id] (no answer)",
        ],
    ),
    (
        "template-button",
        &[
            "message 200000000000001 message wamid.BUTTON US.10000000000000000001/15550002222/Ana: Stop",
        ],
    ),
    (
        "template-button-no-payload",
        &[
            "message 200000000000001 message wamid.BUTTON US.10000000000000000001/15550002222/Ana: Stop",
        ],
    ),
    (
        "text",
        &[
            "message 200000000000001 message wamid.TEXT US.10000000000000000001/15550002222/Ana: When do you open?",
        ],
    ),
    (
        "text-bsuid-only",
        &[
            "message 200000000000001 message wamid.TEXT US.10000000000000000001/US.10000000000000000001/Ana: no phone",
        ],
    ),
    (
        "text-group",
        &[
            "message 200000000000001 message wamid.TEXT US.10000000000000000001/15550002222/Ana: hi all (no answer)",
        ],
    ),
    (
        "text-ids-as-numbers",
        &[
            "message 200000000000001 message wamid.TEXT US.10000000000000000001/15550002222/Ana: numbers as ids",
        ],
    ),
    (
        "text-no-sender-alone-with-profile",
        &[
            "message 200000000000001 message wamid.TEXT US.10000000000000000001/15550002222/Ana: who am I",
        ],
    ),
    (
        "text-phone-only",
        &["message 200000000000001 message wamid.TEXT 15550002222/15550002222/Ana: no user id"],
    ),
    (
        "text-reply-and-referral",
        &[
            "message 200000000000001 message wamid.TEXT US.10000000000000000001/15550002222/Ana: Is it still there?",
        ],
    ),
    (
        "text-username",
        &[
            "message 200000000000001 message wamid.TEXT US.10000000000000000001/15550002222/ana_drinks_tea: a name of my own",
        ],
    ),
    (
        "text-without-body",
        &[
            "message 200000000000001 message wamid.TEXT US.10000000000000000001/15550002222/Ana: [unsupported message: text] (no answer)",
        ],
    ),
    (
        "twice-in-one-post",
        &[
            "message 200000000000001 message wamid.TEXT US.10000000000000000001/15550002222/Ana: hello",
            "message 200000000000001 message wamid.TEXT US.10000000000000000001/15550002222/Ana: hello",
        ],
    ),
    (
        "two-businesses",
        &[
            "message 200000000000001 message wamid.TEXT US.10000000000000000001/15550002222/Ana: from Ana",
            "message 200000000000001 message wamid.BO US.10000000000000000002/15550003333/Bo: from Bo",
            "status 200000000000001 status wamid.OUT1 sent of US.10000000000000000001 tag=- error=0",
            "message 200000000000009 message wamid.CY GB.30000000000000000003/15550004444/Cy: other tenant",
            "event - other some_future_field -",
        ],
    ),
    (
        "unknown-type",
        &[
            "message 200000000000001 message wamid.HOLOGRAM US.10000000000000000001/15550002222/Ana: [unsupported message: hologram] (no answer)",
        ],
    ),
    (
        "unsupported",
        &[
            "message 200000000000001 message wamid.UNSUPPORTED US.10000000000000000001/15550002222/Ana: [unsupported message: poll] (no answer)",
        ],
    ),
    (
        "value-errors",
        &["event 200000000000001 other value_error 130429 Rate limit hit"],
    ),
    (
        "video",
        &[
            "message 200000000000001 message wamid.VIDEO US.10000000000000000001/15550002222/Ana: [video]",
        ],
    ),
    (
        "voice",
        &[
            "message 200000000000001 message wamid.VOICE US.10000000000000000001/15550002222/Ana: [voice message]",
        ],
    ),
];

/// The same of Messenger.
pub(crate) const MESSENGER: &[(&str, &[&str])] = &[
    (
        "account-linking",
        &[
            "message 300000000000001 message account_linking:7000000000000001:1790416800000:2fc3dd71282b3431 7000000000000001/7000000000000001/-: [notice: linked] (no answer)",
        ],
    ),
    (
        "app-roles",
        &["event 300000000000001 account app_roles - None -"],
    ),
    (
        "attachments-several",
        &[
            "message 300000000000001 message m_IN1 7000000000000001/7000000000000001/-: these [image] [video] [audio] [document] [location: The shop, 52.52 13.405] A page\nhttps://x.example/a [unsupported message: hologram]",
        ],
    ),
    (
        "bad-items-among-good",
        &[
            "unreadable 300000000000001 unreadable: the item is not in the channel's form",
            "unreadable 300000000000001 unreadable: the item is not in the channel's form",
            "message 300000000000001 unreadable: the event has no id",
            "message 300000000000001 unreadable: the event has no id",
            "message 300000000000001 unreadable: the event names no contact",
            "message 300000000000001 message m_NOTIME 7000000000000001/7000000000000001/-: the entry has the time",
            "message 300000000000001 unreadable: the event has no time in milliseconds",
            "status 300000000000001 unreadable: the report names no message and no time",
            "message 300000000000001 unreadable: the event has no id",
            "message 300000000000001 message m_GOOD 7000000000000001/7000000000000001/-: well",
            "unreadable - unreadable: the item is not in the channel's form",
            "unreadable 300000000000001 unreadable: the item is not in the channel's form",
            "unreadable 300000000000001 unreadable: the item is not in the channel's form",
        ],
    ),
    (
        "changes",
        &[
            "event 300000000000001 other changes:messages -",
            "event 300000000000001 other changes:feed -",
        ],
    ),
    (
        "delivery",
        &[
            "status 300000000000001 receipt delivered by 7000000000000001 of m_OUT1,m_OUT2 up to 1790416800000",
        ],
    ),
    (
        "delivery-without-ids",
        &["status 300000000000001 receipt delivered by 7000000000000001 of  up to 1790416800000"],
    ),
    (
        "echo-of-a-person",
        &["echo 300000000000001 echo m_OUT2 7000000000000001/7000000000000001/-: I call you back"],
    ),
    (
        "echo-of-a-template",
        &[
            "echo 300000000000001 echo m_OUT4 7000000000000001/7000000000000001/-: [unsupported message: template] (no answer)",
        ],
    ),
    (
        "echo-of-ours",
        &["echo 300000000000001 status m_OUT1 sent of 7000000000000001 tag=m-1 error=0"],
    ),
    (
        "echo-the-other-way-round",
        &["echo 300000000000001 echo m_OUT3 7000000000000001/7000000000000001/-: old form"],
    ),
    (
        "entry-without-events",
        &["event 300000000000001 other entry -"],
    ),
    ("event-alone", &["event 300000000000001 other event -"]),
    (
        "fallback-in-text",
        &[
            "message 300000000000001 message m_IN1 7000000000000001/7000000000000001/-: see https://x.example/a",
        ],
    ),
    (
        "fallback-only",
        &[
            "message 300000000000001 message m_IN1 7000000000000001/7000000000000001/-: A page\nhttps://x.example/a",
        ],
    ),
    (
        "file-with-name",
        &[
            "message 300000000000001 message m_IN1 7000000000000001/7000000000000001/-: [document: bill.pdf]",
        ],
    ),
    (
        "handover-passed",
        &[
            "event 300000000000001 handover Passed of 7000000000000001 from 263902037430900 to 900000000000001: done",
        ],
    ),
    (
        "handover-requested",
        &["event 300000000000001 handover Requested of 7000000000000001 from - to 123: please"],
    ),
    (
        "handover-taken",
        &["event 300000000000001 handover Taken of 7000000000000001 from 900000000000001 to -: -"],
    ),
    (
        "image",
        &["message 300000000000001 message m_IN1 7000000000000001/7000000000000001/-: [image]"],
    ),
    (
        "message-deleted",
        &[
            "message 300000000000001 message revoke:m_IN1 7000000000000001/7000000000000001/-: [message deleted] (no answer)",
        ],
    ),
    (
        "message-edited",
        &[
            "message 300000000000001 message edit:7000000000000001:1790416800000:326c3f9412b3ce95 7000000000000001/7000000000000001/-: When do you close? (no answer)",
        ],
    ),
    (
        "message-empty",
        &[
            "message 300000000000001 message m_IN1 7000000000000001/7000000000000001/-: [unsupported message: message] (no answer)",
        ],
    ),
    (
        "message-unsupported",
        &[
            "message 300000000000001 message m_IN1 7000000000000001/7000000000000001/-: [unsupported message: is_unsupported] (no answer)",
        ],
    ),
    (
        "object-of-another-product",
        &["event - other object:instagram -"],
    ),
    (
        "optin",
        &[
            "message 300000000000001 message optin:7000000000000001:1790416800000:49233a4467c918e6 7000000000000001/7000000000000001/-: [notice: plugin] (no answer)",
        ],
    ),
    (
        "optin-of-nobody",
        &["message 300000000000001 other optin -"],
    ),
    (
        "policy-enforcement",
        &[
            "event 300000000000001 account policy-enforcement block Disabled The page broke the rules",
        ],
    ),
    (
        "policy-warning",
        &[
            "event 300000000000001 account policy_enforcement warning Warned The page nearly broke the rules",
            "event 300000000000001 account policy-enforcement unblock Working -",
        ],
    ),
    (
        "postback",
        &["message 300000000000001 message m_PB1 7000000000000001/7000000000000001/-: Get started"],
    ),
    (
        "postback-without-id",
        &[
            "message 300000000000001 message postback:7000000000000001:1790416800000:fb298f8e0a851988 7000000000000001/7000000000000001/-: Get started",
        ],
    ),
    (
        "product",
        &[
            "message 300000000000001 message m_IN1 7000000000000001/7000000000000001/-: Is it there in red?",
        ],
    ),
    (
        "quick-reply",
        &["message 300000000000001 message m_IN1 7000000000000001/7000000000000001/-: Yes"],
    ),
    (
        "quick-reply-without-text",
        &[
            "message 300000000000001 message m_IN1 7000000000000001/7000000000000001/-: [unsupported message: message] (no answer)",
        ],
    ),
    (
        "reaction",
        &[
            "message 300000000000001 message reaction:7000000000000001:1790416800000:636d3b0e6ef0ab9f 7000000000000001/7000000000000001/-: [reaction: ❤️] (no answer)",
        ],
    ),
    (
        "reaction-taken-off",
        &[
            "message 300000000000001 message reaction:7000000000000001:1790416800000:9cfd68ba87abaff2 7000000000000001/7000000000000001/-: [reaction removed] (no answer)",
        ],
    ),
    (
        "read",
        &["status 300000000000001 receipt read by 7000000000000001 of  up to 1790416799500"],
    ),
    (
        "reels",
        &[
            "message 300000000000001 message m_IN1 7000000000000001/7000000000000001/-: [video: How we make tea] [video]",
        ],
    ),
    (
        "referral",
        &[
            "message 300000000000001 message referral:7000000000000001:1790416800000:91c922139653a4c7 7000000000000001/7000000000000001/-: [notice: door] (no answer)",
        ],
    ),
    (
        "several-in-one-entry",
        &[
            "message 300000000000001 message m_IN1 7000000000000001/7000000000000001/-: one",
            "message 300000000000001 message m_IN2 7000000000000002/7000000000000002/-: two",
            "echo 300000000000001 status m_OUT1 sent of 7000000000000001 tag=m-1 error=0",
            "echo 300000000000001 echo m_OUT2 7000000000000001/7000000000000001/-: a person's, in the page's inbox",
            "status 300000000000001 receipt read by 7000000000000001 of  up to 1790416800300",
        ],
    ),
    (
        "standby",
        &[
            "message 300000000000001 message m_S1 7000000000000001/7000000000000001/-: while a person has it (no answer)",
            "message 300000000000001 message postback:7000000000000001:1790416800050:329abe1bd43c1487 7000000000000001/7000000000000001/-: Yes (no answer)",
        ],
    ),
    (
        "sticker",
        &["message 300000000000001 message m_IN1 7000000000000001/7000000000000001/-: [sticker]"],
    ),
    (
        "sticker-as-both",
        &["message 300000000000001 message m_IN1 7000000000000001/7000000000000001/-: [sticker]"],
    ),
    (
        "sticker-as-image",
        &["message 300000000000001 message m_IN1 7000000000000001/7000000000000001/-: [sticker]"],
    ),
    (
        "text",
        &[
            "message 300000000000001 message m_IN1 7000000000000001/7000000000000001/-: When do you open?",
        ],
    ),
    (
        "text-ids-as-numbers",
        &[
            "message 300000000000001 message m_IN1 7000000000000001/7000000000000001/-: numbers as ids",
        ],
    ),
    (
        "text-reply-and-referral",
        &[
            "message 300000000000001 message m_IN1 7000000000000001/7000000000000001/-: Is it still there?",
        ],
    ),
    (
        "text-time-as-text",
        &[
            "message 300000000000001 message m_IN1 7000000000000001/7000000000000001/-: time as text",
        ],
    ),
    (
        "twice-in-one-post",
        &[
            "message 300000000000001 message m_IN1 7000000000000001/7000000000000001/-: hi",
            "message 300000000000001 message m_IN1 7000000000000001/7000000000000001/-: hi",
        ],
    ),
    (
        "two-pages",
        &[
            "message 300000000000001 message m_IN1 7000000000000001/7000000000000001/-: one",
            "message 300000000000001 message m_IN2 7000000000000002/7000000000000002/-: two",
            "message 300000000000001 message m_S1 7000000000000001/7000000000000001/-: aside (no answer)",
            "message 300000000000009 message m_OTHER 7000000000000009/7000000000000009/-: other tenant",
        ],
    ),
    (
        "unknown-event",
        &["event 300000000000001 other game_play -"],
    ),
];

/// The same of the generic channel.
pub(crate) const HTTP: &[(&str, &[&str])] = &[
    (
        "bad-events-among-good",
        &[
            "unreadable - unreadable: the event is not an object",
            "unreadable - unreadable: the event is not an object",
            "event - unreadable: the event has no `type`",
            "message - unreadable: the event has neither `content` nor `text`",
            "message - unreadable: the event has neither `content` nor `text`",
            "message - unreadable: the event has no `id`",
            "message - unreadable: the event has no `contact` with an `id`",
            "message - unreadable: `timestamp` is neither a time as RFC 3339 nor in seconds since 1970",
            "message - unreadable: `timestamp` is neither a time as RFC 3339 nor in seconds since 1970",
            "message - unreadable: `content` is not in the form of the type text",
            "message - message in-1 c-1/c-1/Ana: [unsupported message: system] (no answer)",
            "message - unreadable: `parts` and `edit` do not stand inside each other",
            "status - unreadable: `status` is not one of sent, delivered, read and failed",
            "status - unreadable: the status names no message",
            "status - unreadable: the event has no `contact` with an `id`",
            "message - message in-2 c-1/c-1/Ana: well",
        ],
    ),
    ("choice", &["message - message in-1 c-1/c-1/Ana: Yes"]),
    (
        "contacts",
        &[
            "message - message in-1 c-1/c-1/Ana: [contacts: Bo Berg, +1 555-000-3333, bo@mail.example; no name]",
        ],
    ),
    (
        "echo",
        &["echo - echo agent-1 c-1/c-1/Ana: I call you back"],
    ),
    (
        "edit",
        &["message - message in-1 c-1/c-1/Ana: When do you close? (no answer)"],
    ),
    (
        "media",
        &["message - message in-1 c-1/c-1/Ana: [image] this one"],
    ),
    (
        "order",
        &["message - message in-1 c-1/c-1/Ana: [order: 2 x SODA at 1.5 EUR] soon please"],
    ),
    (
        "parts",
        &["message - message in-1 c-1/c-1/Ana: here [location: The shop, 52.52 13.405]"],
    ),
    (
        "reaction",
        &["message - message in-1 c-1/c-1/Ana: [reaction: 👍] (no answer)"],
    ),
    (
        "receipt-up-to",
        &["status - receipt read by c-1 of  up to 1790406000000"],
    ),
    (
        "revoke",
        &["message - message in-1 c-1/c-1/Ana: [message deleted] (no answer)"],
    ),
    (
        "statuses",
        &[
            "status - status out-1 delivered of - tag=- error=0",
            "status - status m-1 failed of - tag=m-1 error=7",
            "status - receipt read by c-1 of  up to 1790409600000",
            "status - receipt delivered by c-1 of out-1,2 up to -",
        ],
    ),
    (
        "text",
        &["message - message in-1 c-1/c-1/Ana: When do you open?"],
    ),
    (
        "text-aside",
        &["message - message in-1 c-1/c-1/Ana: while a person has it (no answer)"],
    ),
    (
        "text-reply",
        &["message - message 17 5/line 7/-: And on Sunday?"],
    ),
    (
        "unknown-content",
        &["message - message in-1 c-1/c-1/Ana: [unsupported message: hologram] (no answer)"],
    ),
    ("unknown-event", &["event - other presence -"]),
];
