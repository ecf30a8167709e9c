use std::time::Duration;

use assistant::ingest::search::{self, Found as Outcome, Query as Asked};
use domain::{DocumentId, TenantId};
use poem_openapi::param::Path;
use poem_openapi::{Object, OpenApi};
use rag::retrieve::Retrieved;
use serde::Deserialize;
use store::tenants;
use uuid::Uuid;

use super::Tag;
use super::retrieval::{Fusion, RetrievalOverride};
use crate::Problem;
use crate::answer::{Answer, Found};
use crate::auth::Auth;
use crate::payload::{Checks, JsonBody};

/// The longest query, in characters.
const MAX_QUERY_CHARS: usize = 2000;
/// The most documents that a search may be limited to.
const MAX_DOCUMENTS: usize = 100;

/// What is looked for. What is missing is as the tenant's settings have it.
#[derive(Debug, Object, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(example)]
struct SearchRequest {
    /// A question or key words, 1 to 2000 characters.
    query: String,
    /// How many passages at most, 1 to 20.
    top_k: Option<u32>,
    /// Weight of the keyword score, 0 to 1; only its share in both weights counts.
    keyword_weight: Option<f64>,
    /// Weight of the vector score, 0 to 1.
    vector_weight: Option<f64>,
    /// Passages with a lower cosine similarity count as not found by vector, 0 to 1.
    min_similarity: Option<f64>,
    /// How the rankings by keyword and by vector become one.
    fusion: Option<Fusion>,
    /// Only passages of these documents, at most 100; missing: of all.
    document_ids: Option<Vec<Uuid>>,
}

impl poem_openapi::types::Example for SearchRequest {
    fn example() -> Self {
        Self {
            query: "How long do I have to return an item?".to_owned(),
            top_k: Some(5),
            keyword_weight: None,
            vector_weight: None,
            min_similarity: None,
            fusion: None,
            document_ids: None,
        }
    }
}

/// What was found.
#[derive(Debug, Object)]
struct SearchResults {
    /// The passages, best first.
    results: Vec<PassageView>,
    /// Whether passages were looked for by meaning, too. If not, the words alone decided, because
    /// the query could not be embedded.
    by_vector: bool,
    /// How long it took.
    timings: TimingsView,
}

/// A passage that was found.
#[derive(Debug, Object)]
#[oai(rename = "FoundPassage")]
struct PassageView {
    /// The passage's id. Another version of the document has other passages.
    chunk_id: Uuid,
    /// Its document.
    document_id: Uuid,
    /// The document's title, or its name.
    title: String,
    /// Its words.
    text: String,
    /// The page it starts on, from 1, where the document has pages.
    page: Option<i32>,
    /// The headings it stands under, the sheet where the document is a workbook.
    heading: Option<String>,
    /// Where it begins in the document's text, in characters, from 0.
    char_start: i32,
    /// Where it ends.
    char_end: i32,
    /// How well it fits.
    scores: ScoresView,
}

/// How well a passage fits.
#[derive(Debug, Object)]
#[oai(rename = "PassageScores")]
struct ScoresView {
    /// Both rankings in one, 0 to 1: what the order is by, unless it was re-ranked.
    fused: f64,
    /// BM25; `null` if it was not found by its words. Only the order of such scores means anything.
    keyword: Option<f64>,
    /// Cosine similarity; `null` if it was not found by its meaning.
    vector: Option<f64>,
    /// What a re-ranking gave it; `null` without one.
    rerank: Option<f64>,
}

/// How long a search took, in milliseconds.
#[expect(clippy::struct_field_names, reason = "the API's names tell units")]
#[derive(Debug, Object)]
#[oai(rename = "SearchTimings")]
struct TimingsView {
    /// Embedding the query.
    embed_ms: f64,
    /// The search by keyword.
    keyword_ms: f64,
    /// The search by vector.
    vector_ms: f64,
    /// Making one ranking of both, and reading the passages.
    read_ms: f64,
    /// Ranking the best of them again.
    rerank_ms: f64,
    /// All of it.
    total_ms: f64,
}

pub(crate) struct SearchRoutes;

#[OpenApi(prefix_path = "/api", tag = "Tag::Search")]
impl SearchRoutes {
    /// Search a tenant's documents
    ///
    /// Finds what an answer to the query would draw on, with every partial score, so that weights
    /// can be tried before they are set. Only ready and enabled documents are searched. Beside the
    /// limit on every key there is one on searches: 10 a second for each tenant, 30 at once.
    #[oai(
        path = "/tenants/:tenant_id/search",
        method = "post",
        operation_id = "search_documents"
    )]
    async fn search(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        body: JsonBody<SearchRequest>,
    ) -> Result<Found<SearchResults>, Problem> {
        let tenant = TenantId::from(tenant_id.0);
        let mut tx = auth.0.act_for(tenant).await?;
        let own = tenants::get(&mut tx).await?.settings.retrieval;
        // The query is embedded without holding a connection.
        drop(tx);
        let state = auth.0.state();
        let body = body.value;
        let mut checks = Checks::default();
        let query = checks.text("query", &body.query, MAX_QUERY_CHARS);
        let settings = body.retrieval().over(own, "", &mut checks);
        let documents = documents(body.document_ids, &mut checks);
        checks.finish()?;
        state.searches.admit(tenant.as_uuid())?;
        let asked = Asked {
            text: &query,
            settings: &settings,
            documents: documents.as_deref(),
        };
        let outcome = search::find(&state.assistant, tenant, &asked).await?;
        Ok(Answer(view(outcome)))
    }
}

impl SearchRequest {
    const fn retrieval(&self) -> RetrievalOverride {
        RetrievalOverride {
            top_k: self.top_k,
            keyword_weight: self.keyword_weight,
            vector_weight: self.vector_weight,
            min_similarity: self.min_similarity,
            fusion: self.fusion,
        }
    }
}

fn documents(ids: Option<Vec<Uuid>>, checks: &mut Checks) -> Option<Vec<DocumentId>> {
    let ids = ids?;
    let fits = (1..=MAX_DOCUMENTS).contains(&ids.len());
    let detail = format!("must list 1 to {MAX_DOCUMENTS} documents");
    checks.require(fits, "document_ids", detail);
    Some(ids.into_iter().map(Into::into).collect())
}

fn view(outcome: Outcome) -> SearchResults {
    SearchResults {
        by_vector: outcome.by_vector,
        timings: TimingsView {
            embed_ms: milliseconds(outcome.timings.embed),
            keyword_ms: milliseconds(outcome.timings.keyword),
            vector_ms: milliseconds(outcome.timings.vector),
            read_ms: milliseconds(outcome.timings.read),
            rerank_ms: milliseconds(outcome.timings.rerank),
            total_ms: milliseconds(outcome.timings.total()),
        },
        results: outcome.passages.into_iter().map(view_passage).collect(),
    }
}

fn view_passage(found: Retrieved) -> PassageView {
    let Retrieved {
        passage, scores, ..
    } = found;
    PassageView {
        chunk_id: passage.chunk_id.as_uuid(),
        document_id: passage.document_id.as_uuid(),
        title: passage.title,
        text: passage.text,
        page: passage.page,
        heading: passage.heading,
        char_start: passage.char_start,
        char_end: passage.char_end,
        scores: ScoresView {
            fused: scores.fused,
            keyword: scores.keyword,
            vector: scores.vector,
            rerank: scores.rerank,
        },
    }
}

/// With three digits after the point.
fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1_000_000.0).round() / 1000.0
}
