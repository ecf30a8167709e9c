use channels::{
    Action, MediaError, MediaStep, Outgoing, Permit, RequestBody, SendClass, Situation, Upload,
    channel,
};
use domain::{
    Author, ChannelKind, Choice, Choices, Content, ContentBody, Location, Media, MediaFile,
    MediaKind, OutgoingMedia, Template, TemplateAction, TemplateButton, TemplateHeader,
    TemplateParameter,
};
use serde_json::{Value, json};

use crate::fixtures::message;
use crate::samples::{answer, choices, connect, now, outgoing};

const KIND: ChannelKind = ChannelKind::Whatsapp;

/// The body of the request that sends `content`, without what all have.
fn body(content: &Content) -> Value {
    let request = connect(KIND).unwrap().encode(&outgoing(content)).unwrap();
    assert_eq!(
        request.url.as_str(),
        "https://graph.example/v25.0/200000000000001/messages"
    );
    let RequestBody::Json(mut body) = request.body else {
        panic!("{:?}", request.url);
    };
    let fields = body.as_object_mut().unwrap();
    assert_eq!(fields.remove("messaging_product").unwrap(), "whatsapp");
    assert_eq!(fields.remove("recipient_type").unwrap(), "individual");
    assert_eq!(fields.remove("to").unwrap(), "+7000000000000001");
    assert_eq!(
        fields.remove("biz_opaque_callback_data").unwrap(),
        "0198c1de-7a3f-7c1e-9d54-6a2f0c3b8e11"
    );
    body
}

fn refusal(content: &Content) -> &'static str {
    let refused = connect(KIND).unwrap().encode(&outgoing(content));
    refused.unwrap_err().reason
}

#[test]
fn texts_leave_in_whatsapps_markup() {
    assert_eq!(
        body(&Content::text(
            "We open at **nine** [here](https://x.example)."
        )),
        json!({"type": "text", "text": {
            "body": "We open at *nine* here (https://x.example).", "preview_url": false,
        }})
    );
    assert!(refusal(&Content::text("x".repeat(4097))).contains("too long"));
}

#[test]
fn a_user_id_is_a_recipient_and_a_reply_names_its_message() {
    let text = Content::text("hello");
    let request = connect(KIND)
        .unwrap()
        .encode(&Outgoing {
            to: "US.13491208655302741918",
            reply_to: Some("wamid.1"),
            ..outgoing(&text)
        })
        .unwrap();
    let RequestBody::Json(body) = request.body else {
        panic!("no JSON");
    };
    assert_eq!(body["recipient"], "US.13491208655302741918");
    assert_eq!(body.get("to"), None);
    assert_eq!(body["context"], json!({"message_id": "wamid.1"}));
}

#[test]
fn files_leave_by_id_or_address_and_only_with_what_they_can_have() {
    let file = |media_kind, file, caption: Option<&str>, voice| {
        body(&Content::Media(OutgoingMedia {
            media_kind,
            file,
            caption: caption.map(str::to_owned),
            filename: Some("bill.pdf".to_owned()),
            media_type: None,
            voice,
        }))
    };
    let uploaded = || MediaFile::Uploaded("500".to_owned());
    let link = MediaFile::Link("https://x.example/a".to_owned());
    assert_eq!(
        file(MediaKind::Document, uploaded(), Some("**May**"), false),
        json!({"type": "document", "document": {
            "id": "500", "caption": "*May*", "filename": "bill.pdf"}})
    );
    assert_eq!(
        file(MediaKind::Image, link, None, false),
        json!({"type": "image", "image": {"link": "https://x.example/a"}})
    );
    assert_eq!(
        file(MediaKind::Audio, uploaded(), None, true),
        json!({"type": "audio", "audio": {"id": "500", "voice": true}})
    );
    assert_eq!(
        file(MediaKind::Sticker, uploaded(), None, false),
        json!({"type": "sticker", "sticker": {"id": "500"}})
    );
}

