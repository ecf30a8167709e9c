//! Who answers when the first choice cannot, and what it costs.

use std::sync::Arc;

use assistant::providers::Providers;
use domain::{
    Author, BudgetSettings, CallOutcome, CallPurpose, DocumentStatus, EmbeddingSettings, Health,
    LlmChoice, LlmSettings, MessageStatus, TenantSettings, WhenSpent,
};
use llm::HashedNgrams;
use secrets::row_context;
use serde_json::json;
use store::model_calls::{self, ModelCall};
use store::tenants::{self, SECRETS_COLUMN, TenantValues};
use testkit::standin::{OpenAiBehaviour, OpenAiFault, OpenAiOptions, OpenAiServer, Receiver};

use crate::looks::eventually;
use crate::stage::{PATIENCE, Stage, settings};
use crate::vectors::embedders;

impl Stage {
    /// The calls to models so far, oldest first.
    pub(crate) async fn calls(&self) -> Vec<ModelCall> {
        let mut tx = self.assistant.db.tenant(self.tenant).await.unwrap();
        let page = model_calls::list(&mut tx, None, None, 100).await.unwrap();
        page.data.into_iter().rev().collect()
    }

    /// What is shown to the tenant of its provider at this place.
    pub(crate) async fn health(&self, place: usize) -> (Health, Option<String>) {
        let providers = Providers::new(self.assistant.clone());
        let listed = providers.list(self.tenant).await.unwrap();
        let health = listed.chain[place].health.clone().unwrap();
        (health.health, health.fault)
    }

    /// Seals the tenant's own keys.
    pub(crate) async fn set_keys(&self, settings: &TenantSettings, keys: serde_json::Value) {
        let (table, column) = SECRETS_COLUMN;
        let context = row_context(table, column, self.tenant.as_uuid());
        let secrets = json!({"llm_api_keys": keys});
        let sealed = self
            .assistant
            .keyring
            .seal_json(&context, &secrets)
            .unwrap();
        let values = TenantValues {
            name: "Shop",
            enabled: true,
            settings,
            sealed_secrets: Some(&sealed),
        };
        let mut tx = self.assistant.db.tenant(self.tenant).await.unwrap();
        tenants::update(&mut tx, &values).await.unwrap();
        tx.commit().await.unwrap();
    }
}

fn choice(provider: &str, base_url: Option<String>) -> LlmChoice {
    LlmChoice {
        provider: provider.to_owned(),
        base_url: base_url.map(|url| url.parse().unwrap()),
        ..LlmChoice::default()
    }
}

fn with_fallbacks(fallbacks: Vec<LlmChoice>) -> TenantSettings {
    TenantSettings {
        llm: LlmSettings {
            fallbacks,
            ..settings().llm
        },
        ..settings()
    }
}

pub(crate) fn with_budget(monthly: i64, when_spent: WhenSpent) -> TenantSettings {
    TenantSettings {
        budget: BudgetSettings {
            monthly_microdollars: Some(monthly),
            when_spent,
            ..BudgetSettings::default()
        },
        ..settings()
    }
}

#[tokio::test]
async fn an_answer_leaves_its_call_with_what_it_took_and_cost() {
    let mut settings = settings();
    settings.llm.model = "gpt-4o-mini".to_owned();
    let stage = Stage::start_with(settings).await;
    stage.say("Do you sell tea?").await;
    stage.answer(MessageStatus::Sent).await;
    stage.rest_in_peace().await;
    let calls = stage.calls().await;
    assert_eq!(calls.len(), 1);
    let call = &calls[0];
    assert_eq!(call.outcome, CallOutcome::Completed);
    assert_eq!(call.purpose, CallPurpose::Answer);
    assert_eq!(call.conversation_id, Some(stage.conversation().await));
    assert_eq!(
        (call.provider.as_str(), call.model.as_str()),
        ("openai", "gpt-4o-mini")
    );
    assert!(!call.is_fallback && !call.own_key && !call.is_estimated);
    assert!(call.tokens.input > 0 && call.tokens.output > 0);
    // 0.15 and 0.60 dollars for a million.
    let exact = call.tokens.input * 15 + call.tokens.output * 60;
    assert_eq!(call.cost_microdollars, Some((exact + 50) / 100));
    assert!(call.first_event_ms <= Some(call.duration_ms));
    let sums = "model_usage WHERE calls = 1 AND failed_calls = 0 AND unpriced_calls = 0";
    assert_eq!(stage.count(sums).await, 1);
    assert_eq!(stage.health(0).await, (Health::Healthy, None));
}

