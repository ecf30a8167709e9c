//! Files are kept and sent, whoever dies as they come or go.

use serde_json::json;

use crate::crashes::{FAILED, cut_off, worker};
use crate::process::until;
use crate::shop::{CUSTOMER, Shop};
use crate::stage::Stage;

/// A picture, as far as anybody looks at it.
pub(crate) const PICTURE: &[u8] = b"\x89PNG\r\n\x1a\n and what follows";

const INTENTS: &str = "SELECT max(send_attempts)::bigint FROM messages";

#[tokio::test]
async fn process_killed_before_a_customers_file_is_noted() {
    let stage = Stage::new().await;
    stage.graph.add_file("555", "image/png", PICTURE);
    let api = stage.api().await;
    let shop = Shop::open(&api.http).await;
    shop.report_to(&api.http, &stage);
    let doomed = worker(&stage, "media.before_commit=kill");
    let now = domain::Clock::system().now().timestamp().to_string();
    let post = Shop::post_raw(json!({
        "id": "wamid.picture", "from": CUSTOMER, "timestamp": now, "type": "image",
        "image": {"id": "555", "mime_type": "image/png", "caption": "Do you have this?"},
    }));
    let status = shop.deliver(&api.http, &post).await.unwrap();
    assert_eq!(status.as_u16(), 200);
    doomed.killed().await;
    // The bytes have come, and nobody knows.
    let before = shop.messages(&api.http).await;
    assert_eq!(before[0]["files"][0]["state"], "waiting", "{before:?}");

    let next = worker(&stage, "");
    let file = until("the file is kept", || async {
        let file = shop.messages(&api.http).await[0]["files"][0].clone();
        (file["state"] != "waiting").then_some(file)
    })
    .await;
    assert_eq!(file["state"], "stored", "{file}");
    let messages = shop.settled(&api.http, &stage, 1).await;
    next.drained().await;
    assert_eq!(messages[0]["files"], json!([file]));
    let id = file["id"].as_str().unwrap();
    let path = format!("/api/tenants/{}/message-files/{id}", shop.tenant);
    let kept = api.http.get_bytes(&path).await;
    assert_eq!(kept, PICTURE);
    let cut_off = cut_off(&stage).await;
    let fetches = cut_off.iter().filter(|kind| *kind == "fetch-media");
    assert_eq!(fetches.count(), 1, "{cut_off:?}");
    assert_eq!(stage.count(FAILED).await, 0);
}

#[tokio::test]
async fn process_killed_after_a_persons_file_was_uploaded() {
    let stage = Stage::new().await;
    let api = stage.api().await;
    let shop = Shop::open(&api.http).await;
    shop.report_to(&api.http, &stage);
    let doomed = stage.worker_with("send.after_upload=kill");
    shop.write(&api.http, "When do you open?").await;
    shop.settled(&api.http, &stage, 1).await;
    shop.send_file(&api.http, "shop.png", PICTURE).await;
    doomed.killed().await;
    // Meta has the file, and nobody knows by what id.
    assert_eq!(stage.graph.uploads().len(), 1);
    let before = shop.messages(&api.http).await;
    assert_eq!(before[2]["status"], "queued", "{before:?}");

    let next = stage.worker();
    let messages = shop.settled(&api.http, &stage, 2).await;
    next.drained().await;
    assert_eq!(messages.len(), 3, "{messages:?}");
    assert_eq!(messages[2]["author"], "agent");
    let uploads = stage.graph.uploads();
    assert_eq!(uploads.len(), 2);
    for upload in &uploads {
        let is_whole = upload.body.windows(PICTURE.len()).any(|it| it == PICTURE);
        assert!(is_whole, "{upload:?}");
    }
    let sent = stage.graph.received();
    assert_eq!(sent.len(), 2, "{sent:?}");
    assert_eq!(sent[1].body["image"]["id"], uploads[1].id, "{sent:?}");
    assert_eq!(stage.count(INTENTS).await, 1);
    assert_eq!(cut_off(&stage).await, ["send-reply"]);
    assert_eq!(stage.count(FAILED).await, 0);
}
