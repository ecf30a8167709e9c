//! Every type of file: uploaded, ready, found, and cited by the place it stands at.

use assistant::ingest::search::{Query, find};
use domain::{DocumentStatus, MessageStatus, RetrievalSettings};
use testkit::standin::{AnthropicServer, ModelOptions};

use crate::every_format::{QUESTION, SAYS, rows};
use crate::stage::{PATIENCE, Stage, settings};

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
        assert_eq!(ready.author.as_deref(), row.author, "{name}");
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

#[tokio::test]
async fn what_is_the_same_for_every_question_is_marked_to_be_cached() {
    let model = AnthropicServer::start(ModelOptions::default())
        .await
        .unwrap();
    let mut settings = settings();
    settings.llm.provider = "anthropic".to_owned();
    settings.llm.base_url = model.base_url().parse().ok();
    settings.instructions = "Be friendly to whoever writes. ".repeat(100);
    settings.retrieval.top_k = 1;
    let stage = Stage::start_with(settings).await;
    for text in ["Returns are free for fourteen days.", "We sell black tea."] {
        let id = stage.upload("a.txt", "text/plain", text.as_bytes()).await;
        stage.stands(id, DocumentStatus::Ready).await;
    }
    for (nth, question) in ["Are returns free?", "Do you sell black tea?"]
        .into_iter()
        .enumerate()
    {
        stage.say(question).await;
        stage.graph.wait_for(nth + 1, PATIENCE).await.unwrap();
    }
    let asked = model.received();
    let [one, other] = [0, 1].map(|nth: usize| asked[nth].body["system"].clone());
    assert_eq!(one[0]["cache_control"]["type"], "ephemeral", "{one}");
    assert_eq!(one[0], other[0]);
    assert!(one[1]["text"].to_string().contains("fourteen days"));
    assert!(other[1]["text"].to_string().contains("black tea"));
    assert_eq!(one[1].get("cache_control"), None);
}
