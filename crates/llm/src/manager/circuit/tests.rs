use tokio::time::advance;

use super::*;

fn circuit(policy: CircuitPolicy) -> Arc<Circuit> {
    Arc::new(Circuit::new(policy))
}

fn fail(circuit: &Arc<Circuit>) {
    circuit.enter().unwrap().settle(Some(Fault::Unavailable));
}

fn succeed(circuit: &Arc<Circuit>) {
    circuit.enter().unwrap().settle(None);
}

#[tokio::test(start_paused = true)]
async fn five_failures_in_a_row_open_it_and_a_trial_closes_it() {
    let circuit = circuit(CircuitPolicy::default());
    for _ in 0..4 {
        fail(&circuit);
    }
    assert_eq!(circuit.view().health, Health::Degraded);
    fail(&circuit);
    let view = circuit.view();
    assert_eq!(
        (view.state, view.health),
        (CircuitState::Open, Health::Down)
    );
    assert_eq!(view.open_for, Some(Duration::from_secs(15)));
    let refused = circuit.enter().unwrap_err();
    assert_eq!(refused.fault, Some(Fault::Unavailable));
    advance(Duration::from_secs(15)).await;
    let trial = circuit.enter().unwrap();
    assert_eq!(circuit.view().state, CircuitState::HalfOpen);
    // One at a time.
    assert_eq!(circuit.enter().unwrap_err().wait, TRIAL_WAIT);
    trial.settle(None);
    let view = circuit.view();
    assert_eq!((view.state, view.fault), (CircuitState::Closed, None));
    assert_eq!(view.health, Health::Healthy);
}

#[tokio::test(start_paused = true)]
async fn a_failed_trial_opens_it_for_twice_as_long_up_to_a_bound() {
    let circuit = circuit(CircuitPolicy {
        longest_open: Duration::from_secs(50),
        ..CircuitPolicy::default()
    });
    for _ in 0..5 {
        fail(&circuit);
    }
    for seconds in [15, 30, 50, 50] {
        assert_eq!(
            circuit.view().open_for,
            Some(Duration::from_secs(seconds)),
            "{seconds}"
        );
        advance(Duration::from_secs(seconds)).await;
        fail(&circuit);
    }
    advance(Duration::from_secs(50)).await;
    succeed(&circuit);
    for _ in 0..5 {
        fail(&circuit);
    }
    assert_eq!(circuit.view().open_for, Some(Duration::from_secs(15)));
}

#[tokio::test(start_paused = true)]
async fn a_success_in_between_keeps_it_closed_until_half_of_many_fail() {
    let circuit = circuit(CircuitPolicy::default());
    for _ in 0..9 {
        fail(&circuit);
        succeed(&circuit);
    }
    assert_eq!(circuit.view().state, CircuitState::Closed);
    succeed(&circuit);
    // Ten of twenty.
    fail(&circuit);
    assert_eq!(circuit.view().state, CircuitState::Open);
}

#[tokio::test(start_paused = true)]
async fn counting_begins_anew_with_each_window() {
    let circuit = circuit(CircuitPolicy::default());
    for _ in 0..9 {
        fail(&circuit);
        succeed(&circuit);
    }
    advance(Duration::from_mins(1)).await;
    for _ in 0..3 {
        fail(&circuit);
    }
    assert_eq!(circuit.view().state, CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_trial_that_nobody_waits_for_leaves_the_trial_to_the_next() {
    let circuit = circuit(CircuitPolicy::default());
    for _ in 0..5 {
        fail(&circuit);
    }
    advance(Duration::from_secs(15)).await;
    drop(circuit.enter().unwrap());
    succeed(&circuit);
    assert_eq!(circuit.view().state, CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn calls_from_before_it_opened_neither_close_it_nor_open_it_again() {
    let circuit = circuit(CircuitPolicy::default());
    let (early, late) = (circuit.enter().unwrap(), circuit.enter().unwrap());
    for _ in 0..5 {
        fail(&circuit);
    }
    early.settle(None);
    assert_eq!(circuit.view().state, CircuitState::Open);
    advance(Duration::from_secs(15)).await;
    succeed(&circuit);
    late.settle(Some(Fault::TimedOut));
    assert_eq!(circuit.view().fault, None);
}

#[tokio::test(start_paused = true)]
async fn what_only_a_person_can_mend_is_down_at_once_and_still_tried() {
    let circuit = circuit(CircuitPolicy::default());
    circuit.enter().unwrap().settle(Some(Fault::KeyRefused));
    let view = circuit.view();
    assert_eq!(view.health, Health::Down);
    assert_eq!(view.state, CircuitState::Closed);
    succeed(&circuit);
    assert_eq!(circuit.view().health, Health::Healthy);
}

#[tokio::test(start_paused = true)]
async fn a_check_that_goes_well_closes_it_whatever_its_state() {
    let circuit = circuit(CircuitPolicy::default());
    for _ in 0..5 {
        circuit.note(Some(Fault::Unavailable));
    }
    assert_eq!(circuit.view().state, CircuitState::Open);
    assert!(!circuit.would_enter());
    circuit.note(None);
    assert!(circuit.would_enter());
    assert_eq!(circuit.view().state, CircuitState::Closed);
}
