//! Vectors of servers at addresses of tenants: which server is asked, and whose bill it is.

use std::sync::Arc;

use assistant::ingest;
use assistant::ingest::search::{self, Found, Query};
use domain::{
    CallPurpose, DocumentStatus, EmbeddingSettings, LlmChoice, RetrievalSettings, TenantSettings,
};
use llm::HashedNgrams;
use serde_json::json;
use testkit::standin::{OpenAiFault, OpenAiOptions, OpenAiServer};

use crate::looks::eventually;
use crate::stage::{Stage, settings};
use crate::vectors::embedders;

const TEXT: &str = "Returns are free for fourteen days.";
const QUESTION: &str = "Are returns free?";

async fn server() -> OpenAiServer {
    OpenAiServer::start(OpenAiOptions::default()).await.unwrap()
}

/// Settings of a tenant that embeds by the server's model.
fn embedding_at(server: &OpenAiServer) -> TenantSettings {
    TenantSettings {
        embedding: Some(EmbeddingSettings {
            provider: "openai".to_owned(),
            base_url: server.base_url().parse().ok(),
            ..EmbeddingSettings::default()
        }),
        ..settings()
    }
}

/// A stage with one document that is embedded by that server.
async fn stage_at(server: &OpenAiServer) -> Stage {
    let mut stage = Stage::set(embedding_at(server), Arc::new(HashedNgrams)).await;
    stage.assistant.embedders = Arc::new(embedders(&stage));
    stage.work().await;
    let id = stage.upload("a.txt", "text/plain", TEXT.as_bytes()).await;
    stage.stands(id, DocumentStatus::Ready).await;
    stage.rest_in_peace().await;
    stage
}

/// Has the vectors made anew by the model that is set.
pub(crate) async fn change_model(stage: &Stage) {
    let mut tx = stage.assistant.db.tenant(stage.tenant).await.unwrap();
    ingest::change_embedder(&mut tx).await.unwrap();
    tx.commit().await.unwrap();
}

async fn ask(stage: &Stage) -> Found {
    let query = Query {
        text: QUESTION,
        settings: &RetrievalSettings::default(),
        documents: None,
    };
    let found = search::find(&stage.assistant, stage.tenant, &query).await;
    found.unwrap()
}

/// The texts that a server was asked to embed.
fn embedded(server: &OpenAiServer) -> Vec<String> {
    let calls = server.received().into_iter();
    let calls = calls.filter(|call| call.path == "/v1/embeddings");
    calls.map(|call| call.body["input"].to_string()).collect()
}

fn says(texts: &[String], text: &str) -> usize {
    texts.iter().filter(|input| input.contains(text)).count()
}

#[tokio::test]
async fn another_address_of_the_same_model_makes_the_vectors_anew() {
    let (first, second) = (server().await, server().await);
    let stage = stage_at(&first).await;
    assert!(ask(&stage).await.by_vector);
    assert_eq!(
        (
            says(&embedded(&first), QUESTION),
            says(&embedded(&first), TEXT)
        ),
        (1, 1)
    );

    stage.change(&embedding_at(&second)).await;
    // Vectors of the one are not measured against those of the other.
    assert!(ask(&stage).await.by_vector);
    assert_eq!(says(&embedded(&first), QUESTION), 2);
    assert_eq!(embedded(&second), Vec::<String>::new());

    change_model(&stage).await;
    let live = format!(
        "embedding_sets WHERE status = 'live' AND base_url = '{}'",
        second.base_url()
    );
    eventually("the second server's vectors are live", async || {
        (stage.count(&live).await == 1).then_some(())
    })
    .await;
    stage.rest_in_peace().await;
    assert!(ask(&stage).await.by_vector);
    let (asked, made) = (
        says(&embedded(&second), QUESTION),
        says(&embedded(&second), TEXT),
    );
    assert_eq!((asked, made), (1, 1));
    assert_eq!(says(&embedded(&first), QUESTION), 2);
}

