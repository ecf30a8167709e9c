use db::{Db, DbOptions};
use domain::{ChunkId, DocumentId, RetrievalSettings, TenantId};
use rag::chunk::{ChunkSize, split};
use rag::extract::{MediaType, read};
use rag::language::text_config;
use rag::retrieve::{Embedding, Question, Retrieved, retrieve};
use rag::terms::bigrams;
use store::chunks::{NewChunk, NewTerm};
use store::documents::{NewDocument, VersionFacts};
use store::{chunks, documents, search};
use testkit::TestDb;

const MODEL: &str = "test-3";

struct World {
    db: Db,
    tenant: TenantId,
    // Dropped last: it takes the database along.
    database: TestDb,
}

impl World {
    async fn new() -> Self {
        let database = TestDb::new().await;
        let db = Db::connect_lazy(&DbOptions::new(database.url())).unwrap();
        let tenant = add_tenant(&database).await;
        Self {
            db,
            tenant,
            database,
        }
    }

    /// Stores a text as a document that is searchable, by words and by one vector for all of it.
    async fn add(&self, tenant: TenantId, text: &str, vector: [f32; 3]) -> DocumentId {
        let id = DocumentId::new();
        let mut tx = self.db.tenant(tenant).await.unwrap();
        let document = NewDocument {
            id,
            name: "rules.txt",
            source: domain::DocumentSource::File,
            media_type: "text/plain",
            size_bytes: 1,
            sha256: &[0; 32],
            file_key: "key",
        };
        documents::insert(&mut tx, &document).await.unwrap();
        tx.commit().await.unwrap();
        self.write(tenant, id, 1, text, vector).await;
        assert!(self.switch(tenant, id, 1).await);
        id
    }

    async fn write(
        &self,
        tenant: TenantId,
        id: DocumentId,
        version: i32,
        text: &str,
        vector: [f32; 3],
    ) {
        let config = text_config(text);
        let (rows, terms) = cut(text);
        let ids: Vec<ChunkId> = rows.iter().map(|row| row.id).collect();
        let mut tx = self.db.tenant(tenant).await.unwrap();
        let facts = VersionFacts {
            title: None,
            page_count: None,
            text_config: config,
        };
        documents::set_facts(&mut tx, id, version, &facts)
            .await
            .unwrap();
        chunks::insert_many(&mut tx, id, version, &rows)
            .await
            .unwrap();
        chunks::index_terms(&mut tx, &ids, config, &terms)
            .await
            .unwrap();
        // A second try of the same batch changes nothing.
        chunks::index_terms(&mut tx, &ids, config, &terms)
            .await
            .unwrap();
        let open = chunks::list_run(&mut tx, id, version, MODEL, 0, 1000)
            .await
            .unwrap();
        assert_eq!(open.len(), rows.len());
        let embeddings = open
            .into_iter()
            .map(|chunk| (chunk.id, vector.to_vec()))
            .collect();
        chunks::set_embeddings(&mut tx, MODEL, embeddings)
            .await
            .unwrap();
        assert_eq!(
            chunks::count_unembedded(&mut tx, id, version, MODEL)
                .await
                .unwrap(),
            0
        );
        tx.commit().await.unwrap();
    }

    async fn switch(&self, tenant: TenantId, id: DocumentId, version: i32) -> bool {
        let mut tx = self.db.tenant(tenant).await.unwrap();
        let counts = chunks::count_version(&mut tx, id, version).await.unwrap();
        assert!(
            counts.chunk_count > 0 && counts.term_count > 0,
            "{counts:?}"
        );
        let (chunk_count, term_count) = (counts.chunk_count, counts.term_count);
        let switched = documents::switch_version(&mut tx, id, version, chunk_count, term_count)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        switched
    }

    async fn ask(&self, text: &str, vector: Option<&[f32]>) -> Vec<Retrieved> {
        let mut tx = self.db.tenant(self.tenant).await.unwrap();
        let embedding = vector.map(|vector| Embedding {
            model: MODEL,
            vector,
        });
        let question = Question {
            text,
            embedding,
            documents: None,
        };
        retrieve(&mut tx, question, &RetrievalSettings::default())
            .await
            .unwrap()
    }

    async fn found(&self, text: &str) -> Vec<String> {
        let found = self.ask(text, None).await;
        found.into_iter().map(|found| found.passage.text).collect()
    }
}

/// What a worker stores of a text: its chunks, and their terms that Postgres cannot find.
fn cut(text: &str) -> (Vec<NewChunk>, Vec<NewTerm>) {
    let extracted = read(MediaType::Text, text.as_bytes()).unwrap();
    let passages = split(
        &extracted,
        ChunkSize {
            max_tokens: 40,
            overlap_tokens: 5,
        },
    )
    .unwrap();
    let (mut rows, mut terms) = (Vec::new(), Vec::new());
    for passage in passages {
        let chunk_id = ChunkId::new();
        let found = bigrams(&passage.text).into_iter();
        terms.extend(found.map(|term| NewTerm { chunk_id, term }));
        rows.push(NewChunk {
            id: chunk_id,
            ordinal: i32::try_from(passage.ordinal).unwrap(),
            token_count: i32::try_from(passage.token_count).unwrap(),
            page: None,
            heading: passage.heading,
            char_start: i32::try_from(passage.char_start).unwrap(),
            char_end: i32::try_from(passage.char_end).unwrap(),
            text: passage.text,
        });
    }
    (rows, terms)
}

async fn add_tenant(database: &TestDb) -> TenantId {
    let tenant = TenantId::new();
    sqlx::query("INSERT INTO tenants (id, name) VALUES ($1, 'Shop')")
        .bind(tenant.as_uuid())
        .execute(database.pool())
        .await
        .unwrap();
    tenant
}

