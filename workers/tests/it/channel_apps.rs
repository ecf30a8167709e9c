//! Channels of the platform's app at Meta, and of apps of the tenants' own.

use std::sync::Arc;

use assistant::Settings;
use assistant::channel_health::{Witness, look};
use domain::{ChannelHealth, ChannelKind, ConversationStatus, MessageStatus};
use llm::HashedNgrams;
use serde_json::json;
use testkit::standin::MessengerPost;

use crate::stage::{APP_SECRET, PATIENCE, Stage, settings};

const PAGE: &str = "300000000000001";
const OWN_SECRET: &str = "the-tenants-app-secret";
/// The platform's app, and the tenant's.
const PLATFORMS: &str = "111";
const TENANTS: &str = "222";

/// A stage of a platform that has told the id of its app.
async fn stage() -> Stage {
    let mut stage = Stage::set(settings(), Arc::new(HashedNgrams)).await;
    let mut changed = Settings::clone(&stage.assistant.settings);
    changed.meta.app_id = Some(PLATFORMS.to_owned());
    stage.assistant.settings = Arc::new(changed);
    stage.work().await;
    stage
}

#[tokio::test]
async fn a_channel_of_the_tenants_own_app_is_not_looked_for_under_the_platforms() {
    let stage = stage().await;
    let mut config = json!({"page_id": PAGE, "page_access_token": format!("page-{PAGE}")});
    let platforms = stage.connect(ChannelKind::Messenger, config.clone()).await;
    config["page_id"] = "300000000000002".into();
    config["page_access_token"] = "page-300000000000002".into();
    config["app_secret"] = OWN_SECRET.into();
    let own = stage.connect(ChannelKind::Messenger, config).await;
    stage.graph.set_subscribed_app(TENANTS);
    stage.graph.refuse_subscriptions(true);
    for (channel, health) in [
        (platforms, ChannelHealth::Unsubscribed),
        (own, ChannelHealth::Working),
    ] {
        let looked = look(&stage.assistant, stage.tenant, channel, Witness::Person).await;
        let looked = looked.unwrap();
        assert_eq!(looked.health, health, "{looked:?}");
    }
}

#[tokio::test]
async fn a_conversation_passed_to_the_tenants_own_app_is_passed_to_us() {
    let stage = stage().await;
    let config = json!({
        "page_id": PAGE, "page_access_token": format!("page-{PAGE}"), "app_secret": OWN_SECRET,
    });
    stage.connect(ChannelKind::Messenger, config).await;
    let now = stage.assistant.clock.now();
    let post = async |post: MessengerPost| {
        let signed = post.sign(OWN_SECRET);
        stage.deliver_to(ChannelKind::Messenger, &signed).await;
    };
    post(MessengerPost::of_page(PAGE).text("7", "m_1", "Do you sell tea?", now)).await;
    stage.graph.wait_for(1, PATIENCE).await.unwrap();
    stage.answer(MessageStatus::Sent).await;
    for (key, new, status) in [
        (
            "take_thread_control",
            "333",
            ConversationStatus::AssignedHuman,
        ),
        ("pass_thread_control", TENANTS, ConversationStatus::Open),
    ] {
        let owners = json!({"new_owner_app_id": new, "previous_owner_app_id": "444"});
        post(MessengerPost::of_page(PAGE).from_person("7", now, key, &owners)).await;
        stage.rest_in_peace().await;
        assert_eq!(stage.standing().await.status, status, "{key}");
    }
}

#[tokio::test]
async fn a_conversation_of_the_platforms_app_that_goes_elsewhere_is_not_ours() {
    let stage = stage().await;
    let config = json!({"page_id": PAGE, "page_access_token": format!("page-{PAGE}")});
    stage.connect(ChannelKind::Messenger, config).await;
    let now = stage.assistant.clock.now();
    let post = async |post: MessengerPost| {
        let signed = post.sign(APP_SECRET);
        stage.deliver_to(ChannelKind::Messenger, &signed).await;
    };
    post(MessengerPost::of_page(PAGE).text("7", "m_1", "Do you sell tea?", now)).await;
    stage.graph.wait_for(1, PATIENCE).await.unwrap();
    stage.answer(MessageStatus::Sent).await;
    for (new, status) in [
        ("333", ConversationStatus::AssignedHuman),
        (PLATFORMS, ConversationStatus::Open),
    ] {
        let owners = json!({"new_owner_app_id": new, "previous_owner_app_id": "444"});
        let passed = MessengerPost::of_page(PAGE);
        post(passed.from_person("7", now, "pass_thread_control", &owners)).await;
        stage.rest_in_peace().await;
        assert_eq!(stage.standing().await.status, status, "{new}");
    }
}
