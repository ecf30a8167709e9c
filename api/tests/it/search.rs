use domain::{ChunkId, DocumentId, TenantId};
use llm::{Embedder, HashedNgrams};
use rag::keyword::{self, Indexable, Vocabulary};
use serde_json::{Value, json};
use store::chunks::{self, NewChunk};
use store::embedding_sets::{self, Maker};
use store::{chunk_embeddings, documents};
use testkit::standin::{OpenAiFault, OpenAiOptions, OpenAiServer};

use crate::server::{ADMIN_KEY, TestServer};

/// Whose vectors an embedder makes.
pub(crate) fn maker_of(embedder: &dyn Embedder) -> Maker<'_> {
    Maker {
        provider: embedder.provider(),
        model: embedder.model(),
        dimensions: embedder.dimensions().try_into().unwrap(),
        embedder: embedder.key().into(),
        base_url: None,
    }
}

/// Adds a document whose only passage can be searched at once.
pub(crate) async fn add_ready(server: &TestServer, tenant: &str, name: &str, text: &str) -> String {
    let body = json!({"name": name, "text": text});
    let path = format!("{tenant}/documents");
    let queued = server.post(ADMIN_KEY, &path, body).await.expect(202);
    let id = queued["id"].as_str().unwrap().to_owned();
    let document: DocumentId = id.parse().unwrap();
    let tenant = tenant.rsplit('/').next().unwrap().parse().unwrap();
    let chunk = NewChunk {
        id: ChunkId::new(),
        ordinal: 0,
        text: text.to_owned(),
        token_count: 10,
        page: Some(2),
        heading: Some("Rules".to_owned()),
        char_start: 7,
        char_end: 40,
    };
    let vector = HashedNgrams::vector(text);
    let mut tx = server.state.db.tenant(tenant).await.unwrap();
    chunks::insert_many(&mut tx, document, 1, std::slice::from_ref(&chunk))
        .await
        .unwrap();
    let words = Indexable {
        ordinal: 0,
        heading: chunk.heading.as_deref(),
        text,
    };
    keyword::index(
        &mut tx,
        document,
        1,
        &mut Vocabulary::new("simple"),
        &[words],
    )
    .await
    .unwrap();
    let maker = maker_of(&HashedNgrams);
    let sets = embedding_sets::ensure_live(&mut tx, &maker).await.unwrap();
    chunk_embeddings::insert_many(&mut tx, &sets[0], vec![(chunk.id, vector)])
        .await
        .unwrap();
    let counts = chunks::count_version(&mut tx, document, 1).await.unwrap();
    documents::switch_version(&mut tx, document, 1, 1, counts.term_count)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    id
}