#[tokio::test]
async fn until_the_switch_the_old_model_is_asked_where_it_was_and_nowhere_else() {
    let private = server().await;
    let stage = stage_at(&private).await;
    let builtin = EmbeddingSettings::default();
    stage
        .change(&TenantSettings {
            embedding: Some(builtin),
            ..settings()
        })
        .await;
    assert!(ask(&stage).await.by_vector);
    assert_eq!(says(&embedded(&private), QUESTION), 1);
    // The platform has a key for that provider's own address, which is no reason to go there.
    assert_eq!(embedded(&stage.model), Vec::<String>::new());

    // Nor is it where nobody kept who made the vectors.
    sqlx::query("UPDATE embedding_sets SET embedder = NULL, base_url = NULL")
        .execute(stage.database.pool())
        .await
        .unwrap();
    let found = ask(&stage).await;
    assert!(!found.by_vector && !found.passages.is_empty());
    assert_eq!(says(&embedded(&private), QUESTION), 1);
    assert_eq!(embedded(&stage.model), Vec::<String>::new());
}

#[tokio::test]
async fn a_document_that_the_old_model_cannot_embed_any_more_is_there_after_the_switch() {
    let (first, second) = (server().await, server().await);
    let stage = stage_at(&first).await;
    // The key that it wants went with the address; the second one is slow to come.
    first.script_embeddings(vec![OpenAiFault::Unauthorized; 20]);
    second.script_embeddings(vec![OpenAiFault::ServerError; 9]);
    stage.change(&embedding_at(&second)).await;
    change_model(&stage).await;
    eventually("the second set is being built", async || {
        let building = "embedding_sets WHERE status = 'building'";
        (stage.count(building).await == 1).then_some(())
    })
    .await;
    let text = "We sell black tea.";
    let id = stage.upload("b.txt", "text/plain", text.as_bytes()).await;
    eventually("the first server refuses it", async || {
        (says(&embedded(&first), text) > 0).then_some(())
    })
    .await;
    let ready = eventually("the document is ready", async || {
        stage.hurry().await;
        let document = stage.document(id).await;
        assert_ne!(document.status, DocumentStatus::Failed, "{document:?}");
        (document.status == DocumentStatus::Ready).then_some(document)
    })
    .await;
    assert_eq!(ready.waiting_because, None);
    stage.rest_in_peace().await;
}

#[tokio::test]
async fn who_made_the_vectors_is_kept_where_nobody_has() {
    let own = server().await;
    let stage = stage_at(&own).await;
    sqlx::query("UPDATE embedding_sets SET embedder = NULL, base_url = NULL")
        .execute(stage.database.pool())
        .await
        .unwrap();
    // One by that name is taken for it, as long as nothing else is known.
    assert!(ask(&stage).await.by_vector);
    ingest::tend_all(&stage.assistant).await.unwrap();
    let known = format!(
        "embedding_sets WHERE status = 'live' AND base_url = '{0}'
         AND embedder = 'openai/text-embedding-3-small/1536@{0}'",
        own.base_url()
    );
    eventually("it is kept", async || {
        (stage.count(&known).await == 1).then_some(())
    })
    .await;
    stage.rest_in_peace().await;
    assert_eq!(stage.count("embedding_sets").await, 1);
    assert_eq!(says(&embedded(&own), TEXT), 1);
}

#[tokio::test]
async fn a_call_of_a_tenants_own_embedder_is_on_its_own_account() {
    let own = server().await;
    let settings = embedding_at(&own);
    let mut stage = Stage::set(settings.clone(), Arc::new(HashedNgrams)).await;
    stage.assistant.embedders = Arc::new(embedders(&stage));
    let account = LlmChoice {
        provider: "openai".to_owned(),
        base_url: own.base_url().parse().ok(),
        ..LlmChoice::default()
    }
    .account();
    let keys = json!({account.clone(): "sk-own"});
    stage.set_keys(&settings, keys).await;
    stage.work().await;
    let id = stage.upload("a.txt", "text/plain", TEXT.as_bytes()).await;
    stage.stands(id, DocumentStatus::Ready).await;
    stage.rest_in_peace().await;
    assert_eq!(own.received()[0].api_key.as_deref(), Some("sk-own"));
    let call = stage.calls().await.remove(0);
    assert_eq!(call.purpose, CallPurpose::Embedding);
    assert_eq!(
        (call.provider.as_str(), &call.account),
        ("openai", &account)
    );
    assert!(call.own_key && call.tokens.input > 0);
    // Nobody said what that server costs: not what OpenAI does.
    assert_eq!(call.cost_microdollars, None);
}
