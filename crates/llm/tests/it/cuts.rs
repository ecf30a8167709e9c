//! Answers that are cut where it hurts: in the middle of a call, in the middle of a character.

use futures::StreamExt as _;
use llm::{Error, Event, FinishReason, Model, Timeouts};
use testkit::raw::{SSE, Server, Step};

use crate::closing::begun;
use crate::provider::{Wire, model, request_with_tool};

/// The head of an answer that ends with its connection, so that nothing tells its end from a cut.
const UNTIL_CLOSED: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
    connection: close\r\n\r\n";

/// Bytes from one cut to the next.
const STEP: usize = 5;

/// An answer with calls, and what its end begins with: before that the model has not said that it is
/// done, though both calls may have come whole.
const fn calls(wire: Wire) -> (&'static str, &'static str) {
    match wire {
        Wire::Chat => (
            include_str!("fixtures/openai_tools.sse"),
            "\"delta\":{},\"finish_reason\"",
        ),
        Wire::Responses => (
            include_str!("fixtures/responses_tools.sse"),
            "{\"type\":\"response.completed\"",
        ),
        Wire::Anthropic => (
            include_str!("fixtures/anthropic_tools.sse"),
            "{\"type\":\"message_delta\"",
        ),
        Wire::Ollama => (
            include_str!("fixtures/ollama_tools.ndjson"),
            "\"done\":true",
        ),
    }
}

/// An answer, and what of it is whole before the event that holds the first 🎉.
const fn text(wire: Wire) -> (&'static str, &'static str) {
    match wire {
        Wire::Chat => (include_str!("fixtures/openai_text.sse"), "Grüße aus 東京"),
        Wire::Responses => (include_str!("fixtures/responses_text.sse"), "Grüße aus "),
        Wire::Anthropic => (include_str!("fixtures/anthropic_text.sse"), "Grüße aus "),
        Wire::Ollama => (
            include_str!("fixtures/ollama_text.ndjson"),
            "Grüße aus 東京",
        ),
    }
}

/// A server whose answers are these bytes, cut short each time.
async fn server(answers: impl IntoIterator<Item = Vec<u8>>) -> Server {
    let answers = answers.into_iter();
    let answers = answers.map(|bytes| vec![Step::Raw(UNTIL_CLOSED.into()), Step::Raw(bytes)]);
    Server::start(answers.collect()).await
}

/// The text of an answer that has to break off: anything else in it would have been used.
async fn shown_before_it_broke(model: &dyn Model, what: &str) -> String {
    let mut shown = String::new();
    let mut events = model.stream(request_with_tool()).await.unwrap();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::TextDelta(text)) => shown.push_str(&text),
            Err(Error::BrokenStream { .. }) => {
                assert!(events.next().await.is_none(), "{what}");
                return shown;
            }
            other => panic!("{what}: {other:?}"),
        }
    }
    panic!("{what}: it ended in peace");
}

#[tokio::test]
async fn no_call_is_made_of_an_answer_that_is_cut_wherever_that_is() {
    for wire in Wire::ALL {
        let (whole, end) = calls(wire);
        let end = whole.find(end).unwrap();
        let cuts = || (0..end).step_by(STEP).chain([end]);
        let answers = cuts().map(|at| [begun(wire).as_bytes(), &whole.as_bytes()[..at]].concat());
        let server = server(answers).await;
        let model = model(wire, &server, Timeouts::default());
        for at in cuts() {
            let what = format!("{wire:?}, cut at {at}");
            let shown = shown_before_it_broke(model.as_ref(), &what).await;
            assert!(shown == "a" || shown == "aLet me look.", "{what}: {shown}");
        }
    }
}

#[tokio::test]
async fn nothing_is_shown_of_a_character_that_is_cut() {
    for wire in Wire::ALL {
        let (whole, expected) = text(wire);
        let begin = whole.find('🎉').unwrap();
        let cuts = begin + 1..begin + '🎉'.len_utf8();
        let cut = |at: usize| whole.as_bytes()[..at].to_vec();
        // The answer ends there, or its connection breaks.
        let ended = |at| vec![Step::Raw(SSE.into()), Step::Chunk(cut(at)), Step::End];
        let broken = |at| vec![Step::Raw(SSE.into()), Step::Chunk(cut(at))];
        for at in cuts {
            for steps in [ended(at), broken(at)] {
                let server = Server::start(vec![steps]).await;
                let model = model(wire, &server, Timeouts::default());
                let what = format!("{wire:?}, cut at {at}");
                let shown = shown_before_it_broke(model.as_ref(), &what).await;
                assert_eq!(shown, expected, "{what}");
            }
        }
    }
}

#[tokio::test]
async fn calls_that_were_cut_before_anything_was_shown_are_asked_for_again_and_made_once() {
    for wire in [Wire::Chat, Wire::Responses, Wire::Ollama] {
        let (whole, _) = calls(wire);
        let middle = whole.find("ckgabe").unwrap();
        let cut = whole.as_bytes()[..middle].to_vec();
        let server = server([cut, whole.as_bytes().to_vec()]).await;
        let model = model(wire, &server, Timeouts::default());
        let completion = model.complete(request_with_tool()).await.unwrap();
        assert_eq!(completion.finish_reason, FinishReason::ToolCalls);
        let calls = completion.tool_calls.iter();
        let calls: Vec<_> = calls
            .map(|call| (call.name.as_str(), call.arguments.as_str()))
            .collect();
        let search = ("search_knowledge_base", r#"{"query":"Rückgabe"}"#);
        assert_eq!(calls, [search, ("hand_off", "{}")], "{wire:?}");
    }
}