#[test]
fn a_caption_that_does_not_fit_becomes_a_message_of_its_own() {
    let planned = |media_kind, caption: String| {
        let content = Content::Media(OutgoingMedia {
            media_kind,
            file: MediaFile::Uploaded("1".to_owned()),
            caption: Some(caption),
            filename: None,
            media_type: None,
            voice: false,
        });
        channel(KIND).plan(&content).unwrap().len()
    };
    assert_eq!(planned(MediaKind::Image, "x".repeat(1024)), 1);
    assert_eq!(planned(MediaKind::Image, "x".repeat(1025)), 2);
    assert_eq!(planned(MediaKind::Audio, "x".to_owned()), 2);
}

#[test]
fn a_place_and_a_reaction_have_their_forms() {
    let place = Content::Location(Location {
        latitude: 52.5,
        longitude: 13.25,
        name: Some("The shop".to_owned()),
        address: None,
        url: None,
    });
    assert_eq!(
        body(&place),
        json!({"type": "location", "location": {
            "latitude": 52.5, "longitude": 13.25, "name": "The shop"}})
    );
    let reaction = |emoji: Option<&str>| {
        body(&Content::Reaction {
            target: "wamid.1".to_owned(),
            emoji: emoji.map(str::to_owned),
        })
    };
    assert_eq!(
        reaction(Some("👍")),
        json!({"type": "reaction", "reaction": {"message_id": "wamid.1", "emoji": "👍"}})
    );
    assert_eq!(reaction(None)["reaction"]["emoji"], "");
}

#[test]
fn answers_to_tap_are_buttons_then_a_list_then_numbers() {
    let few = body(&choices(&["Now", "Later"]));
    assert_eq!(few["interactive"]["type"], "button");
    assert_eq!(few["interactive"]["body"]["text"], "When shall we *call*?");
    assert_eq!(
        few["interactive"]["action"]["buttons"][1],
        json!({"type": "reply", "reply": {"id": "choice-1", "title": "Later"}})
    );
    let more = body(&choices(&["a", "b", "c", "d"]));
    assert_eq!(more["interactive"]["type"], "list");
    let rows = &more["interactive"]["action"]["sections"][0]["rows"];
    assert_eq!(rows[3], json!({"id": "choice-3", "title": "d"}));
    let too_many = choices(&["x"; 11]);
    assert!(refusal(&too_many).contains("neither"));
    let planned = channel(KIND).plan(&too_many).unwrap();
    let [Content::Text { body }] = &planned[..] else {
        panic!("{planned:?}");
    };
    assert!(body.ends_with("\n11. x"), "{body}");
}

#[test]
fn answers_that_a_button_cannot_hold_are_a_list() {
    let with = |title: &str, description: Option<&str>| {
        let choice = Choice {
            id: "1".to_owned(),
            title: title.to_owned(),
            description: description.map(str::to_owned),
        };
        let content = Content::Choices(Choices {
            body: "Which?".to_owned(),
            footer: Some("Tap one".to_owned()),
            label: Some("Choose".to_owned()),
            choices: vec![choice],
        });
        let planned = channel(KIND).plan(&content).unwrap();
        match &planned[..] {
            [Content::Choices(_)] => body(&content)["interactive"]["type"].to_string(),
            _ => "text".to_owned(),
        }
    };
    assert_eq!(with(&"x".repeat(20), None), "\"button\"");
    assert_eq!(with(&"x".repeat(21), None), "\"list\"");
    assert_eq!(with("x", Some("more")), "\"list\"");
    assert_eq!(with(&"x".repeat(25), None), "text");
    assert_eq!(with("x", Some(&"y".repeat(73))), "text");
    assert_eq!(with("", None), "text");
}

