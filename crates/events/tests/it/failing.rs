use std::time::Duration;

use domain::EndpointId;
use jobs::{JobState, JobView};
use outbound::{Client, Guard};
use store::webhook_endpoints::Endpoint;
use testkit::standin::{Receiver, ReceiverReply};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::harness::{Bench, PATIENCE, sent};

/// Reads one request, waits for the word, answers with these bytes and closes.
async fn answer_once(answer: String, go: oneshot::Receiver<()>) -> (String, oneshot::Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    let (asked, was_asked) = oneshot::channel();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut request = Vec::new();
        while !request.ends_with(b"}}") {
            stream.read_buf(&mut request).await.expect("a request");
        }
        asked.send(()).ok();
        go.await.ok();
        stream.write_all(answer.as_bytes()).await.ok();
    });
    (url, was_asked)
}

async fn endpoint_now(bench: &Bench, id: EndpointId) -> Endpoint {
    let mut tx = bench.tx().await;
    store::webhook_endpoints::get(&mut tx, id)
        .await
        .expect("there")
}

/// Seconds from the end of the attempt to the next one.
fn wait_of(job: &JobView) -> i64 {
    let claimed = job.claimed_at.expect("claimed");
    (job.run_at.expect("scheduled") - claimed).num_seconds()
}

#[tokio::test]
async fn a_redirect_is_a_failure_and_not_followed() {
    let mut bench = Bench::new().await;
    let (receiver, target) = (
        Receiver::start(0).await.expect("a receiver"),
        Receiver::start(0).await.expect("a receiver"),
    );
    receiver.script([ReceiverReply::Redirect {
        location: target.url().to_owned(),
    }]);
    let (endpoint, _) = bench.endpoint(receiver.url(), &[]).await;
    bench.start().await;
    let job = bench.emit_one(&sent()).await;
    let waiting = bench.reach(job, JobState::Scheduled).await;
    // By the schedule: 5 seconds, give or take a tenth.
    assert!((4..=6).contains(&wait_of(&waiting)), "{waiting:?}");
    let attempts = bench.attempts_at(endpoint).await;
    assert_eq!(attempts[0].response_status, Some(302));
    let error = attempts[0].error.as_deref().expect("an error");
    assert!(error.contains("redirects are not followed"), "{error}");
    assert_eq!(bench.delivery(endpoint).await.status, "pending");
    assert!(target.received().is_empty());
    bench.shut_down().await;
}

#[tokio::test]
async fn gone_switches_the_endpoint_off() {
    let mut bench = Bench::new().await;
    let receiver = Receiver::start(0).await.expect("a receiver");
    receiver.script([
        ReceiverReply::Status { status: 500 },
        ReceiverReply::Status { status: 410 },
    ]);
    let (endpoint, _) = bench.endpoint(receiver.url(), &[]).await;
    bench.start().await;
    let earlier = bench.emit_one(&sent()).await;
    bench.reach(earlier, JobState::Scheduled).await;
    let job = bench.emit_one(&sent()).await;
    bench.reach(job, JobState::Cancelled).await;

    let off = endpoint_now(&bench, endpoint).await;
    assert!(!off.enabled);
    let reason = off.disabled_reason.expect("a reason");
    assert!(reason.contains("410"), "{reason}");
    bench.hurry(earlier).await;
    bench.reach(earlier, JobState::Cancelled).await;
    assert_eq!(receiver.received().len(), 2);
    for delivery in bench.deliveries(endpoint).await {
        assert_eq!(
            (delivery.status.as_str(), delivery.attempt_count),
            ("failed", 1)
        );
    }
    assert_eq!(bench.emit(&sent()).await, [0_i64; 0]);
    bench.shut_down().await;
}

#[tokio::test]
async fn an_endpoint_that_moved_while_its_old_address_said_gone_stays_on() {
    let mut bench = Bench::new().await;
    let receiver = Receiver::start(0).await.expect("a receiver");
    let (go, gone) = oneshot::channel();
    let answer = "HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n".to_owned();
    let (url, was_asked) = answer_once(answer, gone).await;
    let (endpoint, _) = bench.endpoint(&url, &[]).await;
    bench.start().await;
    let job = bench.emit_one(&sent()).await;
    tokio::time::timeout(PATIENCE, was_asked)
        .await
        .expect("in time")
        .expect("asked");
    bench.change(endpoint, receiver.url(), true).await;
    go.send(()).expect("still waiting");
    bench.hurry(job).await;
    bench.reach(job, JobState::Done).await;
    assert!(endpoint_now(&bench, endpoint).await.enabled);
    assert_eq!(receiver.received().len(), 1);
    bench.shut_down().await;
}

#[tokio::test]
async fn a_private_address_is_refused_and_the_attempt_says_so() {
    let mut bench = Bench::new().await;
    let receiver = Receiver::start(0).await.expect("a receiver");
    let (endpoint, _) = bench.endpoint(receiver.url(), &[]).await;
    let client = Client::guarded(&Guard::default()).expect("a client");
    bench.start_with(client).await;
    let job = bench.emit_one(&sent()).await;
    bench.reach(job, JobState::Scheduled).await;
    let attempts = bench.attempts_at(endpoint).await;
    assert_eq!(attempts.len(), 1);
    assert_eq!(attempts[0].response_status, None);
    assert_eq!(attempts[0].response_body, None);
    assert_eq!(
        attempts[0].error.as_deref(),
        Some("the address is refused: it does not lead to a public address")
    );
    assert!(receiver.received().is_empty());
    bench.shut_down().await;
}

