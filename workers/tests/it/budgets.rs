//! A spent budget holds for everything that costs money.

use std::sync::Arc;

use assistant::ingest::search::{self, Query};
use domain::{
    CallPurpose, DocumentStatus, EmbeddingSettings, RerankMethod, RetrievalSettings,
    TenantSettings, WhenSpent,
};
use llm::HashedNgrams;
use testkit::standin::Receiver;

use crate::looks::eventually;
use crate::spending::with_budget;
use crate::stage::Stage;
use crate::vectors::embedders;

/// Settings of a tenant that embeds by OpenAI and may spend so much.
fn spending(monthly: i64, when_spent: WhenSpent) -> TenantSettings {
    TenantSettings {
        embedding: Some(EmbeddingSettings {
            provider: "openai".to_owned(),
            ..EmbeddingSettings::default()
        }),
        ..with_budget(monthly, when_spent)
    }
}

async fn stage(settings: TenantSettings) -> Stage {
    let mut stage = Stage::set(settings, Arc::new(HashedNgrams)).await;
    stage.assistant.embedders = Arc::new(embedders(&stage));
    stage.work().await;
    stage
}

#[tokio::test]
async fn a_document_waits_for_a_budget_and_says_so() {
    for when_spent in [WhenSpent::Stop, WhenSpent::Builtin] {
        let stage = stage(spending(0, when_spent)).await;
        let text = "Returns are free for fourteen days.";
        let id = stage.upload("a.txt", "text/plain", text.as_bytes()).await;
        let waits = eventually("the document says what it waits for", async || {
            stage.document(id).await.waiting_because
        })
        .await;
        assert!(waits.contains("the budget of "), "{waits}");
        assert_eq!(stage.document(id).await.status, DocumentStatus::Processing);
        assert_eq!(stage.model.received().len(), 0);

        stage.change(&spending(1_000_000, when_spent)).await;
        let ready = eventually("the document is ready", async || {
            stage.hurry().await;
            let document = stage.document(id).await;
            (document.status == DocumentStatus::Ready).then_some(document)
        })
        .await;
        assert_eq!(ready.waiting_because, None);
        stage.rest_in_peace().await;
        assert_eq!(stage.model.received().len(), 1);
        stage.end().await;
    }
}

#[tokio::test]
async fn a_search_costs_nothing_once_the_budget_is_spent() {
    let ranker = Receiver::start(0).await.unwrap();
    let stage = stage(spending(1_000_000, WhenSpent::Stop)).await;
    let text = "Returns are free for fourteen days.";
    let id = stage.upload("a.txt", "text/plain", text.as_bytes()).await;
    stage.stands(id, DocumentStatus::Ready).await;
    stage.rest_in_peace().await;
    let retrieval = RetrievalSettings {
        rerank: RerankMethod::Provider,
        rerank_url: ranker.url().parse().ok(),
        ..RetrievalSettings::default()
    };
    let query = Query {
        text: "Are returns free?",
        settings: &retrieval,
        documents: None,
    };
    let ask = async || {
        let found = search::find(&stage.assistant, stage.tenant, &query).await;
        found.unwrap()
    };
    assert!(ask().await.by_vector);
    assert_eq!(
        (stage.model.received().len(), ranker.received().len()),
        (2, 1)
    );

    stage.change(&spending(0, WhenSpent::Stop)).await;
    let found = ask().await;
    assert!(!found.by_vector);
    assert_eq!(found.passages[0].passage.text, text);
    assert_eq!(
        (stage.model.received().len(), ranker.received().len()),
        (2, 1)
    );

    stage.change(&spending(0, WhenSpent::Continue)).await;
    assert!(ask().await.by_vector);
    assert_eq!(
        (stage.model.received().len(), ranker.received().len()),
        (3, 2)
    );
    let searches = eventually("the calls are stored", async || {
        let calls = stage.calls().await.into_iter();
        let searches = calls.filter(|call| call.purpose == CallPurpose::Search);
        Some(searches.count()).filter(|count| *count >= 2)
    })
    .await;
    assert_eq!(searches, 2);
}
