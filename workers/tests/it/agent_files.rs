//! Files that a person of the tenant's sends: kept here, given to the channel's operator, then sent.

use std::time::Duration;

use assistant::people::{self, NewFile};
use assistant::{Error, stray_files};
use bytes::Bytes;
use channels::webchat::AttachmentType;
use domain::{ChannelHealth, ChannelKind, MessageStatus, TenantId};
use futures::stream;
use serde_json::{Value, json};
use store::message_files;
use store::messages::Message;
use testkit::standin::{GraphReply, MessengerPost};

use crate::channel_health::channel;
use crate::looks::eventually;
use crate::messenger::{PAGE, PERSON};
use crate::stage::{APP_SECRET, Stage};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and what follows";
const GIF: &[u8] = b"GIF89a and what follows";

/// Keeps a file, as the API does when it comes in.
pub(crate) async fn keep(stage: &Stage, name: &str, content: &[u8]) -> NewFile {
    let pieces = stream::iter([Ok::<_, std::io::Error>(Bytes::copy_from_slice(content))]);
    let files = &stage.assistant.files;
    let stored = files.put_stream(stage.tenant, pieces, u64::MAX).await;
    let recognised = AttachmentType::sniff(name, content).unwrap();
    NewFile {
        stored: stored.unwrap(),
        name: name.to_owned(),
        media_type: recognised.as_str(),
        media_kind: recognised.media_kind(),
    }
}

pub(crate) async fn send(
    stage: &Stage,
    file: &NewFile,
    caption: Option<&str>,
) -> Result<Vec<Message>, Error> {
    let id = stage.conversation().await;
    let mut tx = stage.assistant.db.tenant(stage.tenant).await.unwrap();
    let sent = people::send_file(&stage.assistant, &mut tx, id, file, caption, Some("Kim")).await?;
    tx.commit().await.unwrap();
    Ok(sent)
}

/// A stage where the customer's question is answered.
async fn answered() -> Stage {
    let stage = Stage::start().await;
    stage.say("Do you sell tea?").await;
    stage.answer(MessageStatus::Sent).await;
    stage
}

async fn reach(stage: &Stage, status: MessageStatus) -> Message {
    eventually(&format!("a file that is {status}"), async || {
        let last = stage.outbound().await.pop()?;
        (last.status == status).then_some(last)
    })
    .await
}

/// Whether an upload carried these bytes under that name and type.
fn carries(upload: &[u8], name: &str, media_type: &str, content: &[u8]) -> bool {
    let text = String::from_utf8_lossy(upload);
    text.contains(&format!("filename=\"{name}\""))
        && text.contains(media_type)
        && upload.windows(content.len()).any(|it| it == content)
}

#[tokio::test]
async fn whatsapp_is_given_the_file_and_then_sent_its_id() {
    let stage = answered().await;
    let file = keep(&stage, "shop.png", PNG).await;
    let sent = send(&stage, &file, Some("Our **shop**")).await.unwrap();
    assert_eq!(sent.len(), 1);
    let message = reach(&stage, MessageStatus::Sent).await;
    stage.rest_in_peace().await;
    let uploads = stage.graph.uploads();
    assert_eq!(uploads.len(), 1);
    assert!(carries(&uploads[0].body, "shop.png", "image/png", PNG));
    let body = stage.graph.received().pop().unwrap().body;
    assert_eq!(
        (&body["type"], &body["image"]),
        (
            &json!("image"),
            &json!({"id": uploads[0].id, "caption": "Our *shop*"})
        )
    );
    // It belongs to the message, is listed with it, and goes with it.
    let mut tx = stage.assistant.db.tenant(stage.tenant).await.unwrap();
    let kept = message_files::list(&mut tx, &[message.id]).await.unwrap();
    drop(tx);
    assert_eq!(message.content["file"], json!({"kept": kept[0].id}));
    assert_eq!(kept[0].name.as_deref(), Some("shop.png"));
    let path = stage.assistant.files.path(&file.stored.key);
    assert_eq!(std::fs::read(&path).unwrap(), PNG);
    let contact = stage.standing().await.contact_id;
    let mut tx = stage.assistant.db.tenant(stage.tenant).await.unwrap();
    people::request_erasure(&stage.assistant, &mut tx, contact)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    eventually("the file is gone", async || (!path.exists()).then_some(())).await;
}