#[tokio::test]
async fn an_endpoint_mended_in_between_gets_what_waits_for_it() {
    let mut bench = Bench::new().await;
    let receiver = Receiver::start(0).await.expect("a receiver");
    let (endpoint, _) = bench.endpoint("not a url", &[]).await;
    bench.start().await;
    let job = bench.emit_one(&sent()).await;
    bench.reach(job, JobState::Scheduled).await;
    let error = bench.attempts_at(endpoint).await.remove(0).error;
    assert!(error.expect("an error").contains("URL cannot be read"));
    bench.change(endpoint, receiver.url(), true).await;
    bench.hurry(job).await;
    bench.reach(job, JobState::Done).await;
    assert_eq!(receiver.received().len(), 1);
    bench.shut_down().await;
}

#[tokio::test]
async fn an_overloaded_endpoint_is_left_alone_as_long_as_it_asks_within_reason() {
    let mut bench = Bench::new().await;
    let receiver = Receiver::start(0).await.expect("a receiver");
    bench.endpoint(receiver.url(), &[]).await;
    bench.start().await;
    for (asked, least, most) in [(600, 600, 620), (1_000_000, 3600, 3620), (1, 4, 6)] {
        receiver.script([ReceiverReply::RateLimited {
            retry_after_seconds: asked,
        }]);
        let job = bench.emit_one(&sent()).await;
        let waiting = bench.reach(job, JobState::Scheduled).await;
        let wait = wait_of(&waiting);
        assert!(
            (least..=most).contains(&wait),
            "asked {asked}, waits {wait}"
        );
    }
    bench.shut_down().await;
}

#[tokio::test]
async fn a_connection_that_breaks_is_recorded_as_no_answer() {
    let mut bench = Bench::new().await;
    let receiver = Receiver::start(0).await.expect("a receiver");
    receiver.script([ReceiverReply::Drop]);
    let (endpoint, _) = bench.endpoint(receiver.url(), &[]).await;
    bench.start().await;
    let job = bench.emit_one(&sent()).await;
    bench.reach(job, JobState::Scheduled).await;
    let attempt = bench.attempts_at(endpoint).await.remove(0);
    assert_eq!(attempt.response_status, None);
    let error = attempt.error.expect("an error");
    assert!(error.contains("the connection broke"), "{error}");
    bench.shut_down().await;
}

#[tokio::test]
async fn an_attempt_keeps_no_more_than_the_start_of_the_answer() {
    let mut bench = Bench::new().await;
    let body = "x\0".repeat(4000);
    let answer = format!(
        "HTTP/1.1 500 Oops\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let (go, now) = oneshot::channel();
    go.send(()).expect("waits");
    let (url, _asked) = answer_once(answer, now).await;
    let (endpoint, _) = bench.endpoint(&url, &[]).await;
    bench.start().await;
    let job = bench.emit_one(&sent()).await;
    bench.reach(job, JobState::Scheduled).await;
    let attempt = bench.attempts_at(endpoint).await.remove(0);
    assert_eq!(attempt.response_body, Some("x\u{fffd}".repeat(512)));
    bench.shut_down().await;
}

#[tokio::test]
async fn after_the_last_attempt_the_delivery_has_failed() {
    let mut bench = Bench::new().await;
    let receiver = Receiver::start(0).await.expect("a receiver");
    receiver.otherwise(ReceiverReply::Status { status: 503 });
    let (endpoint, _) = bench.endpoint(receiver.url(), &[]).await;
    let job = bench.emit_one(&sent()).await;
    sqlx::query("UPDATE jobs SET max_attempts = 2 WHERE id = $1")
        .bind(job)
        .execute(bench.test_db.pool())
        .await
        .expect("shortened");
    bench.start().await;
    bench.hurry(job).await;
    let dead = bench.reach(job, JobState::Dead).await;
    assert!(dead.error.expect("a reason").contains("answered 503"));
    let delivery = bench.delivery(endpoint).await;
    assert_eq!(
        (delivery.status.as_str(), delivery.attempt_count),
        ("failed", 2)
    );
    assert!(endpoint_now(&bench, endpoint).await.enabled);
    bench.shut_down().await;
}

#[tokio::test]
async fn the_deliveries_of_a_deleted_endpoint_go_with_it() {
    let mut bench = Bench::new().await;
    let receiver = Receiver::start(0).await.expect("a receiver");
    let (endpoint, _) = bench.endpoint(receiver.url(), &[]).await;
    let job = bench.emit_one(&sent()).await;
    let mut tx = bench.tx().await;
    store::webhook_endpoints::delete(&mut tx, endpoint)
        .await
        .expect("deleted");
    tx.commit().await.expect("committed");
    bench.start().await;
    bench.reach(job, JobState::Cancelled).await;
    assert!(receiver.wait_for(1, Duration::ZERO).await.is_err());
    bench.shut_down().await;
}
