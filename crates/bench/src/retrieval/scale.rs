//! One tenant of 100,000 chunks among a hundred of 1,000.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use db::Db;
use domain::{ChunkId, RetrievalSettings, TenantId};
use futures::{StreamExt as _, TryStreamExt as _};
use pgvector::HalfVector;
use rag::keyword;
use rag::retrieve::{Embedding, Question, retrieve};
use sqlx::{AssertSqlSafe, PgPool};
use store::search::{self, VectorQuery};

use super::corpus::{Corpus, Made, similarity};
use super::ranking::{DEPTH, mean, recall};
use super::shelf::{self, Passage};
use crate::RagArguments;
use crate::report::{Aim, Report, Row, say};
use crate::server::{Database, Server};
use crate::stats::percentile_ms;

/// Chunks of one document.
const DOCUMENT: u64 = 1000;
/// Documents that are written at once.
const SIDE_BY_SIDE: usize = 2;
/// Questions whose recall is measured in each collection.
const QUESTIONS: u64 = 100;
/// Searches before those that are timed.
const WARM_UP: u64 = 30;
/// Hits of each search that are fused for the five that are wanted.
const CANDIDATES: i64 = 100;
/// What holds the keyword index; tables that are not there do not count.
const POSTINGS: &[&str] = &["keyword_segments", "keyword_postings", "keyword_removals"];

/// Where the chunks of a tenant begin in the corpus, and how many it has.
#[derive(Clone, Copy)]
struct Holding {
    tenant: TenantId,
    first: u64,
    count: u64,
}

/// Measures recall, latency and size.
pub(super) async fn measure(
    server: &Server,
    arguments: &RagArguments,
    report: &mut Report,
) -> anyhow::Result<()> {
    let database = server.database("rag_scale").await?;
    let (large, small) = if arguments.small {
        (10_000, 10)
    } else {
        (100_000, 100)
    };
    let corpus = Corpus::new();
    let holdings = fill(&database.db, &corpus, large, small).await?;
    for holding in &holdings {
        shelf::merge(&database.db, holding.tenant).await?;
    }
    let large_tenant = holdings.first().context("no tenant")?.tenant;
    shelf::index_vectors(&database.db, large_tenant).await?;
    settle(database.db.pool()).await?;
    recalls(&database.db, &corpus, &holdings, report).await?;
    let searches = u64::try_from(arguments.answers)?;
    latencies(&database, &corpus, &holdings, searches, report).await?;
    sizes(database.db.pool(), report).await?;
    server.drop_database(database).await
}

/// The large tenant first.
async fn fill(db: &Db, corpus: &Corpus, large: u64, small: u64) -> anyhow::Result<Vec<Holding>> {
    let mut holdings = Vec::new();
    let mut first = 0;
    for number in 0..=small {
        let tenant = shelf::add_tenant(db, &format!("Tenant {number}")).await?;
        let count = if number == 0 { large } else { DOCUMENT };
        holdings.push(Holding {
            tenant,
            first,
            count,
        });
        first += count;
    }
    let documents = holdings.iter().flat_map(|holding| {
        let parts = (0..holding.count / DOCUMENT).map(|part| holding.first + part * DOCUMENT);
        parts.map(|first| (holding.tenant, first))
    });
    let documents: Vec<_> = documents.collect();
    let (begun, all) = (Instant::now(), documents.len());
    let written = futures::stream::iter(documents).map(|(tenant, first)| {
        let passages = (first..first + DOCUMENT).map(|number| passage(corpus, number));
        shelf::add_document(db, tenant, passages.collect())
    });
    let mut written = written.buffer_unordered(SIDE_BY_SIDE);
    let mut done = 0;
    while written.try_next().await?.is_some() {
        done += 1;
        if done % 20 == 0 {
            say(&format!("{done} of {all} documents of {DOCUMENT} chunks"));
        }
    }
    say(&format!("filled in {:.0} s", begun.elapsed().as_secs_f64()));
    Ok(holdings)
}

fn passage(corpus: &Corpus, number: u64) -> Passage {
    let Made { text, vector } = corpus.chunk(number);
    Passage {
        // Its number, so that a chunk that was found is known by its id.
        id: ChunkId::from(uuid::Uuid::from_u128(number.into())),
        heading: None,
        text,
        vector: Some(vector),
    }
}

