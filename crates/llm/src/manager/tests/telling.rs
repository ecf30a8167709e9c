use std::time::Duration;

use domain::CallOutcome;
use futures::{FutureExt as _, StreamExt as _};
use tokio::time::advance;

use super::stage::{request, stage};
use crate::{Event, FinishReason, Reply, Usage};

#[tokio::test(start_paused = true)]
async fn what_the_provider_says_of_tokens_counts_and_what_it_does_not_is_estimated() {
    let silent = Reply::events([
        Event::TextDelta("Yes, we do.".to_owned()),
        Event::Done {
            finish_reason: FinishReason::Stop,
        },
    ]);
    let stage = stage([vec![Reply::text("Yes"), silent]]);
    stage.ask().await.unwrap();
    stage.ask().await.unwrap();
    let calls = stage.calls();
    assert!(!calls[0].is_estimated);
    assert_eq!((calls[0].usage.input, calls[0].usage.output), (10, 1));
    assert!(calls[1].is_estimated);
    let estimated = Usage {
        input: 8,
        output: 3,
        ..Usage::default()
    };
    assert_eq!(calls[1].usage, estimated);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_dropped_is_told_with_what_it_had_taken() {
    let stage = stage([vec![
        Reply::text("Yes, we do").stalling(),
        Reply::events([Event::TextDelta(String::new())]).stalling(),
    ]]);
    let mut events = stage.model().stream(request()).await.unwrap();
    events.next().await.unwrap().unwrap();
    advance(Duration::from_secs(3)).await;
    drop(events);
    // Before the first event, too.
    let model = stage.model();
    assert!(model.stream(request()).now_or_never().is_none());
    let calls = stage.calls();
    assert_eq!(calls.len(), 2);
    for call in &calls {
        assert_eq!((call.outcome, call.fault), (CallOutcome::Dropped, None));
        assert!(call.is_estimated);
        assert_eq!(call.usage.input, 8);
    }
    assert_eq!(calls[0].usage.output, 2);
    assert_eq!(calls[0].first_event, Some(Duration::ZERO));
    assert_eq!(calls[0].duration, Duration::from_secs(3));
    assert_eq!((calls[1].usage.output, calls[1].first_event), (0, None));
}
