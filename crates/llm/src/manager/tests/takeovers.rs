use std::time::Duration;

use domain::CallOutcome;
use futures::StreamExt as _;
use tokio::time::{Instant, timeout};

use super::stage::{PATIENCE, broken, key_refused, limited, request, stage, unavailable};
use crate::manager::Fault;
use crate::{Error, Event, Phase, Reply};

#[tokio::test(start_paused = true)]
async fn the_next_answers_for_whatever_is_wrong_with_the_provider() {
    let wrong: [(fn() -> Error, Fault); 9] = [
        (|| limited(1), Fault::RateLimited),
        (
            || Error::QuotaSpent {
                provider: "scripted",
                detail: String::new(),
            },
            Fault::QuotaSpent,
        ),
        (key_refused, Fault::KeyRefused),
        (unavailable, Fault::Unavailable),
        (
            || Error::TimedOut {
                provider: "scripted",
                phase: Phase::Connect,
            },
            Fault::TimedOut,
        ),
        (broken, Fault::BrokenStream),
        (
            || Error::Misconfigured {
                provider: "scripted".to_owned(),
                detail: String::new(),
                source: None,
            },
            Fault::Misconfigured,
        ),
        (
            || Error::ModelMissing {
                provider: "scripted",
                detail: String::new(),
            },
            Fault::ModelMissing,
        ),
        (
            || Error::Unsupported {
                provider: "scripted",
                detail: String::new(),
            },
            Fault::Unsupported,
        ),
    ];
    for (error, fault) in wrong {
        let stage = stage([vec![Reply::error(error())], vec![Reply::text("Yes")]]);
        assert_eq!(stage.ask().await.unwrap(), "Yes", "{fault:?}");
        let calls = stage.calls();
        assert_eq!(calls.len(), 2);
        assert_eq!((calls[0].place, calls[0].fault), (0, Some(fault)));
        assert_eq!(calls[0].outcome, CallOutcome::Failed);
        assert_eq!((calls[1].place, calls[1].fault), (1, None));
        assert_eq!(calls[1].outcome, CallOutcome::Completed);
        assert_eq!(calls[1].model, "model-1");
        // Each was made for its own model.
        assert_eq!(stage.scripts[1].requests()[0].model, "");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_the_request_is_asked_of_nobody_else() {
    let refused = Error::BadRequest {
        provider: "scripted",
        detail: String::new(),
    };
    let stage = stage([vec![Reply::error(refused)], vec![Reply::text("Yes")]]);
    assert!(stage.ask().await.is_err());
    assert_eq!(stage.asked(), [1, 0]);
    // The provider did its part.
    let view = stage.chain.view();
    assert_eq!(view[0].circuit.fault, None);
}

#[tokio::test(start_paused = true)]
async fn nobody_takes_over_once_the_first_event_has_come() {
    let stage = stage([
        vec![Reply::text("Yes, we do").breaking_off(unavailable())],
        vec![Reply::text("No")],
    ]);
    let events: Vec<_> = stage
        .model()
        .stream(request())
        .await
        .unwrap()
        .collect()
        .await;
    assert!(matches!(&events[0], Ok(Event::TextDelta(text)) if text == "Yes, "));
    assert!(matches!(
        events.last(),
        Some(Err(Error::Unavailable { .. }))
    ));
    assert_eq!(stage.asked(), [1, 0]);
    let calls = stage.calls();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].fault, Some(Fault::Unavailable));
    // The scripted usage came before the break.
    assert_eq!(calls[0].usage.output, 3);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_breaks_before_its_first_event_is_taken_over() {
    let nothing = Reply::events([Event::TextDelta(String::new())]).breaking_off(broken());
    let stage = stage([vec![nothing], vec![Reply::text("Yes")]]);
    assert_eq!(stage.ask().await.unwrap(), "Yes");
    let first = &stage.calls()[0];
    // The provider may have read it: that is counted, and marked.
    assert!(first.is_estimated);
    assert_eq!(first.usage.input, 8);
}

#[tokio::test(start_paused = true)]
async fn the_wait_for_the_first_event_ends_sooner_while_another_could_answer() {
    let silent = || Reply::events([Event::TextDelta(String::new())]).stalling();
    let both = stage([vec![silent()], vec![Reply::text("Yes")]]);
    let start = Instant::now();
    assert_eq!(both.ask().await.unwrap(), "Yes");
    assert_eq!(start.elapsed(), PATIENCE);
    assert_eq!(both.calls()[0].fault, Some(Fault::TimedOut));
    let alone = stage([vec![silent()]]);
    let waited = timeout(PATIENCE * 3, alone.ask()).await;
    assert!(waited.is_err(), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn of_many_failures_the_one_that_passes_soonest_is_told() {
    let stage = stage([
        vec![Reply::error(key_refused())],
        vec![Reply::error(limited(30))],
        vec![Reply::error(limited(5))],
    ]);
    let error = stage.ask().await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(5)));
    assert_eq!(stage.asked(), [1, 1, 1]);
}