#[tokio::test]
async fn another_address_answers_with_its_own_key_while_the_first_is_down() {
    let second = OpenAiServer::start(OpenAiOptions {
        api_key: Some("sk-second".to_owned()),
        ..OpenAiOptions::default()
    })
    .await
    .unwrap();
    let fallback = choice("openai", Some(second.base_url()));
    let account = fallback.account();
    let settings = with_fallbacks(vec![fallback]);
    let mut stage = Stage::set(settings.clone(), Arc::new(HashedNgrams)).await;
    let keys = json!({account.clone(): "sk-second", "anthropic": "sk-other"});
    stage.set_keys(&settings, keys).await;
    stage.model.otherwise(OpenAiFault::ServerError);
    second.otherwise(OpenAiBehaviour::text("From the second."));
    stage.work().await;
    stage.say("Do you sell tea?").await;
    let answer = stage.answer(MessageStatus::Sent).await;
    assert_eq!(answer.text, "From the second.");
    assert_eq!(answer.author, Author::Assistant);
    stage.rest_in_peace().await;
    // The first was asked as often as it is worth, and with its own key.
    let first = stage.model.received();
    assert_eq!(first.len(), 3);
    assert_eq!(first[0].api_key.as_deref(), Some("the-platforms-key"));
    assert_eq!(second.received().len(), 1);
    let calls = stage.calls().await;
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0].fault.as_deref(), Some("unavailable"));
    assert_eq!((calls[0].tokens.input, calls[0].is_fallback), (0, false));
    assert!(calls[1].is_fallback && calls[1].own_key);
    assert_eq!(calls[1].account, account);
    // Nobody said what that server costs.
    assert_eq!(calls[1].cost_microdollars, None);
    let (health, fault) = stage.health(0).await;
    assert_eq!(
        (health, fault.as_deref()),
        (Health::Degraded, Some("unavailable"))
    );
    assert_eq!(stage.health(1).await, (Health::Healthy, None));
}

#[tokio::test]
async fn a_refused_key_is_shown_and_asked_once_and_the_builtin_answerer_answers() {
    let stage = Stage::start_with(with_fallbacks(vec![choice("builtin", None)])).await;
    stage.model.otherwise(OpenAiFault::Unauthorized);
    stage.say("Do you sell tea?").await;
    let answer = stage.answer(MessageStatus::Sent).await;
    assert_eq!(answer.author, Author::Assistant);
    stage.rest_in_peace().await;
    assert_eq!(stage.model.received().len(), 1);
    let calls = stage.calls().await;
    assert_eq!(calls[0].fault.as_deref(), Some("key_refused"));
    assert_eq!(
        (calls[1].provider.as_str(), calls[1].is_fallback),
        ("builtin", true)
    );
    assert_eq!(calls[1].cost_microdollars, Some(0));
    let (health, fault) = stage.health(0).await;
    assert_eq!(
        (health, fault.as_deref()),
        (Health::Down, Some("key_refused"))
    );
}

#[tokio::test]
async fn a_refused_key_without_a_fallback_is_shown_and_not_tried_again() {
    let stage = Stage::start().await;
    stage.model.otherwise(OpenAiFault::Unauthorized);
    stage.say("Do you sell tea?").await;
    let answer = stage.answer(MessageStatus::Sent).await;
    assert_eq!(answer.text, settings().fallback_text);
    stage.rest().await;
    assert_eq!(stage.model.received().len(), 1);
    let (health, fault) = stage.health(0).await;
    assert_eq!(
        (health, fault.as_deref()),
        (Health::Down, Some("key_refused"))
    );
    let calls = stage.calls().await;
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].outcome, CallOutcome::Failed);
    assert_eq!(calls[0].cost_microdollars, Some(0));
}