/// Statistics fresh, nothing left to write.
async fn settle(pool: &PgPool) -> anyhow::Result<()> {
    sqlx::query("VACUUM (ANALYZE)").execute(pool).await?;
    // Takes a right that users of managed servers may lack; without it figures vary more.
    sqlx::query("CHECKPOINT").execute(pool).await.ok();
    Ok(())
}

async fn recalls(
    db: &Db,
    corpus: &Corpus,
    holdings: &[Holding],
    report: &mut Report,
) -> anyhow::Result<()> {
    say("recall …");
    let (large, small) = holdings.split_first().context("no tenant")?;
    let few = QUESTIONS / u64::try_from(small.len())?;
    let mut of_small = Vec::new();
    for holding in small {
        of_small.extend(recall_of(db, corpus, *holding, few.max(1)).await?);
    }
    for (name, figures) in [
        ("small_tenants", of_small),
        (
            "large_tenant",
            recall_of(db, corpus, *large, QUESTIONS).await?,
        ),
    ] {
        let row = Row::new(format!("recall_at_10_{name}"), "part", &[mean(&figures)]);
        report.push(row.aim(Aim::AtLeast(0.97)));
    }
    Ok(())
}

async fn recall_of(
    db: &Db,
    corpus: &Corpus,
    holding: Holding,
    questions: u64,
) -> anyhow::Result<Vec<f64>> {
    let own = holding.first..holding.first + holding.count;
    let vectors: Vec<_> = own
        .map(|number| (number, corpus.chunk(number).vector))
        .collect();
    let step = holding.count / questions;
    let set = shelf::live_set(db, holding.tenant).await?;
    let mut figures = Vec::new();
    for at in 0..questions {
        let asked = corpus.question(holding.first + at * step).vector;
        let mut exact: Vec<(f32, u64)> = vectors
            .iter()
            .map(|(number, vector)| (similarity(&asked, vector), *number))
            .collect();
        exact.sort_unstable_by(|one, other| other.0.total_cmp(&one.0));
        let exact: Vec<u128> = exact.iter().take(DEPTH).map(|it| it.1.into()).collect();
        let mut tx = db.tenant(holding.tenant).await?;
        let nearest = VectorQuery {
            embedding: &asked,
            min_similarity: -1.0,
            documents: None,
            limit: i64::try_from(DEPTH)?,
        };
        search::set_limits(&mut tx).await?;
        let found = search::by_vector(&mut tx, &set, &nearest).await?;
        let found: Vec<u128> = found
            .iter()
            .map(|found| found.chunk_id.as_uuid().as_u128())
            .collect();
        figures.push(recall(&found, &exact));
    }
    Ok(figures)
}

async fn latencies(
    database: &Database,
    corpus: &Corpus,
    holdings: &[Holding],
    searches: u64,
    report: &mut Report,
) -> anyhow::Result<()> {
    say("a bare index of the same vectors …");
    let bare = Bare::build(database.db.pool(), corpus, holdings).await?;
    say("latency …");
    let large = holdings.first().context("no tenant")?;
    let set = shelf::live_set(&database.db, large.tenant).await?;
    let (mut hybrid, mut vector, mut keyword, mut beside) = (vec![], vec![], vec![], vec![]);
    for at in 0..WARM_UP + searches {
        let asked = corpus.question(large.first + (at * 7919) % large.count);
        let mut tx = database.db.tenant(large.tenant).await?;
        let question = Question {
            text: &asked.text,
            embedding: Some(Embedding {
                set: &set,
                vector: &asked.vector,
            }),
            documents: None,
        };
        let begun = Instant::now();
        retrieve(&mut tx, question, &RetrievalSettings::default()).await?;
        hybrid.push(begun.elapsed());
        let begun = Instant::now();
        let nearest = VectorQuery {
            embedding: &asked.vector,
            min_similarity: 0.2,
            documents: None,
            limit: CANDIDATES,
        };
        search::by_vector(&mut tx, &set, &nearest).await?;
        vector.push(begun.elapsed());
        let begun = Instant::now();
        let limit = usize::try_from(CANDIDATES)?;
        keyword::search(&mut tx, &asked.text, None, limit).await?;
        keyword.push(begun.elapsed());
        drop(tx);
        beside.push(bare.search(asked.vector).await?);
    }
    let warm = usize::try_from(WARM_UP)?;
    let timed = |times: &[Duration], percent| percentile_ms(&times[warm..], percent);
    report.note("hybrid_search_p50", timed(&hybrid, 50), "ms");
    let p95 = Row::new("hybrid_search_p95", "ms", &[timed(&hybrid, 95)]);
    report.push(p95.aim(Aim::AtMost(50.0)));
    for percent in [50, 95] {
        let name = format!("keyword_search_p{percent}");
        report.note(name, timed(&keyword, percent), "ms");
        let row = Row::new(
            format!("vector_search_p{percent}"),
            "ms",
            &[timed(&vector, percent)],
        )
        .beside(&[timed(&beside, percent)]);
        report.push(if percent == 50 {
            row.aim(Aim::RatioAtMost(1.5))
        } else {
            row
        });
    }
    Ok(())
}

