use chrono::{DateTime, Utc};
use db::{SystemTx, TenantTx};
use domain::{ChannelId, ChannelKind, ContactId, Direction, RawItemId, RawOutcome};
use serde_json::json;
use store::contacts;
use store::parked_changes::{self, MADE_ROOM, MAX_OF_CHANNEL, NEVER_CAME, ParkedChange, Target};
use store::raw_items::{self, NewRawItem, RawItemAt};

use crate::world::World;

fn edit() -> ParkedChange {
    let words = json!({"type": "text", "body": "tea"});
    ParkedChange {
        content: json!({"type": "edit", "target": "m", "content": words}),
        occurred_at: DateTime::<Utc>::UNIX_EPOCH,
    }
}

/// What told of a change, and is gone itself.
fn told_by() -> RawItemAt {
    RawItemAt {
        id: RawItemId::new(),
        received_at: domain::Clock::system().now(),
    }
}

/// A thousand changes of a contact, the oldest of them a day old.
const CROWD: &str = "INSERT INTO parked_changes
         (id, tenant_id, channel_id, contact_id, direction, external_id, content, occurred_at,
          created_at)
     SELECT gen_random_uuid(), $1, $2, $3, 'inbound', 'm' || n, '{\"type\": \"revoke\"}', now(),
            now() - interval '1 day' + n * interval '1 second'
     FROM generate_series($4::bigint, $5) AS n";

#[tokio::test]
async fn the_oldest_changes_of_a_channel_make_room_and_other_channels_keep_theirs() {
    let world = World::new().await;
    let full = world.channel(ChannelKind::Whatsapp, Some("1")).await;
    let quiet = world.channel(ChannelKind::Messenger, Some("2")).await;
    let mut tx = world.db.tenant(world.one).await.unwrap();
    let contact_of = async |channel, tx: &mut _| -> ContactId {
        contacts::upsert(tx, channel, "ana", "ana", None)
            .await
            .unwrap()
    };
    let (busy, other) = (
        contact_of(full, &mut tx).await,
        contact_of(quiet, &mut tx).await,
    );
    tx.commit().await.unwrap();
    // The oldest is the first of them; the quiet channel's is older than all.
    for (channel, contact, from, until) in [(full, busy, 1, MAX_OF_CHANNEL), (quiet, other, 0, 0)] {
        sqlx::query(CROWD)
            .bind(world.one.as_uuid())
            .bind(channel.as_uuid())
            .bind(contact.as_uuid())
            .bind(from)
            .bind(until)
            .execute(world.database.pool())
            .await
            .unwrap();
    }
    let target = |channel_id, contact_id, external_id| Target {
        channel_id,
        contact_id,
        direction: Direction::Inbound,
        external_id,
    };
    let mut tx = world.db.tenant(world.one).await.unwrap();
    let newest = target(full, busy, "new");
    parked_changes::park(&mut tx, &newest, &edit(), told_by())
        .await
        .unwrap();
    assert_eq!(
        parked_changes::count_of_contact(&mut tx, busy)
            .await
            .unwrap(),
        MAX_OF_CHANNEL
    );
    let mut took = async |target: Target<'static>| {
        let taken = parked_changes::take(&mut tx, &target).await.unwrap();
        taken.is_some()
    };
    assert!(!took(target(full, busy, "m1")).await);
    assert!(took(target(full, busy, "m2")).await);
    assert!(took(target(full, busy, "new")).await);
    assert!(took(target(quiet, other, "m0")).await);
}