fn template() -> Template {
    let parameter = |name: Option<&str>, text: &str| TemplateParameter {
        name: name.map(str::to_owned),
        text: text.to_owned(),
    };
    Template {
        name: "order_ready".to_owned(),
        language: "en_US".to_owned(),
        header: Some(TemplateHeader::Media(OutgoingMedia {
            media_kind: MediaKind::Image,
            file: MediaFile::Uploaded("500".to_owned()),
            caption: None,
            filename: None,
            media_type: None,
            voice: false,
        })),
        body: vec![parameter(None, "Ana"), parameter(Some("day"), "Monday")],
        buttons: vec![
            TemplateButton {
                index: 0,
                action: TemplateAction::QuickReply,
                value: "YES".to_owned(),
            },
            TemplateButton {
                index: 1,
                action: TemplateAction::Url,
                value: "order/5".to_owned(),
            },
        ],
    }
}

#[test]
fn a_template_leaves_with_what_fills_its_gaps() {
    assert_eq!(
        body(&Content::Template(template())),
        json!({"type": "template", "template": {
            "name": "order_ready",
            "language": {"code": "en_US"},
            "components": [
                {"type": "header", "parameters": [{"type": "image", "image": {"id": "500"}}]},
                {"type": "body", "parameters": [
                    {"type": "text", "text": "Ana"},
                    {"type": "text", "parameter_name": "day", "text": "Monday"},
                ]},
                {"type": "button", "sub_type": "quick_reply", "index": "0",
                 "parameters": [{"type": "payload", "payload": "YES"}]},
                {"type": "button", "sub_type": "url", "index": "1",
                 "parameters": [{"type": "text", "text": "order/5"}]},
            ],
        }})
    );
    let bare = Template {
        header: None,
        body: Vec::new(),
        buttons: Vec::new(),
        ..template()
    };
    let part = &body(&Content::Template(bare))["template"];
    assert_eq!(part.get("components"), None);
}

#[test]
fn when_the_window_is_closed_only_the_template_leaves() {
    let text = Content::text("hello");
    let fallback = template();
    let late = Situation {
        content: &text,
        author: Author::Agent,
        opened_at: Some(now() - chrono::Duration::hours(24)),
        fallback: Some(&fallback),
        now: now(),
    };
    let permit = channel(KIND).permit(&late);
    assert_eq!(permit, Permit::InsteadTemplate(Box::new(template())));
    let connection = connect(KIND).unwrap();
    let as_it_is = Outgoing {
        permit: &permit,
        ..outgoing(&text)
    };
    assert!(connection.encode(&as_it_is).is_err());
    let Permit::InsteadTemplate(template) = permit else {
        panic!("{permit:?}");
    };
    let instead = Content::Template(*template);
    let permit = channel(KIND).permit(&Situation {
        content: &instead,
        ..late
    });
    let sent = Outgoing {
        permit: &permit,
        ..outgoing(&instead)
    };
    assert!(connection.encode(&sent).is_ok());
    let not_a_template = Outgoing {
        content: &text,
        ..sent
    };
    assert!(connection.encode(&not_a_template).is_err());
}

#[test]
fn reading_and_typing_are_shown_by_the_message() {
    let connection = connect(KIND).unwrap();
    let shown = |action| match &connection.act(action)[..] {
        [request] => match &request.body {
            RequestBody::Json(body) => body.clone(),
            _ => panic!("no JSON"),
        },
        _ => panic!("not one request"),
    };
    let read = json!({"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.1"});
    let message = "wamid.1";
    assert_eq!(shown(Action::MarkRead { to: "1", message }), read);
    let mut typing = read;
    typing["typing_indicator"] = json!({"type": "text"});
    assert_eq!(shown(Action::Typing { to: "1", message }), typing);
    assert!(connection.act(Action::TypingOff { to: "1" }).is_empty());
}

