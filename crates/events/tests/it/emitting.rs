use events::{Event, MessageData};
use serde_json::{Value, json};

use crate::harness::{Bench, insert_tenant, message, noon, sent};

#[tokio::test]
async fn without_a_subscriber_nothing_is_stored() {
    let bench = Bench::new().await;
    let (other_type, _) = bench
        .endpoint("https://a.example/", &["message.failed"])
        .await;
    let (off, _) = bench.endpoint("https://b.example/", &[]).await;
    bench.change(off, "https://b.example/", false).await;
    assert_eq!(bench.emit(&sent()).await, [0_i64; 0]);
    for endpoint in [other_type, off] {
        let deliveries = bench.deliveries(endpoint).await;
        assert!(deliveries.is_empty(), "{deliveries:?}");
    }
}

#[tokio::test]
async fn an_event_goes_to_every_endpoint_that_wants_it() {
    let bench = Bench::new().await;
    let (all, _) = bench.endpoint("https://a.example/", &[]).await;
    let (some, _) = bench
        .endpoint("https://b.example/", &["message.failed", "message.sent"])
        .await;
    let (none, _) = bench
        .endpoint("https://c.example/", &["message.received"])
        .await;
    assert_eq!(bench.emit(&sent()).await.len(), 2);
    let (first, second) = (bench.delivery(all).await, bench.delivery(some).await);
    assert_eq!(first.event_id, second.event_id);
    assert_eq!(first.body, second.body);
    assert_eq!(first.event_type, "message.sent");
    assert_eq!((first.seq, first.status.as_str()), (1, "pending"));
    assert!(bench.deliveries(none).await.is_empty());

    let received = Event::MessageReceived(MessageData::of(&message()));
    assert_eq!(bench.emit(&received).await.len(), 2);
    let of_all = bench.deliveries(all).await;
    assert_eq!(of_all.iter().map(|one| one.seq).collect::<Vec<_>>(), [2, 1]);
    assert_ne!(of_all[0].event_id, of_all[1].event_id);
    assert_eq!(bench.delivery(none).await.seq, 1);
}

#[tokio::test]
async fn an_event_stays_with_its_tenant() {
    let bench = Bench::new().await;
    let stranger = insert_tenant(&bench.db).await;
    bench.endpoint_of(stranger, "https://a.example/", &[]).await;
    assert_eq!(bench.emit(&sent()).await, [0_i64; 0]);
}

#[tokio::test]
async fn an_event_of_a_transaction_that_fails_is_not_told() {
    let bench = Bench::new().await;
    let (endpoint, _) = bench.endpoint("https://a.example/", &[]).await;
    let mut tx = bench.tx().await;
    events::emit(&mut tx, &[sent()], &bench.clock)
        .await
        .expect("emitted");
    drop(tx);
    assert!(bench.deliveries(endpoint).await.is_empty());
    let jobs: i64 = sqlx::query_scalar("SELECT count(*) FROM jobs")
        .fetch_one(bench.test_db.pool())
        .await
        .expect("counted");
    assert_eq!(jobs, 0);
}

#[tokio::test]
async fn the_body_is_type_timestamp_and_data() {
    let bench = Bench::new().await;
    let (endpoint, _) = bench.endpoint("https://a.example/", &[]).await;
    let mut message = message();
    message.error = Some("number not on WhatsApp".to_owned());
    message.error_code = Some(131_026);
    message.status = domain::MessageStatus::Failed;
    let event = Event::MessageFailed(MessageData::of(&message));
    bench.emit(&event).await;
    let body = bench.delivery(endpoint).await.body;
    let payload: Value = serde_json::from_str(&body).expect("JSON");
    let source = &message.sources[0];
    let expected = json!({
        "type": "message.failed",
        "timestamp": noon(),
        "data": {
            "message_id": message.id,
            "conversation_id": message.conversation_id,
            "channel_id": message.channel_id,
            "seq": 2,
            "direction": "outbound",
            "author": "assistant",
            "text": message.text,
            "status": "failed",
            "sources": [{
                "number": 1,
                "document_id": source.document_id,
                "chunk_id": source.chunk_id,
                "title": "Returns",
                "page": 3,
                "heading": null,
                "score": 0.5,
                "excerpt": "Unused goods …",
            }],
            "error": "number not on WhatsApp",
            "error_code": 131_026,
            "unanswered_reason": null,
            "occurred_at": noon(),
        },
    });
    assert_eq!(payload, expected);
    assert_eq!(event.data().expect("data"), expected["data"]);
    assert!(
        body.starts_with(
            r#"{"type":"message.failed","timestamp":"2026-08-04T12:00:00.123456Z","data":{"#
        ),
        "{body}"
    );
}