#[tokio::test]
async fn a_change_of_one_tenant_is_nothing_to_another() {
    let world = World::new().await;
    let channel_id = world.channel(ChannelKind::Whatsapp, Some("1")).await;
    let mut tx = world.db.tenant(world.one).await.unwrap();
    let contact_id = contacts::upsert(&mut tx, channel_id, "ana", "ana", None)
        .await
        .unwrap();
    let target = Target {
        channel_id,
        contact_id,
        direction: Direction::Inbound,
        external_id: "m",
    };
    parked_changes::park(&mut tx, &target, &edit(), told_by())
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let mut tx = world.db.tenant(world.other).await.unwrap();
    assert_eq!(parked_changes::take(&mut tx, &target).await.unwrap(), None);
    let now = domain::Clock::system().now();
    let later = now + chrono::TimeDelta::days(1);
    let deleted = parked_changes::delete_older_of_tenant(&mut tx, later, 10).await;
    assert_eq!(deleted.unwrap(), 0);
    drop(tx);
    let mut tx = world.db.system().await.unwrap();
    assert_eq!(
        parked_changes::delete_older(&mut tx, now - chrono::TimeDelta::days(1))
            .await
            .unwrap(),
        0
    );
    assert_eq!(
        parked_changes::delete_older(&mut tx, later).await.unwrap(),
        1
    );
}

/// An item of a channel's that told of a change.
async fn item(world: &World, channel: ChannelId) -> RawItemAt {
    let at = told_by();
    let new = NewRawItem {
        id: at.id,
        received_at: at.received_at,
        channel_kind: ChannelKind::Whatsapp,
        owner: Some((world.one, channel)),
        payload: Some(json!({})),
        body: None,
        outcome: RawOutcome::Done,
        error: None,
    };
    let mut tx = world.db.system().await.unwrap();
    raw_items::insert(&mut tx, &new).await.unwrap();
    tx.commit().await.unwrap();
    at
}

/// Why items failed, by their ids.
async fn failed(tx: &mut SystemTx) -> Vec<(RawItemId, String)> {
    let page = raw_items::list(tx, RawOutcome::Failed, None, 10).await;
    let items = page.unwrap().data.into_iter();
    items.map(|item| (item.id, item.error.unwrap())).collect()
}

#[tokio::test]
async fn the_item_of_a_change_whose_message_never_comes_says_so() {
    let world = World::new().await;
    let channel_id = world.channel(ChannelKind::Whatsapp, Some("1")).await;
    let mut tx = world.db.tenant(world.one).await.unwrap();
    let contact_id = contacts::upsert(&mut tx, channel_id, "ana", "ana", None)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let park = async |tx: &mut TenantTx, external_id: &str, at: RawItemAt| {
        let target = Target {
            channel_id,
            contact_id,
            direction: Direction::Inbound,
            external_id,
        };
        parked_changes::park(tx, &target, &edit(), at)
            .await
            .unwrap();
    };
    let [first, second, third] = [
        item(&world, channel_id).await,
        item(&world, channel_id).await,
        item(&world, channel_id).await,
    ];
    let mut tx = world.db.tenant(world.one).await.unwrap();
    park(&mut tx, "first", first).await;
    tx.commit().await.unwrap();
    sqlx::query("UPDATE parked_changes SET created_at = created_at - interval '2 days'")
        .execute(world.database.pool())
        .await
        .unwrap();
    sqlx::query(CROWD)
        .bind(world.one.as_uuid())
        .bind(channel_id.as_uuid())
        .bind(contact_id.as_uuid())
        .bind(1_i64)
        .bind(MAX_OF_CHANNEL)
        .execute(world.database.pool())
        .await
        .unwrap();
    let mut tx = world.db.tenant(world.one).await.unwrap();
    park(&mut tx, "second", second).await;
    let later = domain::Clock::system().now() + chrono::TimeDelta::days(1);
    let deleted = parked_changes::delete_older_of_tenant(&mut tx, later, 5_000).await;
    assert_eq!(deleted.unwrap(), MAX_OF_CHANNEL.unsigned_abs());
    park(&mut tx, "third", third).await;
    tx.commit().await.unwrap();
    let mut tx = world.db.system().await.unwrap();
    let deleted = parked_changes::delete_older(&mut tx, later).await;
    assert_eq!(deleted.unwrap(), 1);
    let found = failed(&mut tx).await;
    assert_eq!(found.len(), 3, "{found:?}");
    for (item, why) in [
        (first, MADE_ROOM),
        (second, NEVER_CAME),
        (third, NEVER_CAME),
    ] {
        assert!(found.contains(&(item.id, why.to_owned())), "{found:?}");
    }
}
