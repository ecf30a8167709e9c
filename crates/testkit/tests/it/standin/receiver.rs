use std::time::Duration;

use testkit::standin::{
    Receiver, ReceiverBehaviour, ReceiverReply, Sender, SignedPost, TextMessage, TooFew,
    WhatsappClient, WhatsappPost, meta_signature,
};

use super::{PATIENCE, client};

#[tokio::test]
async fn records_method_headers_and_the_raw_body() {
    let receiver = Receiver::start(0).await.unwrap();
    let response = client()
        .put(format!("{}/hooks/a?b=c", receiver.url()))
        .header("Webhook-Id", "msg_1")
        .body("{\"a\": 1}")
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);

    let posts = receiver.wait_for(1, PATIENCE).await.unwrap();
    assert_eq!(posts[0].method, "PUT");
    assert_eq!(posts[0].path, "/hooks/a");
    assert_eq!(posts[0].header("webhook-id"), Some("msg_1"));
    assert_eq!(&posts[0].body[..], b"{\"a\": 1}");
}

#[tokio::test]
async fn answers_by_the_script_and_then_as_otherwise_told() {
    let receiver = Receiver::start(0).await.unwrap();
    receiver.script([
        ReceiverReply::Status { status: 410 },
        ReceiverReply::Redirect {
            location: "http://127.0.0.1:9/".to_owned(),
        },
        ReceiverReply::RateLimited {
            retry_after_seconds: 7,
        },
        ReceiverReply::Ok,
    ]);
    receiver.otherwise(ReceiverReply::Status { status: 500 });
    let client = client();
    let mut seen = Vec::new();
    for _ in 0..6 {
        let response = client.post(receiver.url()).send().await.unwrap();
        let header = |name: &str| Some(response.headers().get(name)?.to_str().unwrap().to_owned());
        seen.push((
            response.status().as_u16(),
            header("location").or(header("retry-after")),
        ));
    }
    assert_eq!(
        seen,
        [
            (410, None),
            (302, Some("http://127.0.0.1:9/".to_owned())),
            (429, Some("7".to_owned())),
            (200, None),
            (500, None),
            (500, None),
        ]
    );
    assert_eq!(receiver.received().len(), 6);
}

#[tokio::test]
async fn drops_and_hangs_after_it_has_recorded() {
    let receiver = Receiver::start(0).await.unwrap();
    receiver.script([ReceiverReply::Drop, ReceiverReply::Hang]);
    let client = client();
    let dropped = client.post(receiver.url()).send().await.unwrap_err();
    assert!(
        !dropped.is_timeout() && !dropped.is_connect(),
        "{dropped:?}"
    );
    let hung = client
        .post(receiver.url())
        .timeout(Duration::from_millis(100))
        .send()
        .await
        .unwrap_err();
    assert!(hung.is_timeout(), "{hung:?}");
    assert_eq!(receiver.received().len(), 2);
}

#[tokio::test]
async fn a_wait_in_vain_is_an_error() {
    let receiver = Receiver::start(0).await.unwrap();
    let wait = receiver.wait_for(1, Duration::from_millis(1)).await;
    assert_eq!(
        wait.unwrap_err(),
        TooFew {
            wanted: 1,
            found: 0
        }
    );
}

#[tokio::test]
async fn delays_an_answer() {
    let receiver = Receiver::start(0).await.unwrap();
    receiver.script([ReceiverBehaviour {
        delay_ms: 150,
        ..ReceiverBehaviour::default()
    }]);
    let start = std::time::Instant::now();
    client().post(receiver.url()).send().await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(150));
}

#[tokio::test]
async fn whatsapp_posts_arrive_with_the_signature_of_their_bytes() {
    let receiver = Receiver::start(0).await.unwrap();
    let meta = WhatsappClient::new(
        &format!("{}/webhooks/whatsapp", receiver.url()),
        "app-secret",
    )
    .unwrap();
    let message = TextMessage::new(Sender::phone("33612345678", "Zoë"), "déjà vu / 😀");
    let status = meta
        .post(&WhatsappPost::to_number("1060").text(&message))
        .await
        .unwrap();
    assert_eq!(status, 200);
    let forged = SignedPost {
        signature: "sha256=00".to_owned(),
        ..SignedPost::new("app-secret", "{}")
    };
    meta.post_signed(forged).await.unwrap();

    let posts = receiver.received();
    let expected = meta_signature("app-secret", &posts[0].body);
    assert_eq!(
        posts[0].header("x-hub-signature-256"),
        Some(expected.as_str())
    );
    assert_eq!(posts[1].header("x-hub-signature-256"), Some("sha256=00"));
    let body: serde_json::Value = serde_json::from_slice(&posts[0].body).unwrap();
    let text = &body["entry"][0]["changes"][0]["value"]["messages"][0]["text"]["body"];
    assert_eq!(text, "déjà vu / 😀");
}

#[tokio::test]
async fn a_dropped_server_closes_its_connections() {
    let receiver = Receiver::start(0).await.unwrap();
    receiver.script([ReceiverReply::Hang]);
    let url = receiver.url().to_owned();
    let call = tokio::spawn(client().post(&url).timeout(PATIENCE).send());
    receiver.wait_for(1, PATIENCE).await.unwrap();
    drop(receiver);
    let error = call.await.unwrap().unwrap_err();
    assert!(!error.is_timeout(), "{error:?}");
}