#[test]
fn a_file_is_fetched_in_two_steps_with_the_token_on_both() {
    let connection = connect(KIND).unwrap();
    let ContentBody::Media(media) = message("image").content.body else {
        panic!("no media");
    };
    let MediaStep::Address(request) = connection.fetch(&media).unwrap() else {
        panic!("no address");
    };
    assert_eq!(
        request.url.as_str(),
        "https://graph.example/v25.0/500?phone_number_id=200000000000001"
    );
    assert!(request.bearer.is_some());
    let address = |url: &str, size: Value| {
        let body = json!({"url": url, "mime_type": "image/jpeg", "sha256": "aa", "file_size": size,
            "id": "500", "messaging_product": "whatsapp"});
        connection.read_address(&answer(200, body.to_string()))
    };
    for size in [json!(1000), json!("1000"), json!(null)] {
        let step = address(
            "https://lookaside.fbsbx.com/whatsapp_business/attachments/?mid=5",
            size,
        );
        let Ok(MediaStep::Bytes {
            request, sha256, ..
        }) = step
        else {
            panic!("{step:?}");
        };
        assert_eq!(request.url.host_str(), Some("lookaside.fbsbx.com"));
        assert!(request.bearer.is_some());
        assert_eq!(request.max_answer_bytes, 100 * 1024 * 1024);
        assert_eq!(sha256.as_deref(), Some("aa"));
    }
    let foreign = address("https://evil.example/", json!(1));
    assert!(matches!(foreign, Err(MediaError::ForeignAddress)));
    let large = address("https://lookaside.fbsbx.com/", json!("104857601"));
    assert!(matches!(large, Err(MediaError::TooLarge { .. })));
    let gone = connection.read_address(&answer(404, "{}"));
    assert!(matches!(gone, Err(MediaError::Refused(_))));
    let nothing = Media {
        id: None,
        url: None,
        ..media
    };
    assert!(matches!(
        connection.fetch(&nothing),
        Err(MediaError::Missing)
    ));
}

#[test]
fn a_file_is_uploaded_within_metas_limits() {
    let connection = connect(KIND).unwrap();
    let upload = |media_kind, mime_type, length| {
        connection.upload(&Upload {
            media_kind,
            mime_type,
            filename: "a",
            bytes: &vec![0; length].into(),
        })
    };
    let request = upload(MediaKind::Audio, "audio/ogg; codecs=opus", 10)
        .unwrap()
        .unwrap();
    assert!(request.url.path().ends_with("/200000000000001/media"));
    assert!(matches!(request.body, RequestBody::Form { .. }));
    assert!(upload(MediaKind::Document, "application/x-anything", 10).is_ok());
    let wrong = upload(MediaKind::Image, "image/webp", 10);
    assert!(matches!(wrong, Err(MediaError::WrongType { .. })));
    let large = upload(MediaKind::Image, "image/png", 5 * 1024 * 1024 + 1);
    assert!(matches!(large, Err(MediaError::TooLarge { .. })));
    assert_eq!(
        connection
            .read_uploaded(&answer(200, r#"{"id":"77"}"#))
            .unwrap(),
        "77"
    );
    assert!(connection.read_uploaded(&answer(200, "{}")).is_err());
}

#[test]
fn the_pair_and_the_number_have_their_limits() {
    let limits = connect(KIND)
        .unwrap()
        .limits(&Content::text("x"), "15550002222");
    assert_eq!(limits[0].key, "wa-number:200000000000001");
    assert_eq!(limits[0].burst, 80);
    assert!(limits[1].key.starts_with("wa-pair:200000000000001:"));
    assert_eq!((limits[1].every.as_secs(), limits[1].burst), (6, 45));
    let other = connect(KIND)
        .unwrap()
        .limits(&Content::text("x"), "15550003333");
    assert_ne!(limits[1].key, other[1].key);
}

#[test]
fn the_class_of_a_failed_status_is_that_of_the_answer() {
    let connection = connect(KIND).unwrap();
    assert_eq!(
        connection.class_of_code(131_047),
        Some(SendClass::WindowClosed)
    );
    let error = connection
        .read_sent(
            "t",
            &answer(400, r#"{"error":{"code":131047,"message":"m"}}"#),
        )
        .unwrap_err();
    assert_eq!(error.class, SendClass::WindowClosed);
    assert_eq!(connection.class_of_code(5), None);
}
