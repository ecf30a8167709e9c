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
        "field-account-update",
        &["event - account account_update VERIFIED_ACCOUNT None -"],
    ),
    (
        "field-quality",
        &["event - account phone_number_quality_update FLAGGED Warned -"],
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
        "text-without-body",
        &[
            "message 200000000000001 message wamid.TEXT US.10000000000000000001/15550002222/Ana: [unsupported message: text] (no answer)",
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
];

/// The same of Messenger.
pub(crate) const MESSENGER: &[(&str, &[&str])] = &[];

/// The same of the generic channel.
pub(crate) const HTTP: &[(&str, &[&str])] = &[];
