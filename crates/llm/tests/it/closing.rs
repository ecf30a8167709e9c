//! An answer that nobody waits for is not paid for: its connection is closed, and so the provider
//! learns of it.

use std::time::Duration;

use futures::StreamExt as _;
use llm::{Error, Event, Phase, Timeouts};
use testkit::raw::{SSE, Seen, Server, Step};

use crate::provider::{Wire, model, request};

/// The first piece of an answer, an `a`.
pub(crate) const fn begun(wire: Wire) -> &'static str {
    match wire {
        Wire::Chat => "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n",
        Wire::Responses => "data: {\"type\":\"response.output_text.delta\",\"delta\":\"a\"}\n\n",
        Wire::Anthropic => {
            "data: {\"type\":\"content_block_delta\",\"index\":0,\
             \"delta\":{\"type\":\"text_delta\",\"text\":\"a\"}}\n\n"
        }
        Wire::Ollama => "{\"message\":{\"content\":\"a\"},\"done\":false}\n",
    }
}

/// A server whose answer begins, and goes on until its client closes.
async fn endless(wire: Wire) -> Server {
    let steps = vec![
        Step::Raw(SSE.into()),
        Step::Chunk(begun(wire).into()),
        Step::AwaitClose,
    ];
    Server::start(vec![steps]).await
}

#[tokio::test]
async fn dropping_the_stream_closes_the_connection_of_every_provider() {
    for wire in Wire::ALL {
        let mut server = endless(wire).await;
        let model = model(wire, &server, Timeouts::default());
        let mut events = model.stream(request()).await.unwrap();
        let first = events.next().await.unwrap().unwrap();
        assert_eq!(first, Event::TextDelta("a".to_owned()), "{wire:?}");
        server.request().await;
        drop(events);
        assert_eq!(server.seen().await, Seen::Closed, "{wire:?}");
    }
}

#[tokio::test]
async fn dropping_the_call_before_its_answer_closes_the_connection_of_every_provider() {
    for wire in Wire::ALL {
        let mut server = Server::start(vec![vec![Step::AwaitClose]]).await;
        let model = model(wire, &server, Timeouts::default());
        let call = tokio::spawn(async move { model.complete(request()).await });
        server.request().await;
        call.abort();
        assert_eq!(server.seen().await, Seen::Closed, "{wire:?}");
    }
}

#[tokio::test]
async fn an_answer_that_stops_coming_closes_the_connection_of_every_provider() {
    let limits = Timeouts {
        idle: Duration::from_millis(100),
        ..Timeouts::default()
    };
    for wire in Wire::ALL {
        let mut server = endless(wire).await;
        let mut events = model(wire, &server, limits)
            .stream(request())
            .await
            .unwrap();
        events.next().await.unwrap().unwrap();
        server.request().await;
        assert_eq!(phase(events.next().await), Phase::Idle, "{wire:?}");
        // By itself: whoever waited still holds what is left of the answer.
        assert_eq!(server.seen().await, Seen::Closed, "{wire:?}");
        assert!(events.next().await.is_none(), "{wire:?}");
    }
}

#[tokio::test]
async fn an_answer_that_does_not_begin_in_time_closes_the_connection_of_every_provider() {
    let short = Duration::from_millis(100);
    let limits = Timeouts {
        first_token: short,
        first_token_local: short,
        ..Timeouts::default()
    };
    for wire in Wire::ALL {
        for head in [Vec::new(), vec![Step::Raw(SSE.into())]] {
            let steps = [head, vec![Step::AwaitClose]].concat();
            let mut server = Server::start(vec![steps]).await;
            let model = model(wire, &server, limits);
            let answer = model.complete(request()).await;
            assert_eq!(phase(Some(answer)), Phase::FirstToken, "{wire:?}");
            server.request().await;
            assert_eq!(server.seen().await, Seen::Closed, "{wire:?}");
        }
    }
}

/// Which wait was too long.
fn phase<T: std::fmt::Debug>(next: Option<Result<T, Error>>) -> Phase {
    match next {
        Some(Err(Error::TimedOut { phase, .. })) => phase,
        other => panic!("{other:?}"),
    }
}