#[tokio::test]
async fn what_whatsapp_shows_as_no_picture_goes_as_a_document() {
    let stage = answered().await;
    let file = keep(&stage, "dance.gif", GIF).await;
    send(&stage, &file, None).await.unwrap();
    reach(&stage, MessageStatus::Sent).await;
    let body = stage.graph.received().pop().unwrap().body;
    assert_eq!(body["type"], "document");
    assert_eq!(body["document"]["filename"], "dance.gif");
}

#[tokio::test]
async fn an_upload_that_fails_is_tried_again_before_anything_is_sent() {
    let stage = answered().await;
    stage.graph.refuse_uploads(&[131_000]);
    let file = keep(&stage, "shop.png", PNG).await;
    send(&stage, &file, None).await.unwrap();
    stage.put_off("send-reply").await;
    assert_eq!(stage.graph.received().len(), 1);
    stage.hurry().await;
    reach(&stage, MessageStatus::Sent).await;
    stage.rest_in_peace().await;
    assert_eq!(
        (stage.graph.uploads().len(), stage.graph.received().len()),
        (1, 2)
    );
}

#[tokio::test]
async fn an_upload_that_is_refused_fails_visibly_and_is_sent_once_that_is_mended() {
    let stage = answered().await;
    stage.graph.refuse_uploads(&[131_053]);
    let file = keep(&stage, "shop.png", PNG).await;
    send(&stage, &file, None).await.unwrap();
    let failed = reach(&stage, MessageStatus::Failed).await;
    assert_eq!(failed.error_code, Some(131_053));
    stage.rest_in_peace().await;
    assert_eq!(stage.graph.received().len(), 1);
    let mut tx = stage.assistant.db.tenant(stage.tenant).await.unwrap();
    let id = failed.conversation_id;
    people::retry_message(&stage.assistant, &mut tx, id, failed.id)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    reach(&stage, MessageStatus::Sent).await;
    assert_eq!(stage.graph.uploads().len(), 1);
}

#[tokio::test]
async fn a_dead_token_is_noticed_by_an_upload_as_well() {
    let stage = answered().await;
    stage.graph.refuse_uploads(&[190]);
    let file = keep(&stage, "shop.png", PNG).await;
    send(&stage, &file, None).await.unwrap();
    let failed = reach(&stage, MessageStatus::Failed).await;
    assert!(failed.error.is_some());
    let health = channel(&stage).await.health;
    assert_eq!(health, ChannelHealth::TokenDead);
}

#[tokio::test]
async fn a_send_whose_end_nobody_saw_is_not_repeated_for_its_file() {
    let stage = answered().await;
    stage.graph.script([GraphReply::AcceptThenDrop]);
    let file = keep(&stage, "shop.png", PNG).await;
    send(&stage, &file, None).await.unwrap();
    reach(&stage, MessageStatus::Unknown).await;
    let sent = stage.graph.received().pop().unwrap();
    stage.report_tagged(&sent, "sent").await;
    reach(&stage, MessageStatus::Sent).await;
    stage.hurry().await;
    stage.rest_in_peace().await;
    assert_eq!(stage.graph.uploads().len(), 1);
    assert_eq!(stage.graph.received().len(), 2);
}

#[tokio::test]
async fn a_file_that_is_gone_fails_its_message() {
    let mut stage = answered().await;
    stage.stop_work().await;
    let file = keep(&stage, "shop.png", PNG).await;
    send(&stage, &file, None).await.unwrap();
    stage
        .assistant
        .files
        .delete(&file.stored.key)
        .await
        .unwrap();
    stage.work().await;
    let failed = reach(&stage, MessageStatus::Failed).await;
    assert_eq!(
        failed.error.as_deref(),
        Some("its file is not there any more")
    );
}

