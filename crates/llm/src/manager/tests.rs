//! Chains of scripted models, on a clock that only moves when all wait.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::{CallOutcome, CircuitState, LlmChoice, LlmSettings, TenantId};
use futures::{FutureExt as _, StreamExt as _};
use outbound::Guard;
use tokio::time::{Instant, advance, timeout};

use super::circuit::Circuit;
use super::link::Link;
use super::*;
use crate::{
    Error, Event, FinishReason, Message, Model, ModelContext, Models, Phase, PlatformProviders,
    Reply, Request, Scripted, Timeouts, Usage,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// Keeps what it is told.
#[derive(Default)]
struct Seen(Mutex<Vec<Call>>);

impl Observer for Seen {
    fn ended(&self, call: Call) {
        self.0.lock().unwrap().push(call);
    }
}

#[tokio::test]
async fn one_tenants_choice_of_model_is_no_other_tenants_trouble() {
    let platform = PlatformProviders {
        openai_api_key: Some("sk-platform".into()),
        ..PlatformProviders::default()
    };
    let models = Models::new(platform, &Guard::default(), Timeouts::default()).unwrap();
    let manager = Manager::new(Arc::new(models), ManagerPolicy::default());
    let own = Keys {
        first: Some("sk-own".into()),
        ..Keys::default()
    };
    let link = |tenant, model: &str, keys: &Keys| {
        let settings = LlmSettings {
            provider: "openai".to_owned(),
            model: model.to_owned(),
            ..LlmSettings::default()
        };
        Arc::clone(&manager.chain(tenant, &settings, keys).links[0])
    };
    let (one, other) = (TenantId::new(), TenantId::new());
    let (none, odd) = (Keys::default(), "gpt-overloaded");
    for _ in 0..5 {
        link(one, odd, &none).circuit.note(Some(Fault::Unavailable));
    }
    assert!(!link(one, odd, &none).may_answer());
    assert!(!link(other, odd, &none).may_answer());
    assert!(link(other, "", &none).may_answer());
    // The provider's default model is the same whether it is named or not.
    link(one, "", &none).circuit.note(Some(Fault::TimedOut));
    let named = link(other, "gpt-6-luna", &none).circuit.view();
    assert_eq!(named.fault, Some(Fault::TimedOut));
    // A tenant's own key is one account, whatever the model.
    link(one, odd, &own).circuit.note(Some(Fault::KeyRefused));
    let refused = link(one, "gpt-4o-mini", &own).circuit.view().fault;
    assert_eq!(refused, Some(Fault::KeyRefused));
}

#[test]
fn a_chain_has_the_smallest_context_of_the_links_that_lead_to_a_model() {
    let scripted = || -> Arc<dyn Model> { Arc::new(Scripted::default()) };
    let of = |links: Vec<Arc<Link>>| {
        let patience = PATIENCE;
        Chain { links, patience }.context().tokens
    };
    let nowhere = || Err("no key is set".to_owned());
    assert_eq!(of(vec![link(0, Ok(scripted()))]), 100_000);
    let two = vec![link(0, Ok(scripted())), link(1, Ok(scripted()))];
    assert_eq!(of(two), 50_000);
    let one = vec![link(0, Ok(scripted())), link(1, nowhere())];
    assert_eq!(of(one), 100_000);
    assert_eq!(of(vec![link(0, nowhere())]), u32::MAX);
}

#[test]
fn what_settings_say_of_a_context_is_about_their_own_model() {
    let models = Models::new(
        PlatformProviders::default(),
        &Guard::default(),
        Timeouts::default(),
    );
    let manager = Manager::new(Arc::new(models.unwrap()), ManagerPolicy::default());
    let elsewhere = |path: &str| Some(format!("https://llm.example/{path}").parse().unwrap());
    let mut settings = LlmSettings {
        provider: "openai".to_owned(),
        model: "my-own".to_owned(),
        base_url: elsewhere("one"),
        context_tokens: Some(32_000),
        ..LlmSettings::default()
    };
    let tokens = |settings: &LlmSettings| {
        let chain = manager.chain(TenantId::new(), settings, &Keys::default());
        let links = chain.links.iter();
        links.map(|link| link.context.tokens).collect::<Vec<_>>()
    };
    settings.fallbacks = vec![LlmChoice {
        provider: "openai".to_owned(),
        model: "my-own".to_owned(),
        base_url: elsewhere("two"),
    }];
    assert_eq!(tokens(&settings), [32_000, 8_192]);
}

struct Stage {
    chain: Arc<Chain>,
    scripts: Vec<Arc<Scripted>>,
    seen: Arc<Seen>,
}

fn link(nth: usize, inner: Result<Arc<dyn Model>, String>) -> Arc<Link> {
    sized_link(nth, None, inner)
}

/// A link whose model reads so many tokens at once.
fn sized_link(nth: usize, window: Option<u32>, inner: Result<Arc<dyn Model>, String>) -> Arc<Link> {
    Arc::new(Link {
        choice: LlmChoice {
            provider: format!("provider-{nth}"),
            ..LlmChoice::default()
        },
        provider: "scripted",
        account: format!("account-{nth}"),
        model: format!("model-{nth}"),
        key_owner: KeyOwner::Platform,
        circuit: Arc::new(Circuit::new(CircuitPolicy::default())),
        context: ModelContext {
            model: format!("model-{nth}"),
            // The later, the smaller.
            tokens: window.unwrap_or(100_000 >> nth),
            is_known: window.is_some(),
        },
        inner,
    })
}

/// A chain whose links give these replies.
fn stage(replies: impl IntoIterator<Item = Vec<Reply>>) -> Stage {
    sized(replies.into_iter().map(|replies| (None, replies)))
}

/// A chain whose links read so many tokens at once and give these replies.
fn sized(links: impl IntoIterator<Item = (Option<u32>, Vec<Reply>)>) -> Stage {
    let (windows, scripts): (Vec<_>, Vec<_>) = links
        .into_iter()
        .map(|(window, replies)| (window, Arc::new(Scripted::new(replies))))
        .unzip();
    let links = scripts.iter().enumerate().map(|(nth, script)| {
        let inner: Arc<dyn Model> = Arc::<Scripted>::clone(script);
        sized_link(nth, windows[nth], Ok(inner))
    });
    let links = links.collect();
    Stage {
        chain: Arc::new(Chain {
            links,
            patience: PATIENCE,
        }),
        scripts,
        seen: Arc::default(),
    }
}

impl Stage {
    fn model(&self) -> Arc<dyn Model> {
        self.chain.observed(Arc::<Seen>::clone(&self.seen))
    }

    async fn ask(&self) -> Result<String, Error> {
        let completion = self.model().complete(request()).await?;
        Ok(completion.text)
    }

    fn calls(&self) -> Vec<Call> {
        self.seen.0.lock().unwrap().clone()
    }

    fn asked(&self) -> Vec<usize> {
        let asked = self.scripts.iter();
        asked.map(|script| script.requests().len()).collect()
    }
}

fn request() -> Request {
    Request {
        model: "the-first-links".to_owned(),
        messages: vec![Message::user("Do you sell tea?")],
        ..Request::default()
    }
}

fn unavailable() -> Error {
    Error::Unavailable {
        provider: "scripted",
        retry_after: None,
        source: None,
    }
}

fn limited(seconds: u64) -> Error {
    Error::RateLimited {
        provider: "scripted",
        retry_after: Some(Duration::from_secs(seconds)),
    }
}

fn broken() -> Error {
    Error::BrokenStream {
        provider: "scripted",
        detail: String::new(),
        source: None,
    }
}

fn too_long() -> Error {
    Error::ContextTooLong {
        provider: "scripted",
        detail: String::new(),
    }
}

fn key_refused() -> Error {
    Error::KeyRefused {
        provider: "scripted",
    }
}

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

/// Who of three is asked where the first finds the request too long, by the windows of all, and
/// whether one of them answers.
async fn asked_when_too_long(
    windows: [Option<u32>; 3],
    may_be_shortened: bool,
) -> (Vec<usize>, Result<String, Error>) {
    let [first, second, third] = windows;
    let stage = sized([
        (first, vec![Reply::error(too_long())]),
        (second, vec![Reply::error(unavailable())]),
        (third, vec![Reply::text("Yes")]),
    ]);
    let request = Request {
        may_be_shortened,
        ..request()
    };
    let answered = stage.model().complete(request).await;
    (stage.asked(), answered.map(|answered| answered.text))
}

#[tokio::test(start_paused = true)]
async fn what_is_too_long_for_one_goes_to_those_that_read_more() {
    for (windows, expected) in [
        ([Some(100), Some(200), Some(300)], vec![1, 1, 1]),
        ([Some(100), Some(100), Some(300)], vec![1, 0, 1]),
        // The request has eight tokens.
        ([None, Some(7), Some(9)], vec![1, 0, 1]),
    ] {
        for may_be_shortened in [true, false] {
            let (asked, answer) = asked_when_too_long(windows, may_be_shortened).await;
            assert_eq!(asked, expected, "{windows:?}");
            assert_eq!(answer.unwrap(), "Yes");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_can_be_shortened_is_before_a_model_whose_size_nobody_knows_is_asked() {
    let unknown = [Some(100), None, None];
    let (asked, answer) = asked_when_too_long(unknown, true).await;
    assert_eq!(asked, [1, 0, 0]);
    assert!(matches!(answer, Err(Error::ContextTooLong { .. })));
    let (asked, answer) = asked_when_too_long(unknown, false).await;
    assert_eq!(asked, [1, 1, 1]);
    assert_eq!(answer.unwrap(), "Yes");
    // One that reads more is away: with less in it the request may still be answered.
    let (asked, answer) = asked_when_too_long([Some(100), Some(200), Some(50)], true).await;
    assert_eq!(asked, [1, 1, 0]);
    assert!(matches!(answer, Err(Error::ContextTooLong { .. })));
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

#[tokio::test(start_paused = true)]
async fn a_provider_that_keeps_failing_is_left_alone_for_a_while() {
    let fails = (0..5).map(|_| Reply::error(unavailable()));
    let first: Vec<_> = fails.chain([Reply::text("back")]).collect();
    let second = (0..6).map(|_| Reply::text("instead")).collect();
    let stage = stage([first, second]);
    for _ in 0..6 {
        assert_eq!(stage.ask().await.unwrap(), "instead");
    }
    assert_eq!(stage.asked(), [5, 6]);
    assert_eq!(stage.chain.view()[0].circuit.state, CircuitState::Open);
    advance(Duration::from_secs(15)).await;
    assert_eq!(stage.ask().await.unwrap(), "back");
    assert_eq!(stage.chain.view()[0].circuit.state, CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn an_open_circuit_says_what_was_wrong() {
    let stage = stage([(0..5).map(|_| Reply::error(key_refused())).collect()]);
    for _ in 0..6 {
        let error = stage.ask().await.unwrap_err();
        assert!(matches!(error, Error::KeyRefused { .. }), "{error}");
    }
    assert_eq!(stage.asked(), [5]);
    let fails = (0..5).map(|_| Reply::error(unavailable()));
    let stage = self::stage([fails.collect()]);
    for _ in 0..5 {
        stage.ask().await.unwrap_err();
    }
    let error = stage.ask().await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(15)));
    // A call that was not made is no call.
    assert_eq!(stage.calls().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn settings_that_lead_nowhere_are_passed_over() {
    let script = Arc::new(Scripted::new([Reply::text("Yes")]));
    let chain = Arc::new(Chain {
        links: vec![
            link(0, Err("no such provider is known".to_owned())),
            link(1, Ok(script)),
        ],
        patience: PATIENCE,
    });
    let seen = Arc::new(Seen::default());
    let model = chain.observed(Arc::<Seen>::clone(&seen));
    assert_eq!(model.complete(request()).await.unwrap().text, "Yes");
    let calls = seen.0.lock().unwrap();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].place, 1);
    let detail = chain.view()[0].misconfigured.clone();
    assert_eq!(detail.as_deref(), Some("no such provider is known"));
}

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
