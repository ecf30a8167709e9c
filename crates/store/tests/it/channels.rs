use domain::{ChannelId, ChannelKind};
use serde_json::json;
use store::channels::{self, ChannelValues, EXTERNAL_ID_KEY};

use crate::world::World;

#[tokio::test]
async fn a_channel_is_its_tenants_alone() {
    let world = World::new().await;
    let id = world.channel(ChannelKind::Webchat, None).await;
    let mut foreign = world.db.tenant(world.other).await.unwrap();
    assert!(channels::find(&mut foreign, id).await.unwrap().is_none());
    assert!(
        channels::list(&mut foreign, None, 10)
            .await
            .unwrap()
            .data
            .is_empty()
    );
    assert!(!channels::delete(&mut foreign, id).await.unwrap());
    let mut own = world.db.tenant(world.one).await.unwrap();
    assert_eq!(
        channels::get(&mut own, id).await.unwrap().kind,
        ChannelKind::Webchat
    );
}

#[tokio::test]
async fn a_number_is_connected_once_over_all_tenants() {
    let world = World::new().await;
    world.channel(ChannelKind::Whatsapp, Some("200")).await;
    let mut tx = world.db.tenant(world.other).await.unwrap();
    let config = json!({});
    let values = ChannelValues {
        name: "Same",
        enabled: true,
        config: &config,
        sealed_secrets: None,
        external_id: Some("200"),
    };
    let taken = channels::insert(&mut tx, ChannelId::new(), ChannelKind::Whatsapp, &values).await;
    assert!(taken.unwrap_err().violates(EXTERNAL_ID_KEY));
}

#[tokio::test]
async fn intake_finds_channels_of_any_tenant() {
    let world = World::new().await;
    let phone = world.channel(ChannelKind::Whatsapp, Some("200")).await;
    let chat = world.channel(ChannelKind::Webchat, None).await;
    let mut tx = world.db.system().await.unwrap();
    let found = channels::find_any(&mut tx, chat).await.unwrap().unwrap();
    assert_eq!(found.tenant_id, world.one);
    let named = ["200".to_owned(), "300".to_owned()];
    let named = channels::list_by_external_ids(&mut tx, ChannelKind::Whatsapp, &named).await;
    let named: Vec<_> = named
        .unwrap()
        .into_iter()
        .map(|channel| channel.id)
        .collect();
    assert_eq!(named, [phone]);
}

#[tokio::test]
async fn a_verify_token_is_found_by_its_hash_until_the_secrets_change() {
    let world = World::new().await;
    let phone = world.channel(ChannelKind::Whatsapp, Some("200")).await;
    let mut tx = world.db.system().await.unwrap();
    let kind = ChannelKind::Whatsapp;
    let unhashed = channels::list_unhashed(&mut tx, kind, None, 10).await;
    let unhashed = unhashed.unwrap();
    assert_eq!(unhashed.len(), 1);
    assert_eq!(unhashed[0].sealed_secrets.as_deref(), Some(&b"sealed"[..]));
    let after = channels::list_unhashed(&mut tx, kind, Some(phone), 10).await;
    assert!(after.unwrap().is_empty());
    // Read before somebody changed them: what was hashed is not theirs.
    let mut stale = unhashed[0].clone();
    stale.sealed_secrets = Some(b"other".to_vec());
    channels::set_verify_token_hash(&mut tx, &stale, b"hash")
        .await
        .unwrap();
    let hashes = [b"another".to_vec(), b"hash".to_vec()];
    let has = channels::has_verify_token(&mut tx, kind, &hashes).await;
    assert!(!has.unwrap());
    channels::set_verify_token_hash(&mut tx, &unhashed[0], b"hash")
        .await
        .unwrap();
    let has = channels::has_verify_token(&mut tx, kind, &hashes).await;
    assert!(has.unwrap());
    let of_pages = channels::has_verify_token(&mut tx, ChannelKind::Messenger, &hashes).await;
    assert!(!of_pages.unwrap());
    let left = channels::list_unhashed(&mut tx, kind, None, 10).await;
    assert!(left.unwrap().is_empty());
}
