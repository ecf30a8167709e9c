//! Files that contacts send: fetched from the operator while it has them, and kept.

use assistant::people;
use domain::MessageFileState;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use store::message_files::{self, MessageFile};
use testkit::standin::WhatsappPost;

use crate::looks::eventually;
use crate::stage::{CUSTOMER, NUMBER, Stage};

const PICTURE: &[u8] = b"\x89PNG\r\n\x1a\n and what follows";

async fn send(stage: &Stage, id: &str, kind: &str, content: Value) {
    let seconds = stage.assistant.clock.now().timestamp().to_string();
    let message = json!({
        "id": id, "from": CUSTOMER, "timestamp": seconds, "type": kind, kind: content,
    });
    let post = WhatsappPost::to_number(NUMBER).raw_message(message);
    stage.deliver(&Stage::sign(&post)).await;
}

async fn file(stage: &Stage) -> MessageFile {
    eventually("a file that is settled", async || {
        let message = stage.inbound().await.pop()?;
        let mut tx = stage.assistant.db.tenant(stage.tenant).await.unwrap();
        let mut files = message_files::list(&mut tx, &[message.id]).await.unwrap();
        files
            .pop()
            .filter(|file| file.state != MessageFileState::Waiting)
    })
    .await
}

fn image(sha256: &str) -> Value {
    json!({"id": "555", "mime_type": "image/png", "sha256": sha256, "caption": "Do you have this?"})
}

#[tokio::test]
async fn a_picture_is_fetched_checked_and_kept_and_its_words_are_answered() {
    let stage = Stage::start().await;
    stage.graph.add_file("555", "image/png", PICTURE);
    let sha256 = hex::encode(Sha256::digest(PICTURE));
    send(&stage, "wamid.p", "image", image(&sha256)).await;
    let kept = file(&stage).await;
    assert_eq!(kept.state, MessageFileState::Stored, "{kept:?}");
    assert_eq!(kept.media_type.as_deref(), Some("image/png"));
    assert_eq!(kept.size_bytes, i64::try_from(PICTURE.len()).ok());
    let key = kept.file_key.unwrap().parse().unwrap();
    let path = stage.assistant.files.path(&key);
    assert_eq!(std::fs::read(&path).unwrap(), PICTURE);
    stage.rest_in_peace().await;
    let asked = stage.model.received().pop().unwrap().body["messages"].to_string();
    assert!(asked.contains("Do you have this?"), "{asked}");
    // Who asks for everything that is kept is told of it.
    let contact = stage.standing().await.contact_id;
    let mut tx = stage.assistant.db.tenant(stage.tenant).await.unwrap();
    let export = people::export(&mut tx, contact).await.unwrap();
    drop(tx);
    let files = &export.conversations[0].files;
    assert_eq!((files.len(), files[0].id), (1, kept.id));
    // Taken back: the file goes as well.
    send(
        &stage,
        "wamid.r",
        "revoke",
        json!({"original_message_id": "wamid.p"}),
    )
    .await;
    stage.rest_in_peace().await;
    eventually("the file is gone", async || (!path.exists()).then_some(())).await;
    assert_eq!(stage.count("message_files").await, 0);
}

#[tokio::test]
async fn a_file_that_is_another_or_too_long_or_not_there_fails_visibly() {
    let other = hex::encode(Sha256::digest(b"another"));
    let long = vec![b'x'; 1024 * 1024 + 1];
    let long_hash = hex::encode(Sha256::digest(&long));
    for (bytes, sha256, why) in [
        (
            Some(PICTURE.to_vec()),
            other.as_str(),
            "not the one that was announced",
        ),
        (Some(long), long_hash.as_str(), "bytes"),
        (None, other.as_str(), "no file"),
    ] {
        let stage = Stage::start().await;
        if let Some(bytes) = bytes {
            stage.graph.add_file("555", "image/png", bytes);
        }
        send(&stage, "wamid.p", "image", image(sha256)).await;
        let failed = file(&stage).await;
        assert_eq!(failed.state, MessageFileState::Failed);
        assert!(failed.error.as_ref().unwrap().contains(why), "{failed:?}");
        let folder = stage.assistant.files.root().join(stage.tenant.to_string());
        let kept = std::fs::read_dir(folder).map_or(0, Iterator::count);
        assert_eq!(kept, 0, "{why}");
        stage.rest_in_peace().await;
        // Its words are answered all the same.
        assert_eq!(stage.graph.received().len(), 1);
        stage.end().await;
    }
}

#[tokio::test]
async fn a_picture_that_the_channel_could_not_take_in_is_said_to_be_lost() {
    let stage = Stage::start().await;
    let body = include_str!("../../../crates/channels/fixtures/whatsapp/image-failed.json");
    stage.deliver(&Stage::sign_bytes(body)).await;
    let failed = file(&stage).await;
    assert_eq!(failed.state, MessageFileState::Failed);
    assert_eq!(stage.count("jobs WHERE kind = 'fetch-media'").await, 0);
}

#[tokio::test]
async fn an_address_that_is_over_is_asked_for_anew_once() {
    let sha256 = hex::encode(Sha256::digest(PICTURE));
    for (dead, expected) in [(1, MessageFileState::Stored), (2, MessageFileState::Failed)] {
        let stage = Stage::start().await;
        stage.graph.add_file("555", "image/png", PICTURE);
        stage.graph.expire_addresses(dead);
        send(&stage, "wamid.p", "image", image(&sha256)).await;
        let settled = file(&stage).await;
        assert_eq!(settled.state, expected, "{settled:?}");
        stage.rest_in_peace().await;
        assert_eq!(stage.graph.addresses_asked_for(), 2, "{settled:?}");
        assert_eq!(stage.count("job_attempts").await, 0);
        match settled.file_key {
            Some(key) => {
                let path = stage.assistant.files.path(&key.parse().unwrap());
                assert_eq!(std::fs::read(path).unwrap(), PICTURE);
            }
            None => assert!(settled.error.unwrap().contains("answered 404")),
        }
        stage.end().await;
    }
}
