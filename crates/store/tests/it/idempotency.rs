use chrono::{DateTime, TimeDelta, Utc};
use store::idempotency_keys::{self, Begun};

use crate::world::World;

#[tokio::test]
async fn a_key_is_claimed_by_one_and_remembered() {
    let world = World::new().await;
    let now = DateTime::<Utc>::UNIX_EPOCH;
    let id = [1; 32];
    let mut tx = world.db.system().await.unwrap();
    let begin = async |tx: &mut _, at| {
        idempotency_keys::begin(tx, &id, None, &[2; 32], at)
            .await
            .unwrap()
    };
    assert_eq!(begin(&mut tx, now).await, Begun::Fresh);
    assert_eq!(begin(&mut tx, now).await, Begun::InFlight);
    let later = now + TimeDelta::minutes(11);
    assert_eq!(begin(&mut tx, later).await, Begun::Fresh);
    idempotency_keys::forget(&mut tx, &id).await.unwrap();
    assert_eq!(begin(&mut tx, later).await, Begun::Fresh);
    idempotency_keys::finish(&mut tx, &id, &[2; 32], 201, b"sealed")
        .await
        .unwrap();
    idempotency_keys::forget(&mut tx, &id).await.unwrap();
    let done = Begun::Done {
        request_hash: vec![2; 32],
        status: 201,
        body: b"sealed".to_vec(),
    };
    assert_eq!(begin(&mut tx, later + TimeDelta::hours(1)).await, done);
    assert_eq!(
        idempotency_keys::delete_older(&mut tx, later)
            .await
            .unwrap(),
        0
    );
    let day = later + TimeDelta::days(1);
    assert_eq!(
        idempotency_keys::delete_older(&mut tx, day).await.unwrap(),
        1
    );
}
