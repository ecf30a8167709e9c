//! A file that a customer sends is kept, whoever dies as it comes.

use serde_json::json;

use crate::crashes::{FAILED, worker};
use crate::process::until;
use crate::shop::{CUSTOMER, Shop};
use crate::stage::Stage;

/// What lies at Meta, as far as anybody looks at it.
const PICTURE: &str = "the bytes of a picture";

const CUT_OFF: &str =
    "SELECT count(*) FROM job_attempts AS a JOIN job_history AS h ON h.id = a.job_id
    WHERE a.outcome = 'crashed' AND h.kind = 'fetch-media'";

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
    assert_eq!(api.http.get(&path).await.text, PICTURE);
    assert_eq!(stage.count(CUT_OFF).await, 1);
    assert_eq!(stage.count(FAILED).await, 0);
}
