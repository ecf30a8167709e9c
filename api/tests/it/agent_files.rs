//! Files that people of the tenant's send.

use serde_json::json;

use crate::server::{ADMIN_KEY, Reply};
use crate::webchat_stage::Stage;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and more";

/// A web chat whose visitor has written, and the path of files to it.
async fn written() -> (Stage, String, String) {
    let stage = Stage::set(json!({})).await;
    let token = stage.token().await;
    stage
        .write(&token, "Do you sell tea?", "c1")
        .await
        .expect(202);
    let conversation = stage.work().await.unwrap();
    let path = format!("{}/conversations/{conversation}", stage.tenant);
    (stage, token, path)
}

async fn send(stage: &Stage, path: &str, words: &[(&str, &str)], name: &str, file: &[u8]) -> Reply {
    let path = format!("{path}/files");
    let server = &stage.server;
    server
        .upload_with(ADMIN_KEY, &path, words, name, file)
        .await
}

#[tokio::test]
async fn a_file_of_an_agents_is_shown_to_the_visitor_and_to_nobody_else() {
    let (stage, token, path) = written().await;
    let words = [
        ("caption", "Our **shop**"),
        ("from", "Kim"),
        ("note", "ignored"),
    ];
    let sent = send(&stage, &path, &words, "/tmp/shop.png", PNG)
        .await
        .expect(202);
    let message = &sent["data"][0];
    let file = &message["files"][0];
    let id = file["id"].as_str().unwrap();
    assert_eq!(
        (
            &message["author"],
            &message["text"],
            &message["content"]["file"]
        ),
        (
            &json!("agent"),
            &json!("[image: shop.png] Our **shop**"),
            &json!({"kept": id})
        )
    );
    assert_eq!(
        (
            &file["name"],
            &file["media_kind"],
            &file["state"],
            &file["size_bytes"]
        ),
        (
            &json!("shop.png"),
            &json!("image"),
            &json!("stored"),
            &json!(PNG.len())
        )
    );
    let conversation = stage.server.get(ADMIN_KEY, &path).await.expect(200);
    assert_eq!(
        (&conversation["status"], &conversation["assigned_to"]),
        (&json!("assigned_human"), &json!("Kim"))
    );
    // The visitor sees it, and has it.
    let listed = stage.read(&token, "").await;
    let shown = &listed["data"][1];
    assert_eq!(
        (&shown["text"], &shown["attachment"]),
        (
            &json!("Our **shop**"),
            &json!({"id": id, "name": "shop.png", "media_type": "image/png"})
        )
    );
    let own = format!("/api/webchat/attachments/{id}");
    assert_eq!(stage.server.raw(&token, &own).await.bytes, PNG);
    let of_tenant = format!("{}/message-files/{id}", stage.tenant);
    assert_eq!(stage.server.raw(ADMIN_KEY, &of_tenant).await.bytes, PNG);
    // Nobody else does.
    let stranger = stage.token().await;
    stage.server.get(&stranger, &own).await.problem(404);
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_and_nothing_is_kept() {
    let (stage, _, path) = written().await;
    let page = b"<html><script>alert(1)</script></html>";
    send(&stage, &path, &[], "page.html", page)
        .await
        .problem(415);
    let long = "x".repeat(20_001);
    let words = [("caption", long.as_str())];
    send(&stage, &path, &words, "a.png", PNG).await.problem(422);
    let nobody = "00000000-0000-7000-8000-000000000000";
    let nowhere = format!("{}/conversations/{nobody}", stage.tenant);
    send(&stage, &nowhere, &[], "a.png", PNG).await.problem(404);
    // What is said to be kept already is none of the sender's.
    let content = json!({"type": "media", "media_kind": "image", "file": {"kept": nobody}});
    let messages = format!("{path}/messages");
    let forged = json!({"content": content});
    stage
        .server
        .post(ADMIN_KEY, &messages, forged)
        .await
        .problem(422);
    // Refused once the file is there.
    stage
        .sql("UPDATE conversations SET status = 'closed'")
        .await;
    let refused = send(&stage, &path, &[], "a.png", PNG).await;
    refused.problem(409);
    assert_eq!(stage.files(), 0);
    let contact = "UPDATE contacts SET opted_out_at = now()";
    stage.sql(contact).await;
    let refused = send(&stage, &path, &[], "a.png", PNG).await;
    assert_eq!(refused.problem(409), "contact_opted_out");
    assert_eq!(stage.count("message_files").await, 0);
    assert_eq!(stage.files(), 0);
}
