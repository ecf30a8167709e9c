use channels::{
    Action, Audience, Connection, Graph, MediaError, MediaStep, Outgoing, Permit, Platform,
    RequestBody, SendClass, Situation, channel,
};
use domain::{
    Author, ChannelKind, Content, ContentBody, Inbound, MediaFile, MediaKind, OutgoingMedia,
};
use serde_json::{Value, json};

use crate::fixtures::{items_of, message_of};
use crate::samples::{answer, choices, connect, media, now, outgoing};

const KIND: ChannelKind = ChannelKind::Messenger;

fn body_of(outgoing: &Outgoing<'_>) -> Value {
    let request = connect(KIND).unwrap().encode(outgoing).unwrap();
    assert_eq!(
        request.url.as_str(),
        "https://graph.example/v25.0/300000000000001/messages"
    );
    assert!(request.bearer.is_some());
    match request.body {
        RequestBody::Json(body) => body,
        _ => panic!("no JSON"),
    }
}

#[test]
fn a_text_is_a_plain_response_that_carries_our_mark() {
    let text = Content::text("We open at **nine**.");
    assert_eq!(
        body_of(&outgoing(&text)),
        json!({
            "recipient": {"id": "7000000000000001"},
            "messaging_type": "RESPONSE",
            "message": {
                "text": "We open at nine.",
                "metadata": "metachat:0198c1de-7a3f-7c1e-9d54-6a2f0c3b8e11",
            },
        })
    );
    let reply = Outgoing {
        reply_to: Some("m_1"),
        ..outgoing(&text)
    };
    assert_eq!(body_of(&reply)["reply_to"], json!({"mid": "m_1"}));
}

#[test]
fn the_echo_of_a_send_is_known_by_its_mark_and_every_other_is_not() {
    let item = &items_of(KIND, "echo-of-ours")[0];
    let Ok(Inbound::Status(status)) = channel(KIND).decode(&item.payload) else {
        panic!("{item:?}");
    };
    assert_eq!(status.external_id, "m_OUT1");
    assert_eq!(status.tag.as_deref(), Some("m-1"));
    assert_eq!(status.status, domain::MessageStatus::Sent);
    for name in ["echo-of-a-person", "echo-the-other-way-round"] {
        let decoded = channel(KIND).decode(&items_of(KIND, name)[0].payload);
        assert!(matches!(decoded, Ok(Inbound::Echo(_))), "{decoded:?}");
    }
}

#[test]
fn only_a_person_gets_the_tag_of_a_person() {
    let text = Content::text("hello");
    let at = |author, hours| {
        let situation = Situation {
            content: &text,
            author,
            opened_at: Some(now() - chrono::Duration::hours(hours)),
            fallback: None,
            now: now(),
        };
        channel(KIND).permit(&situation)
    };
    let permit = at(Author::Agent, 25);
    assert_eq!(permit, Permit::HumanAgent);
    let by = |author| Outgoing {
        author,
        permit: &permit,
        ..outgoing(&text)
    };
    let body = body_of(&by(Author::Agent));
    assert_eq!(body["messaging_type"], "MESSAGE_TAG");
    assert_eq!(body["tag"], "HUMAN_AGENT");
    for author in [Author::Assistant, Author::System] {
        assert!(matches!(at(author, 25), Permit::Refused(_)));
        assert!(connect(KIND).unwrap().encode(&by(author)).is_err());
    }
    let in_time = at(Author::Agent, 23);
    let sent = Outgoing {
        author: Author::Agent,
        permit: &in_time,
        ..outgoing(&text)
    };
    let body = body_of(&sent);
    assert_eq!(body["messaging_type"], "RESPONSE");
    assert_eq!(body.get("tag"), None);
}

#[test]
fn long_texts_are_split_under_two_thousand_characters_at_sentences() {
    let text = "This is a sentence of some length, as people write them. ".repeat(200);
    let planned = channel(KIND).plan(&Content::text(&text)).unwrap();
    assert!(planned.len() > 5);
    for part in &planned {
        let body = body_of(&outgoing(part));
        let text = body["message"]["text"].as_str().unwrap();
        assert!(text.chars().count() < 2000);
        assert!(text.ends_with("them."), "{text:?}");
    }
}

