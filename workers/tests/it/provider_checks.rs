//! Looks at providers before a customer meets them.

use std::sync::Arc;
use std::time::Duration;

use assistant::{Settings, provider_checks};
use domain::{Health, LlmSettings, MessageStatus, TenantSettings};
use jobs::Failure;
use llm::HashedNgrams;
use serde_json::json;
use testkit::standin::{OpenAiFault, OpenAiOptions, OpenAiServer};

use crate::looks::eventually;
use crate::stage::{Stage, add_tenant, settings};
use crate::vectors::{embedders, embedders_by};

const EVERY: Duration = Duration::from_mins(15);
const TOLD: &str = "provider.health_changed";

/// A server that takes one key only.
async fn picky() -> OpenAiServer {
    OpenAiServer::start(OpenAiOptions {
        api_key: Some("sk-right".to_owned()),
        ..OpenAiOptions::default()
    })
    .await
    .unwrap()
}

/// Settings of a tenant whose model is at an address of its own.
fn at(base_url: &str) -> TenantSettings {
    TenantSettings {
        llm: LlmSettings {
            base_url: Some(base_url.parse().unwrap()),
            ..settings().llm
        },
        ..settings()
    }
}

/// A stage with looks, and somebody who is told.
async fn stage(settings: TenantSettings) -> Stage {
    let mut stage = Stage::set(settings, Arc::new(HashedNgrams)).await;
    stage.endpoint("http://127.0.0.1:1/").await;
    stage.work().await;
    // Of the test alone: the workers' own schedule has nobody looked at.
    stage.assistant.settings = Arc::new(Settings {
        provider_check: Some(EVERY),
        ..(*stage.assistant.settings).clone()
    });
    stage
}

impl Stage {
    /// Whoever is due is looked at.
    async fn look_at_due(&self) {
        provider_checks::look_at_due(&self.assistant).await.unwrap();
        self.rest_but_for_webhooks().await;
    }

    async fn look(&self, is_last: bool) -> Result<(), Failure> {
        provider_checks::look(&self.assistant, self.tenant, is_last).await
    }

    async fn told(&self) -> usize {
        let events = self.events().await;
        events.iter().filter(|event| *event == TOLD).count()
    }

    async fn looks(&self) -> i64 {
        self.count("job_history WHERE kind = 'check-accounts'")
            .await
    }
}

#[tokio::test]
async fn a_dead_key_is_told_of_before_a_customer_meets_it_and_once_more_when_it_is_mended() {
    let server = picky().await;
    let own = at(&server.base_url());
    let stage = stage(own.clone()).await;
    let account = own.llm.chain()[0].account();
    stage
        .set_keys(&own, json!({account.as_str(): "sk-wrong"}))
        .await;
    stage.look_at_due().await;
    let (health, fault) = stage.health(0).await;
    assert_eq!(
        (health, fault.as_deref()),
        (Health::Down, Some("key_refused"))
    );
    assert_eq!(stage.told().await, 1);
    // Not due again yet.
    stage.look_at_due().await;
    assert_eq!(stage.looks().await, 1);
    stage.pass(EVERY + Duration::from_secs(1));
    stage.look_at_due().await;
    assert_eq!((stage.looks().await, stage.told().await), (2, 1));
    stage
        .set_keys(&own, json!({account.as_str(): "sk-right"}))
        .await;
    stage.pass(EVERY + Duration::from_secs(1));
    stage.look_at_due().await;
    assert_eq!(stage.health(0).await.0, Health::Healthy);
    assert_eq!(stage.told().await, 2);
    let body: String = sqlx::query_scalar(
        "SELECT body FROM webhook_deliveries WHERE event_type = $1 ORDER BY seq LIMIT 1",
    )
    .bind(TOLD)
    .fetch_one(stage.database.pool())
    .await
    .unwrap();
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    let data = &body["data"];
    assert_eq!(data["account"], account);
    assert_eq!(
        (&data["purpose"], &data["health"], &data["error"]),
        (&json!("answer"), &json!("down"), &json!("key_refused"))
    );
    // Nothing was asked that costs.
    let asked = server.received();
    assert!(
        asked.iter().all(|call| call.path == "/v1/models"),
        "{asked:?}"
    );
}

