use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::{CircuitState, Health};
use tokio::time::Instant;

use super::Fault;

/// How long whoever meets another one's trial call is asked to wait.
const TRIAL_WAIT: Duration = Duration::from_secs(1);

/// When a circuit opens, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CircuitPolicy {
    /// Failures in a row that open it. Default 5.
    pub failures: NonZeroU32,
    /// The share of a window's calls, in percent, that opens it when they fail; over 100: none
    /// does. Default 50.
    pub failure_percent: u32,
    /// Calls that a window needs before its share counts. Default 20.
    pub least_calls: u32,
    /// How long calls are counted together; then counting begins anew. Default 60 s.
    pub window: Duration,
    /// For how long it opens; doubled each time the trial call fails. Default 15 s.
    pub open: Duration,
    /// The longest it opens. Default 5 minutes.
    pub longest_open: Duration,
}

impl Default for CircuitPolicy {
    fn default() -> Self {
        Self {
            failures: const { NonZeroU32::new(5).unwrap() },
            failure_percent: 50,
            least_calls: 20,
            window: Duration::from_mins(1),
            open: Duration::from_secs(15),
            longest_open: Duration::from_mins(5),
        }
    }
}

/// Lets calls to one account through, unless they keep failing.
///
/// Closed, it lets all through. Too many failures open it: none gets through until its time is
/// over. Then one trial call does; if that goes well the circuit closes, otherwise it opens for
/// twice as long. Each process has circuits of its own.
#[derive(Debug)]
pub struct Circuit {
    policy: CircuitPolicy,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    gate: Gate,
    /// Raised when the gate moves: calls that were let in before say nothing of it any more.
    era: u64,
    failures_in_a_row: u32,
    window: Window,
    /// How often it opened since a call last went well.
    openings: u32,
    fault: Option<Fault>,
}

#[derive(Clone, Copy, Debug)]
enum Gate {
    Closed,
    Open { until: Instant },
    Trial,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    began: Instant,
    calls: u32,
    failures: u32,
}

/// A circuit as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CircuitView {
    /// Whether calls are let through.
    pub state: CircuitState,
    /// How the account does.
    pub health: Health,
    /// For how much longer no call is let through.
    pub open_for: Option<Duration>,
    /// What went wrong last, since a call last went well.
    pub fault: Option<Fault>,
}

/// No call is let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// For how much longer.
    pub(super) wait: Duration,
    /// What went wrong last.
    pub(super) fault: Option<Fault>,
}

/// A call that was let through; dropped without a verdict it says nothing.
#[derive(Debug)]
pub(super) struct Permit {
    circuit: Arc<Circuit>,
    era: u64,
    is_over: bool,
}

impl Circuit {
    /// A closed one.
    pub(super) fn new(policy: CircuitPolicy) -> Self {
        Self {
            policy,
            inner: Mutex::new(Inner {
                gate: Gate::Closed,
                era: 0,
                failures_in_a_row: 0,
                window: Window::new(),
                openings: 0,
                fault: None,
            }),
        }
    }

    /// Lets a call through, or says how long none will be.
    pub(super) fn enter(self: &Arc<Self>) -> Result<Permit, Refused> {
        let mut inner = self.lock();
        let now = Instant::now();
        let wait = match inner.gate {
            Gate::Closed => None,
            Gate::Open { until } if until > now => Some(until - now),
            Gate::Open { .. } => {
                inner.gate = Gate::Trial;
                inner.era += 1;
                None
            }
            Gate::Trial => Some(TRIAL_WAIT),
        };
        match wait {
            Some(wait) => Err(Refused {
                wait,
                fault: inner.fault,
            }),
            None => Ok(Permit {
                circuit: Arc::clone(self),
                era: inner.era,
                is_over: false,
            }),
        }
    }

    /// Whether a call would be let through at this moment.
    pub(super) fn would_enter(&self) -> bool {
        match self.lock().gate {
            Gate::Closed => true,
            Gate::Open { until } => until <= Instant::now(),
            Gate::Trial => false,
        }
    }

