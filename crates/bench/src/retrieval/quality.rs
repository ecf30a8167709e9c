//! How well public collections are searched.

use std::collections::HashMap;

use db::Db;
use domain::{ChunkId, FusionMethod, RetrievalSettings, TenantId};
use rag::keyword;
use rag::retrieve::{self, Embedding};
use store::search::{self, ChunkPlace, Found, VectorQuery};

use super::collection::{self, Collection, KNOWN, Known};
use super::embedding::Model;
use super::ranking::{DEPTH, mean, ndcg};
use super::shelf::{self, Passage};
use crate::peers;
use crate::report::{Aim, Report, Row, say};
use crate::server::{Database, Server};

/// How much worse than the other implementation the keyword search may be, and than the better of
/// both searches what they find together in a language that the model does not know.
const KEYWORD_SLACK: f64 = 0.01;
const HYBRID_SLACK: f64 = 0.005;

/// The unit of all rows.
const UNIT: &str = "nDCG";

/// How many hits of each search are fused, for ten that are wanted: as `rag` does it.
const CANDIDATES: i64 = 100;

/// Measures every collection that is there; one that is not is left out with the reason.
pub(super) async fn measure(
    server: &Server,
    keyword: bool,
    hybrid: bool,
    report: &mut Report,
) -> anyhow::Result<()> {
    let model = if hybrid {
        Some(Model::open().await)
    } else {
        None
    };
    let folder = match collection::find().await {
        Ok(folder) => folder,
        Err(error) => {
            report.push(Row::left_out("quality", UNIT, &format!("{error:#}")));
            return Ok(());
        }
    };
    for known in KNOWN {
        say(&format!("quality: {} …", known.name));
        let collection = match known.read(&folder) {
            Ok(collection) => collection,
            Err(error) => {
                let measure = format!("{}_quality", known.name);
                report.push(Row::left_out(measure, UNIT, &format!("{error:#}")));
                continue;
            }
        };
        let database = server.database("rag_quality").await?;
        let measured = Measured {
            known,
            database: &database,
            collection: &collection,
        };
        match &model {
            None => measured.without_model(report).await?,
            Some(Ok(model)) => measured.with_model(model, keyword, report).await?,
            Some(Err(why)) => {
                measured.without_model(report).await?;
                let measure = format!("{}_hybrid", known.name);
                report.push(Row::left_out(measure, UNIT, &format!("{why:#}")));
            }
        }
        server.drop_database(database).await?;
    }
    Ok(())
}

struct Measured<'a> {
    known: Known,
    database: &'a Database,
    collection: &'a Collection,
}

/// The collection in the database, and how its texts are called there.
struct Shelved {
    tenant: TenantId,
    names: HashMap<ChunkId, String>,
}

/// The nDCG@10 of each way to search.
#[derive(Default)]
struct Figures {
    keyword: Vec<f64>,
    vector: Vec<f64>,
    shipped: Vec<f64>,
    ranks: Vec<f64>,
}

