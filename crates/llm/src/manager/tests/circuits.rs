use std::time::Duration;

use domain::CircuitState;
use tokio::time::advance;

use super::stage::{key_refused, stage, unavailable};
use crate::{Error, Reply};

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
    let stage = super::stage::stage([fails.collect()]);
    for _ in 0..5 {
        stage.ask().await.unwrap_err();
    }
    let error = stage.ask().await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(15)));
    // A call that was not made is no call.
    assert_eq!(stage.calls().len(), 5);
}