#[test]
fn files_are_attachments_and_captions_messages_of_their_own() {
    let planned = channel(KIND)
        .plan(&media(MediaKind::Document, Some("the bill")))
        .unwrap();
    assert_eq!(planned.len(), 2);
    assert_eq!(planned[1], Content::text("the bill"));
    assert_eq!(
        body_of(&outgoing(&planned[0]))["message"]["attachment"],
        json!({"type": "file", "payload": {
            "url": "https://shop.example/a.bin", "is_reusable": true}})
    );
    let uploaded = Content::Media(OutgoingMedia {
        media_kind: MediaKind::Image,
        file: MediaFile::Uploaded("99".to_owned()),
        caption: None,
        filename: None,
        media_type: None,
        voice: false,
    });
    assert_eq!(
        body_of(&outgoing(&uploaded))["message"]["attachment"],
        json!({"type": "image", "payload": {"attachment_id": "99"}})
    );
    let uncut = media(MediaKind::Image, Some("x"));
    assert!(connect(KIND).unwrap().encode(&outgoing(&uncut)).is_err());
}

#[test]
fn answers_to_tap_are_quick_replies_or_numbers() {
    let body = body_of(&outgoing(&choices(&["Now", "Later"])));
    assert_eq!(body["message"]["text"], "When shall we call?");
    assert_eq!(
        body["message"]["quick_replies"],
        json!([
            {"content_type": "text", "title": "Now", "payload": "choice-0"},
            {"content_type": "text", "title": "Later", "payload": "choice-1"},
        ])
    );
    let planned = channel(KIND).plan(&choices(&["x"; 14])).unwrap();
    assert!(matches!(&planned[..], [Content::Text { body }] if body.ends_with("14. x")));
}

#[test]
fn a_reaction_is_an_action() {
    let reaction = |emoji: Option<&str>| {
        body_of(&outgoing(&Content::Reaction {
            target: "m_1".to_owned(),
            emoji: emoji.map(str::to_owned),
        }))
    };
    assert_eq!(
        reaction(Some("❤")),
        json!({"recipient": {"id": "7000000000000001"}, "sender_action": "react",
            "payload": {"message_id": "m_1", "reaction": "❤"}})
    );
    assert_eq!(reaction(None)["sender_action"], "unreact");
}

/// The paths and bodies of an action's requests.
fn shown(connection: &dyn Connection, action: Action<'_>) -> Vec<(String, Value)> {
    let requests = connection.act(action).into_iter();
    let shown = requests.map(|request| match request.body {
        RequestBody::Json(body) => (request.url.path().to_owned(), body),
        _ => panic!("no JSON"),
    });
    shown.collect()
}

#[test]
fn actions_name_only_the_recipient() {
    let connection = connect(KIND).unwrap();
    let to = "7";
    for (action, names) in [
        (Action::MarkRead { to, message: "m" }, &["mark_seen"][..]),
        (
            Action::Typing { to, message: "m" },
            &["mark_seen", "typing_on"],
        ),
        (Action::TypingOff { to }, &["typing_off"]),
    ] {
        let shown = shown(connection.as_ref(), action);
        assert_eq!(shown.len(), names.len());
        for ((path, body), name) in shown.into_iter().zip(names) {
            assert!(path.ends_with("/messages"));
            assert_eq!(
                body,
                json!({"recipient": {"id": "7"}, "sender_action": name})
            );
        }
    }
}