#[tokio::test]
async fn messenger_is_given_the_file_and_its_caption_follows() {
    let stage = crate::messenger::stage().await;
    let now = stage.assistant.clock.now();
    let post = MessengerPost::of_page(PAGE).text(PERSON, "m_1", "Hello?", now);
    stage
        .deliver_to(ChannelKind::Messenger, &post.sign(APP_SECRET))
        .await;
    stage.answer(MessageStatus::Sent).await;
    let file = keep(&stage, "list.txt", b"tea\nmore tea\n").await;
    let sent = send(&stage, &file, Some("What we have")).await.unwrap();
    assert_eq!(sent.len(), 2);
    stage.rest_in_peace().await;
    let uploads = stage.graph.uploads();
    assert_eq!((uploads.len(), uploads[0].to.as_str()), (1, PAGE));
    let bodies: Vec<Value> = stage
        .graph
        .received()
        .into_iter()
        .map(|it| it.body)
        .collect();
    let attachment = &bodies[1]["message"]["attachment"];
    let expected = json!({"type": "file", "payload": {"attachment_id": uploads[0].id}});
    assert_eq!(attachment, &expected);
    assert_eq!(bodies[2]["message"]["text"], "What we have");
    // Too large for the page: nothing is stored.
    let large = vec![b'x'; 25 * 1024 * 1024 + 1];
    let file = keep(&stage, "large.txt", &large).await;
    let refused = send(&stage, &file, None).await;
    assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
    assert_eq!(stage.count("message_files").await, 1);
    assert_eq!(stage.outbound().await.len(), 3);
}

/// How many files the operator has once a message with one could not leave, since this happened before.
async fn uploads_after(happens: impl AsyncFnOnce(&Stage)) -> usize {
    let mut stage = answered().await;
    stage.stop_work().await;
    let file = keep(&stage, "shop.png", PNG).await;
    send(&stage, &file, None).await.unwrap();
    happens(&stage).await;
    stage.work().await;
    reach(&stage, MessageStatus::Failed).await;
    let uploads = stage.graph.uploads().len();
    stage.end().await;
    uploads
}

#[tokio::test]
async fn what_may_not_leave_is_not_given_to_the_operator() {
    let stopped = uploads_after(async |stage| {
        let now_unwanted = "UPDATE contacts SET opted_out_at = now()";
        sqlx::query(now_unwanted)
            .execute(stage.database.pool())
            .await
            .unwrap();
    });
    assert_eq!(stopped.await, 0);
    let switched_off = uploads_after(async |stage| {
        sqlx::query("UPDATE channels SET enabled = false")
            .execute(stage.database.pool())
            .await
            .unwrap();
    });
    assert_eq!(switched_off.await, 0);
    let late = uploads_after(async |stage| stage.pass(Duration::from_hours(30)));
    assert_eq!(late.await, 0);
}

#[tokio::test]
async fn files_that_no_row_leads_to_go_and_all_others_stay() {
    let stage = answered().await;
    let sent = keep(&stage, "shop.png", PNG).await;
    send(&stage, &sent, None).await.unwrap();
    // The process was killed before this one was noted; and one is of a tenant that is not in this database.
    let stray = keep(&stage, "stray.png", PNG).await;
    let pieces = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(PNG))]);
    let files = &stage.assistant.files;
    let foreign = files
        .put_stream(TenantId::new(), pieces, u64::MAX)
        .await
        .unwrap();
    let there = || [&sent.stored, &stray.stored, &foreign].map(|it| files.path(&it.key).exists());
    stray_files::sweep(&stage.assistant, stray_files::GRACE)
        .await
        .unwrap();
    assert_eq!(there(), [true, true, true]);
    stray_files::sweep(&stage.assistant, Duration::ZERO)
        .await
        .unwrap();
    assert_eq!(there(), [true, false, true]);
}
