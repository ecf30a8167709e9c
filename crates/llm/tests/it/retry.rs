//! Starting again, on a clock that only moves when all wait.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use llm::{Error, Event, Model, Phase, Reply, Request, Retry, RetryPolicy, Scripted};
use tokio::time::Instant;

fn limited(retry_after: Option<u64>) -> Reply {
    Reply::error(Error::RateLimited {
        provider: "scripted",
        retry_after: retry_after.map(Duration::from_secs),
    })
}

fn broken() -> Error {
    Error::BrokenStream {
        provider: "scripted",
        detail: "cut".to_owned(),
        source: None,
    }
}

fn retry(replies: impl IntoIterator<Item = Reply>) -> (Arc<Scripted>, Retry) {
    let script = Arc::new(Scripted::new(replies));
    let inner: Arc<dyn Model> = Arc::<Scripted>::clone(&script);
    (script, Retry::new(inner, RetryPolicy::default()))
}

#[tokio::test(start_paused = true)]
async fn it_waits_as_long_as_the_provider_asks() {
    let (script, model) = retry([
        limited(Some(7)),
        limited(Some(120)),
        Reply::text("Hello there"),
    ]);
    let start = Instant::now();
    let completion = model.complete(Request::default()).await.unwrap();
    assert_eq!(completion.text, "Hello there");
    assert_eq!(start.elapsed().as_secs(), 127);
    assert_eq!(script.requests().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn it_does_not_wait_longer_than_two_minutes() {
    let (script, model) = retry([limited(Some(121)), Reply::text("late")]);
    let start = Instant::now();
    let error = model.complete(Request::default()).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(121)));
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(script.replies_left(), 1);
}

#[tokio::test(start_paused = true)]
async fn it_does_not_wait_beyond_the_deadline_of_whoever_asks() {
    let (script, model) = retry([limited(Some(7)), limited(Some(53)), Reply::text("late")]);
    let start = Instant::now();
    let asked = Request {
        deadline: Some(start + Duration::from_mins(1)),
        ..Request::default()
    };
    let error = model.complete(asked).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(53)));
    assert_eq!(start.elapsed().as_secs(), 7);
    assert_eq!(script.replies_left(), 1);
}

#[tokio::test(start_paused = true)]
async fn it_gives_up_after_two_retries_within_its_backoff() {
    let (script, model) = retry([
        limited(None),
        limited(None),
        limited(None),
        Reply::text("late"),
    ]);
    let start = Instant::now();
    assert!(model.complete(Request::default()).await.is_err());
    assert_eq!(script.requests().len(), 3);
    assert!(
        start.elapsed() <= Duration::from_millis(1502),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn nothing_is_said_twice() {
    let (script, model) = retry([
        Reply::text("one two").breaking_off(broken()),
        Reply::text("x"),
    ]);
    let events: Vec<_> = model
        .stream(Request::default())
        .await
        .unwrap()
        .collect()
        .await;
    assert!(matches!(events.first(), Some(Ok(Event::TextDelta(text))) if text == "one "));
    assert!(
        matches!(events.last(), Some(Err(Error::BrokenStream { .. }))),
        "{events:?}"
    );
    assert_eq!(script.replies_left(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_breaks_before_its_first_event_is_started_again() {
    let nothing = Reply::events([Event::TextDelta(String::new())]).breaking_off(broken());
    let (script, model) = retry([nothing, Reply::text("whole")]);
    assert_eq!(
        model.complete(Request::default()).await.unwrap().text,
        "whole"
    );
    assert_eq!(script.replies_left(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_no_retry_helps_is_returned_at_once() {
    for error in [
        Error::KeyRefused {
            provider: "scripted",
        },
        Error::TimedOut {
            provider: "scripted",
            phase: Phase::FirstToken,
        },
        Error::BadRequest {
            provider: "scripted",
            detail: String::new(),
        },
    ] {
        let (script, model) = retry([Reply::error(error), Reply::text("late")]);
        assert!(model.complete(Request::default()).await.is_err());
        assert_eq!(script.replies_left(), 1);
    }
}

#[tokio::test]
async fn a_script_keeps_what_it_was_asked_and_ends() {
    let script = Scripted::new([Reply::tool_call("find", &serde_json::json!({"q": 1}))]);
    let request = Request {
        model: "m".to_owned(),
        ..Request::default()
    };
    let completion = script.complete(request.clone()).await.unwrap();
    assert_eq!(completion.tool_calls[0].arguments, r#"{"q":1}"#);
    assert_eq!(script.requests(), [request]);
    let ended = script.complete(Request::default()).await;
    assert!(matches!(ended, Err(Error::BadRequest { .. })), "{ended:?}");
}