impl Measured<'_> {
    async fn without_model(&self, report: &mut Report) -> anyhow::Result<()> {
        let shelved = self.shelve(None).await?;
        let mut figures = Vec::new();
        for question in &self.collection.questions {
            let found = by_keyword(&self.database.db, shelved.tenant, &question.text).await?;
            figures.push(ndcg(&shelved.names(found.into_iter()), &question.grades));
        }
        self.report_keyword(mean(&figures), report).await;
        Ok(())
    }

    async fn with_model(
        &self,
        model: &Model,
        keyword: bool,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        let shelved = self.shelve(Some(model)).await?;
        let questions = &self.collection.questions;
        let texts: Vec<String> = questions.iter().map(|it| it.text.clone()).collect();
        let vectors = model.texts(&texts).await?;
        let mut figures = Figures::default();
        for (question, vector) in questions.iter().zip(&vectors) {
            let rankings = shelved
                .search(&self.database.db, &question.text, vector)
                .await?;
            let measured = rankings.map(|ranking| ndcg(&ranking, &question.grades));
            figures.keyword.push(measured[0]);
            figures.vector.push(measured[1]);
            figures.shipped.push(measured[2]);
            figures.ranks.push(measured[3]);
        }
        if keyword {
            self.report_keyword(mean(&figures.keyword), report).await;
        }
        self.report_hybrid(&figures, model.name(), report);
        Ok(())
    }

    async fn shelve(&self, model: Option<&Model>) -> anyhow::Result<Shelved> {
        let tenant = shelf::add_tenant(&self.database.db, self.known.name).await?;
        let mut names = HashMap::new();
        let mut passages = Vec::new();
        for text in &self.collection.texts {
            let title = text.title.replace('_', " ");
            let passage = Passage {
                id: ChunkId::new(),
                heading: Some(title).filter(|title| !title.is_empty()),
                // A chunk has some text; one text of Cranfield is empty.
                text: if text.text.is_empty() {
                    "-".to_owned()
                } else {
                    text.text.clone()
                },
                vector: None,
            };
            names.insert(passage.id, text.id.clone());
            passages.push(passage);
        }
        if let Some(model) = model {
            let words: Vec<String> = passages.iter().map(Passage::words).collect();
            for (passage, vector) in passages.iter_mut().zip(model.texts(&words).await?) {
                passage.vector = Some(vector);
            }
        }
        for passage in passages {
            shelf::add_document(&self.database.db, tenant, vec![passage]).await?;
        }
        Ok(Shelved { tenant, names })
    }

    async fn report_keyword(&self, figure: f64, report: &mut Report) {
        let measure = format!("{}_keyword", self.known.name);
        let row = Row::new(measure, UNIT, &[figure]);
        let peer = peers::bm25s(&self.collection.folder, self.known.stemmer).await;
        report.push(match peer.map(|rankings| self.figure_of(&rankings)) {
            Ok(peer) => row.beside(&[peer]).aim(Aim::AtLeast(peer - KEYWORD_SLACK)),
            Err(why) => row.note(format!("nothing beside it: {why:#}")),
        });
    }

    fn figure_of(&self, rankings: &HashMap<String, Vec<String>>) -> f64 {
        let questions = self.collection.questions.iter();
        let none = Vec::new();
        let figures: Vec<f64> = questions
            .map(|question| {
                ndcg(
                    rankings.get(&question.id).unwrap_or(&none),
                    &question.grades,
                )
            })
            .collect();
        mean(&figures)
    }

    fn report_hybrid(&self, figures: &Figures, model: &str, report: &mut Report) {
        let name = self.known.name;
        let (keyword, vector) = (mean(&figures.keyword), mean(&figures.vector));
        let better = keyword.max(vector);
        report.note(format!("{name}_vector"), vector, UNIT);
        let aim = match (self.known.hybrid_aim, self.known.is_covered) {
            (Some(aim), _) => Aim::AtLeast(aim.max(better)),
            (None, true) => Aim::AtLeast(better),
            (None, false) => Aim::AtLeast(better - HYBRID_SLACK),
        };
        let shipped = Row::new(format!("{name}_hybrid"), UNIT, &[mean(&figures.shipped)])
            .beside(&[better])
            .aim(aim)
            .note(format!(
                "as shipped, with {model}; beside: the better search alone"
            ));
        report.push(shipped);
        let ranks = Row::new(
            format!("{name}_hybrid_by_rank"),
            UNIT,
            &[mean(&figures.ranks)],
        );
        report.push(ranks.beside(&[better]));
    }
}

impl Shelved {
    /// The rankings by words, by vector, as shipped, and by reciprocal ranks.
    async fn search(
        &self,
        db: &Db,
        question: &str,
        vector: &[f32],
    ) -> anyhow::Result<[Vec<String>; 4]> {
        let by_keyword = by_keyword(db, self.tenant, question).await?;
        let set = shelf::live_set(db, self.tenant).await?;
        let mut tx = db.tenant(self.tenant).await?;
        let nearest = VectorQuery {
            embedding: vector,
            min_similarity: -1.0,
            documents: None,
            limit: CANDIDATES,
        };
        let by_vector = search::by_vector(&mut tx, &set, &nearest).await?;
        let settings = RetrievalSettings {
            top_k: u32::try_from(DEPTH)?,
            // Rankings are of chunks.
            passage_tokens: 0,
            ..RetrievalSettings::default()
        };
        let mut rankings = Vec::new();
        for fusion in [FusionMethod::Weighted, FusionMethod::Rrf] {
            let asked = retrieve::Question {
                text: question,
                embedding: Some(Embedding { set: &set, vector }),
                documents: None,
            };
            let settings = RetrievalSettings {
                fusion,
                ..settings.clone()
            };
            let found = retrieve::retrieve(&mut tx, asked, &settings).await?;
            let ids = found.passages.iter().map(|found| found.passage.chunk_id);
            rankings.push(self.names(ids));
        }
        let ranks = rankings.pop().unwrap_or_default();
        let shipped = rankings.pop().unwrap_or_default();
        Ok([
            self.names(by_keyword.into_iter()),
            self.named(&by_vector),
            shipped,
            ranks,
        ])
    }

    fn named(&self, found: &[Found]) -> Vec<String> {
        self.names(found.iter().map(|found| found.chunk_id))
    }

    fn names(&self, ids: impl Iterator<Item = ChunkId>) -> Vec<String> {
        ids.filter_map(|id| self.names.get(&id).cloned()).collect()
    }
}

async fn by_keyword(db: &Db, tenant: TenantId, question: &str) -> anyhow::Result<Vec<ChunkId>> {
    let mut tx = db.tenant(tenant).await?;
    let limit = usize::try_from(CANDIDATES)?;
    let found = keyword::search(&mut tx, question, None, limit).await?;
    let places: Vec<ChunkPlace> = found
        .hits
        .iter()
        .map(|hit| (hit.place.document_id, hit.place.version, hit.place.ordinal))
        .collect();
    let mut chunks = search::list_chunks_at(&mut tx, &places).await?;
    chunks.sort_unstable_by_key(|(at, _)| *at);
    Ok(chunks.into_iter().map(|(_, id)| id).collect())
}
