use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use hmac::{Hmac, KeyInit, Mac};
use jobs::JobState;
use jobs::kinds::DeliverWebhook;
use secrets::WebhookSecret;
use sha2::Sha256;
use testkit::standin::{ReceivedPost, Receiver, ReceiverReply};

use crate::harness::{Bench, PATIENCE, noon, sent};

/// The signature by the words of Standard Webhooks 1.0.0, from the secret's text.
fn expected_signature(secret: &str, id: &str, timestamp: &str, body: &[u8]) -> String {
    let key = secret.strip_prefix("whsec_").expect("the prefix");
    let key = STANDARD.decode(key).expect("base64");
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("a key");
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

fn header<'a>(post: &'a ReceivedPost, name: &str) -> &'a str {
    post.header(name).unwrap_or_else(|| panic!("no {name}"))
}

fn assert_genuine(post: &ReceivedPost, secret: &WebhookSecret) {
    let text = secret.to_text();
    let (id, timestamp) = (
        header(post, "webhook-id"),
        header(post, "webhook-timestamp"),
    );
    assert_eq!(
        header(post, "webhook-signature"),
        expected_signature(
            secrecy::ExposeSecret::expose_secret(&text),
            id,
            timestamp,
            &post.body
        )
    );
}

#[test]
fn the_check_of_signatures_agrees_with_the_specification() {
    assert_eq!(
        expected_signature(
            "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
            "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
            "1649367553",
            br#"{"email":"test@example.com","username":"test_user"}"#,
        ),
        "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw="
    );
}

#[tokio::test]
async fn a_delivery_is_signed_and_sent_as_it_is_stored() {
    let mut bench = Bench::new().await;
    let receiver = Receiver::start(0).await.expect("a receiver");
    let (endpoint, secret) = bench
        .endpoint(&format!("{}/hook", receiver.url()), &[])
        .await;
    bench.start().await;
    let job = bench.emit_one(&sent()).await;
    bench.reach(job, JobState::Done).await;

    let posts = receiver.received();
    let [post] = posts.as_slice() else {
        panic!("{posts:?}")
    };
    let delivery = bench.delivery(endpoint).await;
    assert_eq!(
        (post.method.as_str(), post.path.as_str()),
        ("POST", "/hook")
    );
    assert_eq!(post.body, delivery.body.as_bytes());
    assert_eq!(header(post, "content-type"), "application/json");
    assert!(header(post, "user-agent").starts_with("metachat-webhooks/"));
    assert_eq!(header(post, "webhook-id"), delivery.event_id.to_string());
    assert_eq!(
        header(post, "webhook-timestamp"),
        noon().timestamp().to_string()
    );
    assert_genuine(post, &secret);

    assert_eq!(
        (delivery.status.as_str(), delivery.attempt_count),
        ("delivered", 1)
    );
    assert_eq!(delivery.delivered_at, Some(noon()));
    let attempts = bench.attempts(delivery.id).await;
    assert_eq!(attempts.len(), 1);
    assert_eq!(attempts[0].response_status, Some(200));
    assert_eq!(attempts[0].error, None);
    assert!(attempts[0].duration_ms >= 0);
    bench.shut_down().await;
}

#[tokio::test]
async fn each_endpoint_is_sent_the_same_event_under_its_own_secret() {
    let mut bench = Bench::new().await;
    let (one, other) = (
        Receiver::start(0).await.expect("a receiver"),
        Receiver::start(0).await.expect("a receiver"),
    );
    let (_, secret) = bench.endpoint(one.url(), &[]).await;
    let (_, other_secret) = bench.endpoint(other.url(), &[]).await;
    bench.start().await;
    bench.emit(&sent()).await;
    let post = one.wait_for(1, PATIENCE).await.expect("a post").remove(0);
    let other_post = other.wait_for(1, PATIENCE).await.expect("a post").remove(0);
    assert_eq!(
        header(&post, "webhook-id"),
        header(&other_post, "webhook-id")
    );
    assert_genuine(&post, &secret);
    assert_genuine(&other_post, &other_secret);
    assert_ne!(
        header(&post, "webhook-signature"),
        header(&other_post, "webhook-signature")
    );
    bench.shut_down().await;
}

#[tokio::test]
async fn a_retry_carries_the_same_id_and_body_and_a_time_of_its_own() {
    let mut bench = Bench::new().await;
    let receiver = Receiver::start(0).await.expect("a receiver");
    receiver.script([ReceiverReply::Status { status: 500 }]);
    let (endpoint, secret) = bench.endpoint(receiver.url(), &[]).await;
    bench.start().await;
    let job = bench.emit_one(&sent()).await;
    let waiting = bench.reach(job, JobState::Scheduled).await;
    assert!(waiting.error.expect("an error").contains("answered 500"));
    assert_eq!(bench.delivery(endpoint).await.status, "pending");
    bench.clock.advance(TimeDelta::seconds(5));
    bench.hurry(job).await;
    bench.reach(job, JobState::Done).await;

    let posts = receiver.received();
    let [first, second] = posts.as_slice() else {
        panic!("{posts:?}")
    };
    assert_eq!(header(first, "webhook-id"), header(second, "webhook-id"));
    assert_eq!(first.body, second.body);
    let later = noon() + TimeDelta::seconds(5);
    assert_eq!(
        header(second, "webhook-timestamp"),
        later.timestamp().to_string()
    );
    assert_genuine(first, &secret);
    assert_genuine(second, &secret);
    let delivery = bench.delivery(endpoint).await;
    assert_eq!(
        (delivery.status.as_str(), delivery.attempt_count),
        ("delivered", 2)
    );
    assert_eq!(delivery.delivered_at, Some(later));
    let statuses: Vec<_> = bench
        .attempts(delivery.id)
        .await
        .into_iter()
        .map(|attempt| (attempt.response_status, attempt.error.is_some()))
        .collect();
    assert_eq!(statuses, [(Some(500), true), (Some(200), false)]);
    bench.shut_down().await;
}

#[tokio::test]
async fn what_was_delivered_is_not_sent_again() {
    let mut bench = Bench::new().await;
    let receiver = Receiver::start(0).await.expect("a receiver");
    let (endpoint, _) = bench.endpoint(receiver.url(), &[]).await;
    bench.start().await;
    let job = bench.emit_one(&sent()).await;
    bench.reach(job, JobState::Done).await;
    let again = DeliverWebhook {
        tenant_id: bench.tenant,
        endpoint_id: endpoint,
        delivery_id: bench.delivery(endpoint).await.id,
    };
    let mut tx = bench.tx().await;
    let again = jobs::enqueue(&mut tx, &again).await.expect("enqueued").id;
    tx.commit().await.expect("committed");
    bench.reach(again, JobState::Done).await;
    assert_eq!(receiver.received().len(), 1);
    assert_eq!(bench.delivery(endpoint).await.attempt_count, 1);
    bench.shut_down().await;
}
