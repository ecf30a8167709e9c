use chrono::{DateTime, Utc};
use domain::{EndpointId, EventId};
use store::webhook_deliveries::{self, Attempt, Outcome};
use store::webhook_endpoints::{self, EndpointValues};

use crate::world::World;

async fn endpoint(world: &World, event_types: &[String]) -> EndpointId {
    let id = EndpointId::new();
    let mut tx = world.db.tenant(world.one).await.unwrap();
    let values = EndpointValues {
        url: "https://hooks.example.com/",
        description: "",
        event_types,
        enabled: true,
    };
    webhook_endpoints::insert(&mut tx, id, &values, b"sealed")
        .await
        .unwrap();
    tx.commit().await.unwrap();
    id
}

#[tokio::test]
async fn an_endpoint_gets_an_event_once_and_in_order() {
    let world = World::new().await;
    let id = endpoint(&world, &[]).await;
    let mut tx = world.db.tenant(world.one).await.unwrap();
    let (first, second) = (EventId::new(), EventId::new());
    let insert = async |tx: &mut _, event| {
        webhook_deliveries::insert(tx, id, event, "message.sent", "{}")
            .await
            .unwrap()
    };
    let delivery = insert(&mut tx, first).await.unwrap();
    assert_eq!(insert(&mut tx, first).await, None);
    insert(&mut tx, second).await.unwrap();
    let listed = webhook_deliveries::list(&mut tx, id, None, 10)
        .await
        .unwrap();
    let seqs: Vec<i64> = listed.data.iter().map(|delivery| delivery.seq).collect();
    assert_eq!(seqs, [2, 1]);
    let attempt = |status| Attempt {
        delivery_id: delivery,
        attempted_at: DateTime::<Utc>::UNIX_EPOCH,
        response_status: Some(status),
        response_body: None,
        error: None,
        duration_ms: 5,
    };
    for (status, outcome) in [(500, Outcome::Pending), (200, Outcome::Delivered)] {
        webhook_deliveries::record_attempt(&mut tx, &attempt(status), outcome)
            .await
            .unwrap();
    }
    webhook_deliveries::mark_failed(&mut tx, delivery)
        .await
        .unwrap();
    let found = webhook_deliveries::find(&mut tx, delivery)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (found.status.as_str(), found.attempt_count),
        ("delivered", 2)
    );
    let attempts = webhook_deliveries::list_attempts(&mut tx, &[delivery])
        .await
        .unwrap();
    assert_eq!(attempts.len(), 2);
    tx.commit().await.unwrap();
    let mut foreign = world.db.tenant(world.other).await.unwrap();
    assert!(
        webhook_deliveries::find(&mut foreign, delivery)
            .await
            .unwrap()
            .is_none()
    );
    let attempts = webhook_deliveries::list_attempts(&mut foreign, &[delivery])
        .await
        .unwrap();
    assert!(attempts.is_empty());
    let none = webhook_deliveries::insert(&mut foreign, id, EventId::new(), "x.y", "{}").await;
    assert_eq!(none.unwrap(), None);
}

#[tokio::test]
async fn events_go_to_whom_they_concern() {
    let world = World::new().await;
    let all = endpoint(&world, &[]).await;
    let some = endpoint(&world, &["message.sent".to_owned()]).await;
    let off = endpoint(&world, &[]).await;
    let mut tx = world.db.tenant(world.one).await.unwrap();
    assert!(
        webhook_endpoints::disable(&mut tx, off, "gone")
            .await
            .unwrap()
    );
    assert!(
        !webhook_endpoints::disable(&mut tx, off, "gone")
            .await
            .unwrap()
    );
    let subscribed = async |tx: &mut _, kind| {
        let all = webhook_endpoints::list_subscribers(tx).await.unwrap();
        let wanting = all.into_iter().filter(|it| it.wants(kind));
        wanting.map(|it| it.id).collect::<Vec<_>>()
    };
    assert_eq!(subscribed(&mut tx, "message.sent").await, [all, some]);
    assert_eq!(subscribed(&mut tx, "message.received").await, [all]);
    tx.commit().await.unwrap();
    let mut foreign = world.db.tenant(world.other).await.unwrap();
    assert!(subscribed(&mut foreign, "message.sent").await.is_empty());
    assert!(!webhook_endpoints::delete(&mut foreign, all).await.unwrap());
}
