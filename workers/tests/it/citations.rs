//! Every type of file: uploaded, ready, found, and cited by the place it stands at.

use assistant::ingest::search::{Query, find};
use domain::{DocumentStatus, MessageStatus, RetrievalSettings};

use crate::every_format::{QUESTION, SAYS, rows};
use crate::stage::{Stage, settings};

#[tokio::test]
async fn every_type_of_file_is_found_and_cited_by_its_place() {
    let mut settings = settings();
    settings.llm.provider = "builtin".to_owned();
    for row in rows() {
        let stage = Stage::start_with(settings.clone()).await;
        let name = row.name;
        let id = stage.upload(name, row.media_type, &row.content).await;
        let ready = stage.stands(id, DocumentStatus::Ready).await;
        assert_eq!(ready.error, None, "{name}");
        let retrieval = RetrievalSettings::default();
        let query = Query {
            text: QUESTION,
            settings: &retrieval,
            documents: Some(&[id]),
        };
        let found = find(&stage.assistant, stage.tenant, &query).await.unwrap();
        let best = &found.passages[0].passage;
        assert!(best.text.contains(SAYS), "{name}: {best:?}");
        assert!(best.char_end > best.char_start, "{name}: {best:?}");
        stage.say(QUESTION).await;
        let answer = stage.answer(MessageStatus::Sent).await;
        assert!(answer.text.contains(SAYS), "{name}: {}", answer.text);
        let cited: Vec<_> = answer
            .sources
            .iter()
            .map(|source| (source.document_id, source.page, source.heading.as_deref()))
            .collect();
        assert_eq!(cited, [(id, row.page, row.heading)], "{name}");
        stage.end().await;
    }
}