#[test]
fn a_conversation_goes_to_the_inbox_and_back_only_where_the_tenant_wants_it() {
    let take = Action::TakeThread { to: "7" };
    let note = "n".repeat(2000);
    let pass = Action::PassThread {
        to: "7",
        note: &note,
    };
    let own = connect(KIND).unwrap();
    assert!(own.act(take).is_empty() && own.act(pass).is_empty());
    let config = json!({
        "page_id": "300000000000001", "page_access_token": "EAAG", "hand_off_to_inbox": true,
    });
    let parsed = channels::parse(KIND, config).unwrap();
    let platform = Platform {
        graph: Graph {
            url: "https://graph.example".parse().unwrap(),
            version: "v25.0".to_owned(),
        },
        app_id: None,
    };
    let with_inbox = channel(KIND)
        .connect(&parsed.public, parsed.secrets.as_ref(), &platform)
        .unwrap()
        .unwrap();
    let taken = shown(with_inbox.as_ref(), take);
    assert!(taken[0].0.ends_with("/take_thread_control"));
    assert_eq!(taken[0].1, json!({"recipient": {"id": "7"}}));
    let passed = shown(with_inbox.as_ref(), pass);
    assert!(passed[0].0.ends_with("/pass_thread_control"));
    let body = &passed[0].1;
    assert_eq!(body["target_app_id"], channels::messenger::INBOX_APP_ID);
    assert_eq!(body["metadata"].as_str().unwrap().len(), 1000);
}

#[test]
fn answers_are_read_by_code_and_subcode() {
    let connection = connect(KIND).unwrap();
    let sent = connection
        .read_sent(
            "t",
            &answer(200, r#"{"recipient_id":"7","message_id":"m_9"}"#),
        )
        .unwrap();
    assert_eq!(sent.external_id, "m_9");
    // A reaction is named by its tag: the recipient is the same each time.
    let reacted = connection.read_sent("t", &answer(200, r#"{"recipient_id":"7"}"#));
    assert_eq!(reacted.unwrap().external_id, "action:t");
    for (status, error, class) in [
        (
            400,
            json!({"code": 10, "error_subcode": 2_018_278}),
            SendClass::WindowClosed,
        ),
        (
            400,
            json!({"code": 10, "error_subcode": 1_893_063}),
            SendClass::ChannelBlocked,
        ),
        (
            400,
            json!({"code": 551, "error_subcode": 1_545_041}),
            SendClass::Permanent,
        ),
        (
            400,
            json!({"code": 190, "error_subcode": 460}),
            SendClass::TokenDead,
        ),
        (400, json!({"code": 613}), SendClass::Throughput),
        (500, json!({"code": 1200}), SendClass::RetryFew),
        (500, json!({"code": 987_654}), SendClass::Unknown),
        (
            400,
            json!({"code": 987_654, "is_transient": true}),
            SendClass::RetryFew,
        ),
    ] {
        let body = json!({"error": error}).to_string();
        let found = connection
            .read_sent("t", &answer(status, body))
            .unwrap_err();
        assert_eq!(found.class, class, "{error}");
        assert_eq!(found.subcode, error["error_subcode"].as_i64());
    }
}

#[test]
fn sound_and_film_have_a_limit_of_their_own() {
    let keys = |content: &Content| {
        let limits = connect(KIND).unwrap().limits(content, "7");
        let keys = limits.into_iter().map(|limit| (limit.key, limit.burst));
        keys.collect::<Vec<_>>()
    };
    let page = ("fb-page:300000000000001".to_owned(), 300);
    assert_eq!(keys(&Content::text("x")), std::slice::from_ref(&page));
    assert_eq!(
        keys(&media(MediaKind::Image, None)),
        std::slice::from_ref(&page)
    );
    let heavy = ("fb-page-media:300000000000001".to_owned(), 10);
    assert_eq!(keys(&media(MediaKind::Video, None)), [page, heavy]);
}

#[test]
fn files_are_fetched_from_metas_hosts_without_the_token() {
    let ContentBody::Media(media) = message_of(KIND, "image").content.body else {
        panic!("no media");
    };
    let connection = connect(KIND).unwrap();
    let Ok(MediaStep::Bytes { request, .. }) = connection.fetch(&media) else {
        panic!("no file");
    };
    assert_eq!(request.url.host_str(), Some("scontent.xx.fbcdn.net"));
    assert_eq!(request.audience, Audience::Operator);
    assert!(request.bearer.is_none());
    let foreign = domain::Media {
        url: Some("https://169.254.169.254/latest".to_owned()),
        ..media
    };
    let refused = connection.fetch(&foreign);
    assert!(matches!(refused, Err(MediaError::ForeignAddress)));
}