const RETURNS: &str = "You can return every item within thirty days of its delivery.";
const PARCELS: &str = "The parcels are delivered by bicycle and they arrive in the evening.";

#[tokio::test]
async fn a_natural_question_finds_what_shares_its_rare_words() {
    let world = World::new().await;
    world.add(world.tenant, PARCELS, [0.0, 1.0, 0.0]).await;
    world.add(world.tenant, RETURNS, [1.0, 0.0, 0.0]).await;
    let found = world
        .found("How many days do I have for returning an item?")
        .await;
    assert_eq!(found, [RETURNS]);
    // Only the stems of these words stand in it.
    assert_eq!(world.found("Who delivers a parcel?").await, [PARCELS]);
    assert!(world.found("quantum chromodynamics").await.is_empty());
    assert!(world.found("").await.is_empty());
}

#[tokio::test]
async fn scripts_without_spaces_are_found_by_their_parts() {
    let world = World::new().await;
    let hours = "営業時間は午前九時から午後六時までです。";
    world.add(world.tenant, hours, [1.0, 0.0, 0.0]).await;
    world
        .add(
            world.tenant,
            "返品は三十日以内にお願いします。",
            [1.0, 0.0, 0.0],
        )
        .await;
    let found = world.found("営業時間を教えてください").await;
    assert_eq!(found.first().map(String::as_str), Some(hours));
}

#[tokio::test]
async fn vectors_and_words_are_fused_and_both_scores_told() {
    let world = World::new().await;
    world.add(world.tenant, PARCELS, [0.0, 1.0, 0.1]).await;
    world.add(world.tenant, RETURNS, [1.0, 0.2, 0.0]).await;
    world
        .add(
            world.tenant,
            "Zeros are near to nothing at all.",
            [0.0, 0.0, 0.0],
        )
        .await;
    let found = world
        .ask("parcels by bicycle", Some(&[1.0, 0.0, 0.0]))
        .await;
    let texts: Vec<&str> = found
        .iter()
        .map(|found| found.passage.text.as_str())
        .collect();
    assert_eq!(texts, [RETURNS, PARCELS]);
    assert_eq!(found[0].passage.title, "rules.txt");
    let similarity = found[0].scores.vector_score.unwrap();
    assert!(
        (similarity - 1.0 / 1.04_f64.sqrt()).abs() < 1e-6,
        "{similarity}"
    );
    assert!(found[1].scores.vector_score.is_none());
    assert!(found[1].scores.keyword_score.unwrap() > 0.0);
}

#[tokio::test]
async fn embeddings_of_another_dimension_do_not_meet() {
    let world = World::new().await;
    world.add(world.tenant, RETURNS, [1.0, 0.0, 0.0]).await;
    let mut tx = world.db.tenant(world.tenant).await.unwrap();
    let found = search::by_vector(&mut tx, "other-2", vec![1.0, 0.0], -1.0, None, 10)
        .await
        .unwrap();
    assert!(found.is_empty());
    let found = search::by_vector(&mut tx, MODEL, vec![1.0, 0.0, 0.0], 0.5, None, 10)
        .await
        .unwrap();
    assert_eq!(found.len(), 1);
}

#[tokio::test]
async fn nobody_finds_what_another_tenant_has() {
    let world = World::new().await;
    let other = add_tenant(&world.database).await;
    world.add(other, RETURNS, [1.0, 0.0, 0.0]).await;
    assert!(
        world
            .ask("return an item", Some(&[1.0, 0.0, 0.0]))
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn a_version_shows_only_when_it_is_whole_and_then_alone() {
    let world = World::new().await;
    let id = world.add(world.tenant, RETURNS, [1.0, 0.0, 0.0]).await;
    let mut tx = world.db.tenant(world.tenant).await.unwrap();
    documents::request_version(&mut tx, id).await.unwrap();
    tx.commit().await.unwrap();
    let renewed = "You can return every item within sixty days of its delivery.";
    world
        .write(world.tenant, id, 2, renewed, [1.0, 0.0, 0.0])
        .await;
    assert_eq!(world.found("return an item").await, [RETURNS]);
    assert!(world.switch(world.tenant, id, 2).await);
    assert_eq!(world.found("return an item").await, [renewed]);

    let mut tx = world.db.tenant(world.tenant).await.unwrap();
    assert_eq!(chunks::delete_version(&mut tx, id, 2).await.unwrap(), 0);
    assert_eq!(chunks::delete_outdated(&mut tx, id, 100).await.unwrap(), 1);
    assert_eq!(chunks::delete_outdated(&mut tx, id, 100).await.unwrap(), 0);
    tx.commit().await.unwrap();
    assert_eq!(world.found("return an item").await, [renewed]);
}

#[tokio::test]
async fn bm25_scores_are_those_of_the_formula() {
    let world = World::new().await;
    world
        .add(world.tenant, "bicycle bicycle parcel", [1.0, 0.0, 0.0])
        .await;
    world.add(world.tenant, "parcel", [1.0, 0.0, 0.0]).await;
    let mut tx = world.db.tenant(world.tenant).await.unwrap();
    let found = search::by_keyword(&mut tx, "bicycle", &[], None, 10)
        .await
        .unwrap();
    // Two chunks of 3 and 1 terms, 2 on average; in one of them twice.
    let weight = (1.0_f64 + 1.5 / 1.5).ln();
    let expected = weight * 2.0 * 2.2 / (2.0 + 1.2 * (0.25 + 0.75 * 3.0 / 2.0));
    assert_eq!(found.len(), 1);
    assert!(
        (found[0].score - expected).abs() < 1e-9,
        "{} {expected}",
        found[0].score
    );
}