    /// How it stands.
    pub(super) fn view(&self) -> CircuitView {
        let inner = self.lock();
        let now = Instant::now();
        let (state, open_for) = match inner.gate {
            Gate::Closed => (CircuitState::Closed, None),
            Gate::Open { until } if until > now => (CircuitState::Open, Some(until - now)),
            Gate::Open { .. } | Gate::Trial => (CircuitState::HalfOpen, None),
        };
        let fault = inner.fault;
        let health = if fault.is_some_and(Fault::needs_a_person) || state == CircuitState::Open {
            Health::Down
        } else if fault.is_some() || state == CircuitState::HalfOpen {
            Health::Degraded
        } else {
            Health::Healthy
        };
        CircuitView {
            state,
            health,
            open_for,
            fault,
        }
    }

    /// Notes a call from outside of the gate, such as a check: whatever the state, it is closed by
    /// one that goes well.
    pub(super) fn note(&self, fault: Option<Fault>) {
        let mut inner = self.lock();
        match fault {
            None => inner.close(),
            Some(fault) => inner.fail(fault, &self.policy),
        }
    }

    fn settle(&self, era: u64, fault: Option<Fault>) {
        let mut inner = self.lock();
        if inner.era != era {
            return;
        }
        match fault {
            None => inner.succeed(self.policy.window),
            Some(fault) => inner.fail(fault, &self.policy),
        }
    }

    /// A trial that nobody waited for: the next call is the trial.
    fn give_back(&self, era: u64) {
        let mut inner = self.lock();
        if inner.era == era && matches!(inner.gate, Gate::Trial) {
            inner.gate = Gate::Open {
                until: Instant::now(),
            };
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic while this short lock is held leaves numbers, which are whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn succeed(&mut self, window: Duration) {
        match self.gate {
            Gate::Closed => {
                self.window.count(window, false);
                self.failures_in_a_row = 0;
                self.openings = 0;
                self.fault = None;
            }
            Gate::Trial | Gate::Open { .. } => self.close(),
        }
    }

    fn close(&mut self) {
        self.gate = Gate::Closed;
        self.era += 1;
        self.failures_in_a_row = 0;
        self.openings = 0;
        self.window = Window::new();
        self.fault = None;
    }

    fn fail(&mut self, fault: Fault, policy: &CircuitPolicy) {
        self.fault = Some(fault);
        self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
        let share = self.window.count(policy.window, true);
        let opens = match self.gate {
            Gate::Open { .. } => false,
            Gate::Trial => true,
            Gate::Closed => {
                self.failures_in_a_row >= policy.failures.get()
                    || (self.window.calls >= policy.least_calls && share >= policy.failure_percent)
            }
        };
        if opens {
            let doubled = policy.open.saturating_mul(1 << self.openings.min(16));
            self.gate = Gate::Open {
                until: Instant::now() + doubled.min(policy.longest_open),
            };
            self.era += 1;
            self.openings = self.openings.saturating_add(1);
            self.window = Window::new();
        }
    }
}

impl Window {
    fn new() -> Self {
        Self {
            began: Instant::now(),
            calls: 0,
            failures: 0,
        }
    }

    /// Counts a call; the share of failures in percent.
    fn count(&mut self, length: Duration, failed: bool) -> u32 {
        if self.began.elapsed() >= length {
            *self = Self::new();
        }
        self.calls = self.calls.saturating_add(1);
        self.failures = self.failures.saturating_add(u32::from(failed));
        let share = u64::from(self.failures) * 100 / u64::from(self.calls);
        u32::try_from(share).unwrap_or(100)
    }
}

impl Permit {
    /// The account answered: `None`, or it failed like this.
    pub(super) fn settle(mut self, fault: Option<Fault>) {
        self.is_over = true;
        self.circuit.settle(self.era, fault);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.is_over {
            self.circuit.give_back(self.era);
        }
    }
}

#[cfg(test)]
mod tests;