#[tokio::test]
async fn what_the_model_does_not_take_is_left_to_the_next() {
    let stage = Stage::start_with(with_fallbacks(vec![choice("builtin", None)])).await;
    stage.model.otherwise(OpenAiFault::Unsupported);
    stage.say("Do you sell tea?").await;
    let answer = stage.answer(MessageStatus::Sent).await;
    assert_eq!(answer.author, Author::Assistant);
    stage.rest_in_peace().await;
    assert_eq!(stage.model.received().len(), 1);
    let calls = stage.calls().await;
    assert_eq!(calls[0].fault.as_deref(), Some("unsupported"));
    assert_eq!(calls[1].provider, "builtin");
}

#[tokio::test]
async fn what_is_too_long_whatever_is_left_out_is_left_to_the_next() {
    let stage = Stage::start_with(with_fallbacks(vec![choice("builtin", None)])).await;
    stage.model.otherwise(OpenAiFault::ContextTooLong);
    stage.say("Do you sell tea?").await;
    let answer = stage.answer(MessageStatus::Sent).await;
    assert_eq!(answer.author, Author::Assistant);
    stage.rest_in_peace().await;
    // With less and less in it, and only then by another.
    assert_eq!(stage.model.received().len(), 5);
    let providers: Vec<String> = stage
        .calls()
        .await
        .into_iter()
        .map(|it| it.provider)
        .collect();
    assert_eq!(providers.last().map(String::as_str), Some("builtin"));
    assert_eq!(providers.len(), 6);
}

#[tokio::test]
async fn an_answer_that_breaks_off_midway_is_nobody_elses_to_finish() {
    let stage = Stage::start_with(with_fallbacks(vec![choice("builtin", None)])).await;
    stage.model.script([OpenAiBehaviour {
        fault: Some(OpenAiFault::CutStream { after_chunks: 2 }),
        ..OpenAiBehaviour::text("Yes, we sell green tea and black tea.")
    }]);
    stage.say("Do you sell tea?").await;
    let answer = stage.answer(MessageStatus::Sent).await;
    assert_eq!(answer.text, "Answer to: Do you sell tea?");
    stage.rest_in_peace().await;
    let calls = stage.calls().await;
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0].fault.as_deref(), Some("broken_stream"));
    // What was read and said before it broke is on the bill.
    assert!(calls[0].is_estimated && calls[0].tokens.output > 0);
    assert!(calls[0].cost_microdollars > Some(0));
    assert_eq!(calls[1].provider, "openai");
}

#[tokio::test]
async fn an_answer_that_comes_too_late_and_one_that_is_dropped_cost_money_all_the_same() {
    let stage = Stage::start_with(TenantSettings {
        answer_deadline_seconds: 1,
        ..settings()
    })
    .await;
    stage.model.otherwise(OpenAiFault::Hang);
    stage.say("Do you sell tea?").await;
    stage.answer(MessageStatus::Sent).await;
    stage.rest().await;
    let calls = eventually("the call is stored", async || {
        Some(stage.calls().await).filter(|calls| !calls.is_empty())
    })
    .await;
    assert_eq!(calls[0].outcome, CallOutcome::Dropped);
    assert!(calls[0].is_estimated && calls[0].tokens.input > 0);
    assert!(calls[0].cost_microdollars > Some(0));

    let stage = Stage::start().await;
    stage.model.script([
        OpenAiBehaviour {
            // It is given up long before.
            first_token_ms: 10_000,
            ..OpenAiBehaviour::text("too early")
        },
        OpenAiBehaviour::text("both"),
    ]);
    stage.say("Do you sell tea?").await;
    stage.model.wait_for(1, PATIENCE).await.unwrap();
    stage.say("Green tea, I mean").await;
    stage.answer(MessageStatus::Sent).await;
    stage.rest_in_peace().await;
    let outcomes: Vec<_> = stage
        .calls()
        .await
        .iter()
        .map(|call| call.outcome)
        .collect();
    assert_eq!(outcomes, [CallOutcome::Dropped, CallOutcome::Completed]);
    assert_eq!(stage.outbound().await.len(), 1);
}

