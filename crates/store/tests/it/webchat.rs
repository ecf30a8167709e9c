use std::net::IpAddr;

use chrono::{DateTime, TimeDelta, Utc};
use domain::{ChannelId, ChannelKind, WebchatSessionId};
use store::webchat_sessions::{self as sessions, NewWebchatSession};

use crate::world::World;

const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

fn address() -> IpAddr {
    "2001:db8::1".parse().unwrap()
}

/// A session of one hour in a chat of the first tenant's.
async fn session(world: &World) -> (WebchatSessionId, ChannelId) {
    let channel = world.channel(ChannelKind::Webchat, None).await;
    let new = NewWebchatSession {
        id: WebchatSessionId::new(),
        channel_id: channel,
        token_hash: &[9; 32],
        visitor_id: "visitor",
        address: Some(address()),
        created_at: NOW,
        expires_at: NOW + TimeDelta::hours(1),
    };
    let mut tx = world.db.tenant(world.one).await.unwrap();
    sessions::insert(&mut tx, &new).await.unwrap();
    tx.commit().await.unwrap();
    (new.id, channel)
}

#[tokio::test]
async fn a_session_takes_so_many_messages() {
    let world = World::new().await;
    let (id, _) = session(&world).await;
    let mut foreign = world.db.tenant(world.other).await.unwrap();
    assert!(!sessions::count_message(&mut foreign, id, 2).await.unwrap());
    let mut tx = world.db.tenant(world.one).await.unwrap();
    for counted in [true, true, false] {
        let done = sessions::count_message(&mut tx, id, 2).await.unwrap();
        assert_eq!(done, counted);
    }
}

#[tokio::test]
async fn a_session_is_found_by_its_token_until_it_ends() {
    let world = World::new().await;
    let (id, channel) = session(&world).await;
    let end = NOW + TimeDelta::hours(1);
    let mut tx = world.db.system().await.unwrap();
    let found = sessions::find_by_token(&mut tx, &[9; 32], NOW)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (found.id, found.tenant_id, found.channel_id),
        (id, world.one, channel)
    );
    assert!(
        sessions::find_by_token(&mut tx, &[8; 32], NOW)
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        sessions::find_by_token(&mut tx, &[9; 32], end)
            .await
            .unwrap()
            .is_none()
    );
    assert_eq!(sessions::delete_expired(&mut tx, end).await.unwrap(), 0);
    let later = end + TimeDelta::seconds(1);
    assert_eq!(sessions::delete_expired(&mut tx, later).await.unwrap(), 1);
}

#[tokio::test]
async fn sessions_are_counted_by_address_and_by_tenant() {
    let world = World::new().await;
    session(&world).await;
    let before = NOW - TimeDelta::hours(1);
    for (tenant, count) in [(world.one, 1), (world.other, 0)] {
        let mut tx = world.db.tenant(tenant).await.unwrap();
        assert_eq!(
            sessions::count_of_tenant(&mut tx, before).await.unwrap(),
            count
        );
    }
    let mut tx = world.db.system().await.unwrap();
    for (since, count) in [(before, 1), (NOW, 0)] {
        let counted = sessions::count_of_address(&mut tx, address(), since)
            .await
            .unwrap();
        assert_eq!(counted, count);
    }
}