/// Puts a live set by the tenant's own embedder in the place of whatever there is.
pub(crate) async fn live_by_settings(server: &TestServer, tenant: &str) {
    let id: TenantId = tenant.rsplit('/').next().unwrap().parse().unwrap();
    let mut tx = server.state.db.tenant(id).await.unwrap();
    let settings = store::tenants::get(&mut tx).await.unwrap().settings;
    tx.commit().await.unwrap();
    sqlx::query("DELETE FROM embedding_sets")
        .execute(server.database.pool())
        .await
        .unwrap();
    let embedders = &server.state.assistant.embedders;
    let embedder = embedders
        .for_tenant(settings.embedding.as_ref(), None)
        .unwrap();
    let mut tx = server.state.db.tenant(id).await.unwrap();
    embedding_sets::ensure_live(&mut tx, &maker_of(&*embedder))
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

fn titles(found: &Value) -> Vec<&str> {
    let results = found["results"].as_array().unwrap().iter();
    results.map(|one| one["title"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_search_tells_place_scores_and_times() {
    let server = TestServer::start().await;
    let (tenant, key) = server.tenant("Shop").await;
    let path = format!("{tenant}/search");
    let text = "returns are free for fourteen days";
    let returns = add_ready(&server, &tenant, "Returns", text).await;
    add_ready(&server, &tenant, "Opening", "open from nine to five").await;
    let asked = json!({"query": "returns are free", "top_k": 1});
    let found = server.post(&key, &path, asked).await.expect(200);
    assert_eq!(titles(&found), ["Returns"]);
    let best = &found["results"][0];
    assert_eq!(best["document_id"], returns);
    assert_eq!(best["text"], text);
    assert_eq!(
        (&best["page"], &best["heading"]),
        (&json!(2), &json!("Rules"))
    );
    assert_eq!(
        (&best["char_start"], &best["char_end"]),
        (&json!(7), &json!(40))
    );
    let scores = &best["scores"];
    for score in ["fused", "keyword", "vector"] {
        assert!(scores[score].as_f64().unwrap() > 0.0, "{scores}");
    }
    assert_eq!(scores["rerank"], Value::Null);
    assert_eq!(found["by_vector"], true);
    let total = found["timings"]["total_ms"].as_f64().unwrap();
    assert!(total > 0.0, "{}", found["timings"]);
}

#[tokio::test]
async fn weights_fusion_and_documents_change_what_is_found() {
    let server = TestServer::start().await;
    let (tenant, key) = server.tenant("Shop").await;
    let path = format!("{tenant}/search");
    let one = add_ready(&server, &tenant, "One", "returns are free").await;
    let other = add_ready(&server, &tenant, "Other", "returns cost five euros").await;
    let search = async |mut body: Value| {
        body["query"] = json!("are returns free");
        server.post(&key, &path, body).await.expect(200)
    };
    let all = search(json!({})).await;
    assert_eq!(titles(&all), ["One", "Other"]);
    let some = search(json!({"document_ids": [other]})).await;
    assert_eq!(titles(&some), ["Other"]);
    let none = search(json!({"document_ids": [uuid::Uuid::nil()]})).await;
    assert_eq!(titles(&none), Vec::<&str>::new());
    let ranks = search(json!({"fusion": "rrf"})).await;
    assert_eq!(ranks["results"][0]["scores"]["fused"], 1.0);
    let words = search(json!({"keyword_weight": 1.0, "vector_weight": 0.0})).await;
    assert_eq!(words["results"][0]["scores"]["fused"], 1.0);
    let near = search(json!({"min_similarity": 1.0})).await;
    assert_eq!(near["results"][1]["scores"]["vector"], Value::Null);
    // What is disabled is not searched, and back at once.
    let document = format!("{tenant}/documents/{one}");
    for (enabled, expected) in [(false, vec!["Other"]), (true, vec!["One", "Other"])] {
        server
            .put(&key, &document, json!({"enabled": enabled}))
            .await
            .expect(200);
        assert_eq!(titles(&search(json!({})).await), expected);
    }
}

#[tokio::test]
async fn a_search_that_makes_no_sense_is_refused_with_its_fields() {
    let server = TestServer::start().await;
    let (tenant, key) = server.tenant("Shop").await;
    let path = format!("{tenant}/search");
    for (body, field) in [
        (json!({}), "query"),
        (json!({"query": " "}), "query"),
        (json!({"query": "x".repeat(2001)}), "query"),
        (json!({"query": "x", "top_k": 0}), "top_k"),
        (json!({"query": "x", "top_k": 21}), "top_k"),
        (
            json!({"query": "x", "keyword_weight": -0.1}),
            "keyword_weight",
        ),
        (json!({"query": "x", "vector_weight": 1.1}), "vector_weight"),
        (json!({"query": "x", "min_similarity": 2}), "min_similarity"),
        (json!({"query": "x", "fusion": "sum"}), "fusion"),
        (json!({"query": "x", "document_ids": []}), "document_ids"),
        (
            json!({"query": "x", "document_ids": ["y"]}),
            "document_ids[0]",
        ),
        (json!({"query": "x", "tenant_id": "y"}), "tenant_id"),
    ] {
        let refused = server.post(&key, &path, body.clone()).await;
        assert_eq!(refused.problem(422), "invalid_request", "{body}");
        assert_eq!(
            refused.json()["errors"][0]["field"],
            field,
            "{}",
            refused.text
        );
    }
}

#[tokio::test]
async fn a_tenant_that_searches_too_much_is_told_to_wait_and_no_other() {
    let server = TestServer::with_searches(3).await;
    let (tenant, key) = server.tenant("Shop").await;
    let (other, _) = server.tenant("Other").await;
    let asked = json!({"query": "returns"});
    let mut refused = None;
    for _ in 0..30 {
        let answer = server
            .post(&key, &format!("{tenant}/search"), asked.clone())
            .await;
        if answer.status.as_u16() == 429 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.unwrap();
    assert_eq!(refused.problem(429), "rate_limited");
    assert!(refused.header("retry-after").parse::<u32>().unwrap() >= 1);
    // Nothing else of the tenant's waits for that, and no other tenant.
    server.get(ADMIN_KEY, &tenant).await.expect(200);
    server
        .post(ADMIN_KEY, &format!("{other}/search"), asked)
        .await
        .expect(200);
}

#[tokio::test]
async fn a_silent_embedder_leaves_the_search_its_words() {
    let server = TestServer::of_this_machine().await;
    let (tenant, key) = server.tenant("Shop").await;
    let silent = OpenAiServer::start(OpenAiOptions::default()).await.unwrap();
    let embedding = json!({"provider": "openai", "base_url": silent.base_url()});
    let change = json!({"settings": {"embedding": embedding}});
    server.put(&key, &tenant, change).await.expect(200);
    add_ready(&server, &tenant, "Returns", "returns are free").await;
    live_by_settings(&server, &tenant).await;
    silent.script_embeddings([OpenAiFault::Hang]);
    let path = format!("{tenant}/search");
    let asked = json!({"query": "are returns free"});
    let found = server.post(&key, &path, asked).await.expect(200);
    assert_eq!(silent.received().len(), 1);
    assert_eq!(found["by_vector"], false);
    assert_eq!(titles(&found), ["Returns"]);
    let waited = found["timings"]["embed_ms"].as_f64().unwrap();
    assert!((3000.0..8000.0).contains(&waited), "{waited}");
}
