//! A document that is indexed anew while it is searched.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use assistant::ingest::search::{Query, find};
use domain::{DocumentStatus, RetrievalSettings};
use llm::HashedNgrams;

use crate::stage::{Stage, settings};

const VERSIONS: i32 = 5;

/// A text of several chunks, each of which says of which edition it is.
fn edition(number: i32) -> String {
    let paragraph = |part: usize| {
        let words: Vec<String> = (0..60).map(|at| format!("part{part}word{at}")).collect();
        let words = words.chunks(10).map(|line| line.join(" "));
        let marked = words.map(|line| format!("Returns of edition{number}: {line}."));
        marked.collect::<Vec<_>>().join(" ")
    };
    let all: Vec<String> = (0..24).map(paragraph).collect();
    all.join("\n\n")
}

/// The texts of all chunks that a question finds.
async fn ask(stage: &Stage) -> Vec<String> {
    let settings = RetrievalSettings {
        top_k: 20,
        min_similarity: 0.0,
        ..RetrievalSettings::default()
    };
    let query = Query {
        text: "How do returns work?",
        settings: &settings,
        documents: None,
    };
    let found = find(&stage.assistant, stage.tenant, &query).await.unwrap();
    let passages = found.passages.into_iter();
    passages.map(|found| found.passage.text).collect()
}

/// The edition that all of the texts are of.
fn edition_of(texts: &[String]) -> i32 {
    let mut editions: Vec<&str> = texts
        .iter()
        .flat_map(|text| text.split("edition").skip(1))
        .map(|rest| rest.split(':').next().unwrap_or_default())
        .collect();
    editions.sort_unstable();
    editions.dedup();
    assert_eq!(editions.len(), 1, "{editions:?} at once");
    editions[0].parse().unwrap()
}

#[tokio::test]
async fn no_question_ever_finds_half_a_document() {
    let mut stage = Stage::set(settings(), Arc::new(HashedNgrams)).await;
    stage.work().await;
    let first = edition(1);
    let id = stage
        .upload("rules.txt", "text/plain", first.as_bytes())
        .await;
    stage.stands(id, DocumentStatus::Ready).await;
    let whole = ask(&stage).await.len();
    assert!(whole >= 5, "{whole} chunks tell little");
    let is_over = AtomicBool::new(false);
    let asking = async {
        let (mut asked, mut last) = (0, 1);
        while !is_over.load(Ordering::Relaxed) {
            let texts = ask(&stage).await;
            assert_eq!(texts.len(), whole, "after edition {last}");
            let seen = edition_of(&texts);
            assert!(seen >= last, "edition {seen} after {last}");
            (asked, last) = (asked + 1, seen);
        }
        asked
    };
    let indexing = async {
        for number in 2..=VERSIONS {
            stage.reindex(id, edition(number).as_bytes()).await;
            let ready = stage.stands(id, DocumentStatus::Ready).await;
            assert_eq!(ready.live_version, Some(number));
        }
        is_over.store(true, Ordering::Relaxed);
    };
    let (asked, ()) = tokio::join!(asking, indexing);
    assert!(asked > VERSIONS, "only {asked} questions were asked");
    assert_eq!(edition_of(&ask(&stage).await), VERSIONS);
    stage.rest_in_peace().await;
}
