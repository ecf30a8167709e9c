use std::fs;

use domain::{ContentBody, InteractiveReply, MediaKind};
use serde_json::json;

use crate::expected::EXPECTED;
use crate::fixtures::{folder, items, message, summary};

#[test]
fn every_fixture_says_what_is_expected() {
    let mut names: Vec<String> = fs::read_dir(folder())
        .unwrap()
        .map(|file| file.unwrap().path())
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    names.sort();
    let expected: Vec<&str> = EXPECTED.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, expected);
    for (name, lines) in EXPECTED {
        let found: Vec<String> = items(name).iter().map(summary).collect();
        assert_eq!(found, *lines, "{name}");
    }
}

#[test]
fn what_stands_around_a_message_is_kept_in_its_content() {
    let message = message("text-reply-and-referral");
    assert_eq!(message.reply_to(), Some("wamid.OUT1"));
    let stored = serde_json::to_value(&message.content).unwrap();
    assert_eq!(stored["context"]["frequently_forwarded"], true);
    assert_eq!(stored["context"]["referral"]["ctwa_clid"], "clid-1");
    assert_eq!(
        stored["context"]["referred_product"]["product_retailer_id"],
        "SODA"
    );
}

#[test]
fn the_time_is_the_channels() {
    assert_eq!(message("text").occurred_at.timestamp(), 1_790_416_800);
    assert_eq!(
        message("text-ids-as-numbers").occurred_at.timestamp(),
        1_790_416_800
    );
}

#[test]
fn media_keep_what_a_download_needs() {
    let ContentBody::Media(media) = message("image").content.body else {
        panic!("no media");
    };
    assert_eq!(media.media_kind, MediaKind::Image);
    assert_eq!(media.id.as_deref(), Some("500"));
    assert_eq!(media.mime_type.as_deref(), Some("image/jpeg"));
    assert_eq!(media.url.as_deref(), Some("https://media.example/500"));
    let failed = message("image-failed");
    assert_eq!(failed.content.context.errors[0].code, Some(131_052));
    assert_eq!(
        failed.content.context.errors[0].message,
        "the file is over 100 MB"
    );
}

#[test]
fn a_form_that_is_no_json_is_kept_as_it_came() {
    let form = |name| match message(name).content.body {
        ContentBody::Interactive {
            reply: InteractiveReply::Form { response, .. },
        } => response.unwrap(),
        other => panic!("{other:?}"),
    };
    assert_eq!(form("form-reply")["count"], 2);
    assert_eq!(form("form-reply-broken"), json!("{not json"));
}

#[test]
fn notices_say_where_the_contact_is_from_here_on() {
    let notice = |name| match message(name).content.body {
        ContentBody::System(notice) => notice,
        other => panic!("{other:?}"),
    };
    let number = notice("system-number-changed");
    assert_eq!(number.change, "user_changed_number");
    assert_eq!(number.new_address.as_deref(), Some("15550005555"));
    let user_id = notice("system-user-id-changed");
    assert_eq!(
        user_id.new_external_id.as_deref(),
        Some("US.20000000000000000002")
    );
    assert_eq!(
        user_id.previous_external_id.as_deref(),
        Some("US.10000000000000000001")
    );
}