/// A table with nothing but vectors and an HNSW index, searched as one would by hand.
struct Bare<'a> {
    pool: &'a PgPool,
}

impl<'a> Bare<'a> {
    async fn build(
        pool: &'a PgPool,
        corpus: &Corpus,
        holdings: &[Holding],
    ) -> anyhow::Result<Self> {
        let mut connection = pool.acquire().await?;
        let table = "CREATE UNLOGGED TABLE bare (
             id bigint NOT NULL, tenant integer NOT NULL, embedding halfvec(384) NOT NULL)";
        sqlx::query(table).execute(&mut *connection).await?;
        for (tenant, holding) in (0_i32..).zip(holdings) {
            for first in (0..holding.count).step_by(1000) {
                let numbers = holding.first + first..holding.first + first + 1000;
                let (ids, vectors): (Vec<i64>, Vec<HalfVector>) = numbers
                    .map(|number| (number.cast_signed(), half(&corpus.chunk(number).vector)))
                    .unzip();
                sqlx::query(
                    "INSERT INTO bare SELECT id, $1, embedding
                     FROM unnest($2::bigint[], $3::halfvec[]) AS made (id, embedding)",
                )
                .bind(tenant)
                .bind(&ids)
                .bind(&vectors)
                .execute(&mut *connection)
                .await?;
            }
        }
        for statement in [
            "SET maintenance_work_mem = '1GB'",
            "CREATE INDEX ON bare USING hnsw (embedding halfvec_cosine_ops)",
            "RESET maintenance_work_mem",
            "VACUUM (ANALYZE) bare",
        ] {
            sqlx::query(AssertSqlSafe(statement.to_owned()))
                .execute(&mut *connection)
                .await?;
        }
        Ok(Self { pool })
    }

    /// How long the large tenant's search takes.
    async fn search(&self, vector: Vec<f32>) -> anyhow::Result<Duration> {
        let asked = half(&vector);
        let mut tx = self.pool.begin().await?;
        for setting in [
            "hnsw.iterative_scan = relaxed_order",
            "hnsw.ef_search = 100",
        ] {
            sqlx::query(AssertSqlSafe(format!("SET LOCAL {setting}")))
                .execute(&mut *tx)
                .await?;
        }
        let begun = Instant::now();
        let found: Vec<(i64, f64)> = sqlx::query_as(
            "SELECT id, 1 - (embedding <=> $1) FROM bare WHERE tenant = 0
             ORDER BY embedding <=> $1 LIMIT $2",
        )
        .bind(&asked)
        .bind(CANDIDATES)
        .fetch_all(&mut *tx)
        .await?;
        let took = begun.elapsed();
        anyhow::ensure!(!found.is_empty(), "the bare index finds nothing");
        Ok(took)
    }
}

fn half(vector: &[f32]) -> HalfVector {
    HalfVector::from_f32_slice(vector)
}

async fn sizes(pool: &PgPool, report: &mut Report) -> anyhow::Result<()> {
    let text: i64 = sqlx::query_scalar("SELECT sum(octet_length(text))::bigint FROM chunks")
        .fetch_one(pool)
        .await?;
    let postings: i64 = sqlx::query_scalar(
        "SELECT coalesce(sum(pg_total_relation_size(to_regclass(name))), 0)::bigint
         FROM unnest($1::text[]) AS name",
    )
    .bind(POSTINGS)
    .fetch_one(pool)
    .await?;
    let megabytes = |bytes: i64| {
        let kilobytes = u32::try_from(bytes / 1000).unwrap_or(u32::MAX);
        f64::from(kilobytes) / 1000.0
    };
    let row = Row::new("keyword_postings", "MB", &[megabytes(postings)]);
    let row = row.beside(&[megabytes(text)]).aim(Aim::RatioAtMost(1.0));
    report.push(row.note("with their indexes; beside: the text of all chunks"));
    Ok(())
}
