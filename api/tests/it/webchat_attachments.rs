//! Files that visitors send.

use poem::http::Method;
use serde_json::{Value, json};

use crate::server::{ADMIN_KEY, Reply};
use crate::webchat_stage::Stage;

const PATH: &str = "/api/webchat/attachments";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and more";

async fn upload(stage: &Stage, token: &str, name: &str, content: &[u8]) -> Reply {
    stage.server.upload(token, PATH, name, content).await
}

async fn uploaded(stage: &Stage, token: &str) -> String {
    let file = upload(stage, token, "scan.png", PNG).await.expect(201);
    file["id"].as_str().unwrap().to_owned()
}

async fn send(stage: &Stage, token: &str, file: &str, text: &str, client_id: &str) -> Reply {
    let body = json!({"text": text, "client_id": client_id, "attachment_id": file});
    let path = "/api/webchat/messages";
    stage.server.post(token, path, body).await
}

#[tokio::test]
async fn a_file_goes_with_a_message_and_is_read_by_both_sides() {
    let stage = Stage::set(json!({})).await;
    let token = stage.token().await;
    let stored = upload(&stage, &token, "../my scan.png", PNG)
        .await
        .expect(201);
    let expected = json!({"id": stored["id"], "name": "my scan.png", "media_type": "image/png",
        "size_bytes": PNG.len()});
    assert_eq!(stored, expected);
    let id = stored["id"].as_str().unwrap();
    send(&stage, &token, id, "My receipt", "c1")
        .await
        .expect(202);
    send(&stage, &token, id, "My receipt", "c1")
        .await
        .expect(202);
    let conversation = stage.work().await.unwrap();
    send(&stage, &token, id, "", "c2").await.expect(202);
    stage.work().await.unwrap();

    let listed = stage.read(&token, "").await;
    let shown = json!({"id": id, "name": "my scan.png", "media_type": "image/png"});
    for (at, text) in [(0, "My receipt"), (1, "")] {
        let message = &listed["data"][at];
        assert_eq!(
            (&message["attachment"], &message["text"]),
            (&shown, &json!(text))
        );
    }
    let path = format!("{}/conversations/{conversation}/messages", stage.tenant);
    let told = stage.server.get(ADMIN_KEY, &path).await.expect(200);
    let content = &told["data"][0]["content"];
    assert_eq!(
        (&content["type"], &content["id"]),
        (&json!("media"), &json!(id))
    );

    let tenants = format!("{}/webchat-attachments/{id}", stage.tenant);
    for (key, path) in [(&*token, &*format!("{PATH}/{id}")), (ADMIN_KEY, &*tenants)] {
        let file = stage.server.raw(key, path).await;
        assert_eq!(file.bytes, PNG);
        for (header, value) in [
            ("content-type", "image/png"),
            (
                "content-disposition",
                "attachment; filename*=UTF-8''my%20scan.png",
            ),
            ("x-content-type-options", "nosniff"),
            ("content-security-policy", "default-src 'none'; sandbox"),
            ("content-length", "17"),
        ] {
            assert_eq!(file.headers[header], value);
        }
    }
}

#[tokio::test]
async fn nobody_else_reads_or_sends_a_visitors_file() {
    let stage = Stage::set(json!({})).await;
    let (mine, other) = (stage.token().await, stage.token().await);
    let id = uploaded(&stage, &mine).await;
    let path = format!("{PATH}/{id}");
    for (token, status) in [(&*other, 404), ("", 401), (ADMIN_KEY, 401)] {
        let read = stage.server.get(token, &path).await;
        read.problem(status);
    }
    let (foreign, key) = stage.server.tenant("Other").await;
    for tenant in [&stage.tenant, &foreign] {
        let path = format!("{tenant}/webchat-attachments/{id}");
        assert_eq!(
            stage.server.get(&key, &path).await.problem(404),
            "not_found"
        );
    }
    let sent = send(&stage, &other, &id, "Look", "c1").await;
    assert_eq!(sent.problem(422), "refused");
    let unknown = domain::AttachmentId::new().to_string();
    let sent = send(&stage, &mine, &unknown, "Look", "c1").await;
    assert_eq!(sent.problem(422), "refused");
    assert_eq!(stage.count("raw_items").await, 0);
    // In another chat of the same tenant the same visitor is another one.
    let channel = json!({"type": "webchat", "name": "Second"});
    let channels = format!("{}/channels", stage.tenant);
    let second = stage.server.post(ADMIN_KEY, &channels, channel).await;
    let second = second.expect(201)["id"].as_str().unwrap().to_owned();
    stage
        .sql(&format!(
            "UPDATE webchat_attachments SET channel_id = '{second}'"
        ))
        .await;
    assert_eq!(
        stage.server.get(&mine, &path).await.problem(404),
        "not_found"
    );
}

#[tokio::test]
async fn a_file_is_what_it_holds_and_no_page_or_program() {
    let stage = Stage::set(json!({})).await;
    let token = stage.token().await;
    for (name, content) in [
        ("page.html", &b"<html><script>alert(1)</script>"[..]),
        ("picture.svg", b"<svg onload=alert(1)>"),
        ("picture.png", b"<html>"),
        ("program.exe", b"MZ\x90\x00"),
        ("empty.txt", b""),
    ] {
        let refused = upload(&stage, &token, name, content).await;
        assert_eq!(refused.problem(415), "unsupported_media_type", "{name}");
    }
    let jpeg = upload(&stage, &token, "really.png", b"\xff\xd8\xff\xe0").await;
    assert_eq!(jpeg.expect(201)["media_type"], "image/jpeg");
    assert_eq!(stage.files(), 1);
}

#[tokio::test]
async fn files_have_a_size_and_a_session_has_so_many() {
    let stage = Stage::set(json!({})).await;
    let caps = stage.server.state.webchat.caps();
    let token = stage.token().await;
    let fits = usize::try_from(caps.max_file_bytes).unwrap();
    let mut content = PNG.to_vec();
    content.resize(fits + 1, 0);
    let large = upload(&stage, &token, "a.png", &content).await;
    assert_eq!(large.problem(413), "body_too_large");
    content.resize(fits + 200_000, 0);
    let huge = upload(&stage, &token, "a.png", &content).await;
    assert_eq!(huge.problem(413), "body_too_large");
    assert_eq!(stage.files(), 0);
    content.truncate(fits);
    upload(&stage, &token, "a.png", &content).await.expect(201);
    for _ in 1..caps.files_per_session {
        uploaded(&stage, &token).await;
    }
    let more = upload(&stage, &token, "a.png", PNG).await;
    assert_eq!(more.problem(429), "rate_limited");
    uploaded(&stage, &stage.token().await).await;
    assert_eq!(
        stage.files(),
        1 + usize::try_from(caps.files_per_session).unwrap()
    );
}

#[tokio::test]
async fn files_go_with_their_chat() {
    let stage = Stage::set(json!({})).await;
    uploaded(&stage, &stage.token().await).await;
    assert_eq!(stage.files(), 1);
    let channel = format!("{}/channels/{}", stage.tenant, stage.channel);
    let method = Method::DELETE;
    let gone = stage
        .server
        .call(ADMIN_KEY, method, &channel, Value::Null)
        .await;
    gone.expect(204);
    assert_eq!(stage.files(), 0);
}