#[tokio::test]
async fn a_spent_budget_stops_answers_for_a_reason_that_is_seen_and_is_told_once() {
    let stage = Stage::start_with(with_budget(1, WhenSpent::Stop)).await;
    let receiver = Receiver::start(0).await.unwrap();
    stage.endpoint(receiver.url()).await;
    stage.say("Do you sell tea?").await;
    let sent = stage.graph.wait_for(1, PATIENCE).await.unwrap();
    assert_eq!(sent[0].text, "Answer to: Do you sell tea?");
    for nth in 2..4 {
        stage.say("And coffee?").await;
        let sent = stage.graph.wait_for(nth, PATIENCE).await.unwrap();
        assert_eq!(sent[nth - 1].text, settings().fallback_text);
    }
    stage.rest().await;
    assert_eq!(stage.model.received().len(), 1);
    let reasons: Vec<String> = sqlx::query_scalar("SELECT reason FROM dead_jobs")
        .fetch_all(stage.database.pool())
        .await
        .unwrap();
    assert_eq!(reasons.len(), 2);
    for reason in reasons {
        assert!(
            reason.starts_with("the budget of ") && reason.ends_with(" is spent"),
            "{reason}"
        );
    }
    let told = stage.events().await;
    let budget: Vec<_> = told
        .iter()
        .filter(|event| event.starts_with("budget."))
        .collect();
    assert_eq!(budget, ["budget.exhausted"], "{told:?}");
}

#[tokio::test]
async fn a_spent_budget_leaves_the_builtin_answerer_where_the_tenant_wants_it() {
    let stage = Stage::start_with(with_budget(1, WhenSpent::Builtin)).await;
    stage.say("Do you sell tea?").await;
    stage.graph.wait_for(1, PATIENCE).await.unwrap();
    stage.say("And coffee?").await;
    let sent = stage.graph.wait_for(2, PATIENCE).await.unwrap();
    assert_ne!(sent[1].text, settings().fallback_text);
    stage.rest_in_peace().await;
    assert_eq!(stage.model.received().len(), 1);
    let calls = stage.calls().await;
    assert_eq!(
        (calls[1].provider.as_str(), calls[1].is_fallback),
        ("builtin", true)
    );
}

#[tokio::test]
async fn a_warning_is_told_at_its_share_and_all_goes_on() {
    // The first answer costs a few micro-dollars: a share of this, and not all.
    let stage = Stage::start_with(TenantSettings {
        budget: BudgetSettings {
            monthly_microdollars: Some(500),
            warn_percent: 1,
            when_spent: WhenSpent::Stop,
        },
        ..settings()
    })
    .await;
    let receiver = Receiver::start(0).await.unwrap();
    stage.endpoint(receiver.url()).await;
    for nth in 1..3 {
        stage.say("Do you sell tea?").await;
        stage.graph.wait_for(nth, PATIENCE).await.unwrap();
    }
    stage.rest_in_peace().await;
    assert_eq!(stage.model.received().len(), 2);
    let told = stage.events().await;
    let budget: Vec<_> = told
        .iter()
        .filter(|event| event.starts_with("budget."))
        .collect();
    assert_eq!(budget, ["budget.warning"], "{told:?}");
}

#[tokio::test]
async fn the_vector_of_a_question_is_a_call_of_its_conversation() {
    let embedding = EmbeddingSettings {
        provider: "openai".to_owned(),
        ..EmbeddingSettings::default()
    };
    let settings = TenantSettings {
        embedding: Some(embedding),
        ..settings()
    };
    let mut stage = Stage::set(settings, Arc::new(HashedNgrams)).await;
    stage.assistant.embedders = Arc::new(embedders(&stage));
    stage.work().await;
    let text = "Returns are free for fourteen days.";
    let id = stage.upload("a.txt", "text/plain", text.as_bytes()).await;
    stage.stands(id, DocumentStatus::Ready).await;
    stage.say("Are returns free?").await;
    stage.answer(MessageStatus::Sent).await;
    stage.rest_in_peace().await;
    let conversation = Some(stage.conversation().await);
    let call = eventually("the search's call", async || {
        let calls = stage.calls().await;
        calls
            .into_iter()
            .find(|call| call.purpose == CallPurpose::Search)
    })
    .await;
    assert_eq!(call.conversation_id, conversation);
    assert_eq!(
        (call.provider.as_str(), call.outcome),
        ("openai", CallOutcome::Completed)
    );
    assert!(call.tokens.input > 0 && call.cost_microdollars.is_some());
}