#[tokio::test]
async fn who_does_not_answer_is_asked_again_before_that_counts() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let stage = stage(at(&format!("http://{address}/v1"))).await;
    let looked = stage.look(false).await;
    assert!(matches!(looked, Err(Failure::Retry(_))), "{looked:?}");
    assert_eq!(stage.count("provider_health").await, 0);
    stage.look(true).await.unwrap();
    let (health, fault) = stage.health(0).await;
    assert_eq!(
        (health, fault.as_deref()),
        (Health::Down, Some("unavailable"))
    );
    assert_eq!(stage.told().await, 1);
}

#[tokio::test]
async fn a_list_of_models_says_nothing_of_money() {
    let stage = stage(settings()).await;
    stage.model.otherwise(OpenAiFault::QuotaExceeded);
    stage.say("Do you sell tea?").await;
    stage.answer(MessageStatus::Sent).await;
    eventually("the spent account is told of", async || {
        (stage.told().await == 1).then_some(())
    })
    .await;
    stage.look(true).await.unwrap();
    let (health, fault) = stage.health(0).await;
    assert_eq!(
        (health, fault.as_deref()),
        (Health::Down, Some("quota_spent"))
    );
    assert_eq!(stage.told().await, 1);
}

#[tokio::test]
async fn an_account_that_does_well_is_left_alone_until_it_was_silent_for_long() {
    let stage = stage(settings()).await;
    stage.say("Do you sell tea?").await;
    stage.answer(MessageStatus::Sent).await;
    eventually("how the account does is known", async || {
        (stage.count("provider_health").await == 1).then_some(())
    })
    .await;
    let lists = || {
        let asked = stage.model.received();
        asked
            .iter()
            .filter(|call| call.path == "/v1/models")
            .count()
    };
    stage.look(true).await.unwrap();
    assert_eq!(lists(), 0);
    stage.pass(Duration::from_hours(1));
    stage.look(true).await.unwrap();
    assert_eq!(lists(), 1);
    assert_eq!(stage.told().await, 0);
}

#[tokio::test]
async fn what_one_tenant_brings_says_nothing_of_another_and_the_platforms_is_asked_once_for_all() {
    let server = picky().await;
    let own = at(&server.base_url());
    let mut stage = stage(own.clone()).await;
    let account = own.llm.chain()[0].account();
    stage
        .set_keys(&own, json!({account.as_str(): "sk-wrong"}))
        .await;
    let first = stage.tenant;
    for _ in 0..2 {
        stage.tenant = add_tenant(&stage.assistant, &settings()).await;
        stage.look(true).await.unwrap();
        assert_eq!(stage.health(0).await.0, Health::Healthy);
    }
    assert_eq!(stage.model.received().len(), 1);
    stage.tenant = first;
    stage.look(true).await.unwrap();
    assert_eq!(stage.health(0).await.0, Health::Down);
    assert_eq!(
        stage.count("provider_health WHERE health = 'down'").await,
        1
    );
}

#[tokio::test]
async fn the_platforms_embedder_is_looked_at_for_those_who_chose_none() {
    let mut stage = stage(TenantSettings::default()).await;
    let server = picky().await;
    stage.ask_at(&server.base_url());
    stage.assistant.embedders = Arc::new(embedders(&stage));
    stage.look_at_due().await;
    assert_eq!(stage.looks().await, 0, "all is built in");
    stage.assistant.embedders = Arc::new(embedders_by(&stage, "openai"));
    stage.look_at_due().await;
    assert_eq!(stage.looks().await, 1);
    stage.look(true).await.unwrap();
    let down = "provider_health WHERE health = 'down' AND fault = 'key_refused'";
    assert_eq!(stage.count(down).await, 1);
    assert_eq!(stage.told().await, 1);
}

#[tokio::test]
async fn nobody_is_looked_at_where_the_operator_wants_no_looks_or_all_is_built_in() {
    let mut stage = stage(settings()).await;
    let wanted = Arc::clone(&stage.assistant.settings);
    stage.assistant.settings = Arc::new(Settings {
        provider_check: None,
        ..(*wanted).clone()
    });
    stage.look_at_due().await;
    assert_eq!(stage.looks().await, 0);
    stage.assistant.settings = wanted;
    stage.change(&TenantSettings::default()).await;
    stage.look_at_due().await;
    assert_eq!(stage.looks().await, 0);
    stage.change(&settings()).await;
    stage.look_at_due().await;
    assert_eq!(stage.looks().await, 1);
}
