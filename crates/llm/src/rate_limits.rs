//! What the headers of an answer say about the provider's limits, and holding back because of it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, FixedOffset};
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use tokio::time::Instant;

/// The longest a request is held back because of an earlier answer.
///
/// A reset is when a limit is whole again, and one request is possible long before that; past this
/// time the provider is asked rather than believed.
const LONGEST_HOLD: Duration = Duration::from_secs(10);

/// What is counted: the headers of OpenAI, then those of Anthropic, remaining and reset.
///
/// Source: developers.openai.com/api/docs/guides/rate-limits and
/// platform.claude.com/docs/en/api/rate-limits, 2026-11.
const ALLOWANCES: &[(&str, &str)] = &[
    (
        "x-ratelimit-remaining-requests",
        "x-ratelimit-reset-requests",
    ),
    ("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
    (
        "anthropic-ratelimit-requests-remaining",
        "anthropic-ratelimit-requests-reset",
    ),
    (
        "anthropic-ratelimit-tokens-remaining",
        "anthropic-ratelimit-tokens-reset",
    ),
    (
        "anthropic-ratelimit-input-tokens-remaining",
        "anthropic-ratelimit-input-tokens-reset",
    ),
    (
        "anthropic-ratelimit-output-tokens-remaining",
        "anthropic-ratelimit-output-tokens-reset",
    ),
];

/// The limits as one answer tells them; whatever is missing, negative or unreadable is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RateLimits {
    /// How long the provider asks to wait.
    pub(crate) retry_after: Option<Duration>,
    /// Whether it says that the same request may succeed later.
    pub(crate) should_retry: Option<bool>,
    /// For each limit that is used up: when it is whole again.
    pub(crate) used_up: Vec<Duration>,
}

impl RateLimits {
    /// Reads the headers; times count from the answer's own `date`, so that no clock has to agree
    /// with the provider's.
    pub(crate) fn read(headers: &HeaderMap) -> Self {
        let sent = text(headers, DATE.as_str())
            .and_then(|date| DateTime::parse_from_rfc2822(date.as_str()).ok());
        let used_up = ALLOWANCES.iter().filter_map(|(remaining, reset)| {
            let remaining: i64 = text(headers, remaining)?.parse().ok()?;
            let reset = reset_in(&text(headers, reset)?, sent)?;
            (remaining == 0 && !reset.is_zero()).then_some(reset)
        });
        Self {
            retry_after: retry_after(headers, sent),
            should_retry: text(headers, "x-should-retry").and_then(|text| text.parse().ok()),
            used_up: used_up.collect(),
        }
    }

    /// How long nothing more is to be sent.
    fn hold(&self) -> Option<Duration> {
        let longest = self.used_up.iter().copied().chain(self.retry_after).max();
        longest.map(|hold| hold.min(LONGEST_HOLD))
    }
}

/// Holds back requests to one endpoint after an answer said that a limit is used up.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    closed_until: Mutex<Option<Instant>>,
}

impl Gate {
    /// Takes in what an answer said.
    pub(crate) fn note(&self, limits: &RateLimits) {
        let Some(until) = limits.hold().map(|hold| Instant::now() + hold) else {
            return;
        };
        let mut closed = self.closed_until();
        *closed = (*closed).max(Some(until));
    }

    /// Waits until requests may be sent, at most [`LONGEST_HOLD`] and a tenth.
    pub(crate) async fn opened(&self) {
        let until = *self.closed_until();
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        if let Some(left) = left.filter(|left| !left.is_zero()) {
            tracing::debug!(
                wait_ms = left.as_millis(),
                "the provider's limit is used up"
            );
            // Those held back together do not leave together.
            tokio::time::sleep(left.mul_f64(1.0 + rand::random::<f64>() / 10.0)).await;
        }
    }

    fn closed_until(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.closed_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    let text = headers.get(name)?.to_str().ok()?;
    Some(text.trim().to_owned())
}

/// `retry-after-ms`, else `retry-after` in seconds or as a date.
fn retry_after(headers: &HeaderMap, sent: Option<DateTime<FixedOffset>>) -> Option<Duration> {
    if let Some(ms) = text(headers, "retry-after-ms").and_then(|ms| number(&ms)) {
        return seconds(ms / 1000.0);
    }
    let after = text(headers, RETRY_AFTER.as_str())?;
    if let Some(number) = number(&after) {
        return seconds(number);
    }
    let until = DateTime::parse_from_rfc2822(&after).ok()?;
    Some((until - sent?).to_std().unwrap_or_default())
}

/// When a limit is whole again: a Go duration, seconds, or a time of RFC 3339.
fn reset_in(text: &str, sent: Option<DateTime<FixedOffset>>) -> Option<Duration> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Some((at - sent?).to_std().unwrap_or_default());
    }
    match number(text) {
        Some(number) => seconds(number),
        None => go_duration(text),
    }
}

/// A duration as Go writes it, such as `6m0s`, `1h2m3.5s` or `120ms`.
fn go_duration(text: &str) -> Option<Duration> {
    let mut total = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let unit_at = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (count, after) = rest.split_at(unit_at);
        let unit_end = after
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let unit = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        total += number(count)? * unit;
        rest = after;
    }
    (!text.is_empty()).then(|| seconds(total)).flatten()
}

fn number(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|number| number.is_finite())
}

fn seconds(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds.max(0.0)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&'static str, &str)]) -> RateLimits {
        let pairs = pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        RateLimits::read(&pairs.collect())
    }

    #[test]
    fn the_wait_is_read_from_every_form_of_the_header() {
        for (given, seconds) in [
            (vec![("retry-after-ms", "1500"), ("retry-after", "9")], 1.5),
            (vec![("retry-after", "7")], 7.0),
            (vec![("retry-after", "-3")], 0.0),
            (
                vec![
                    ("retry-after", "Wed, 21 Oct 2026 07:28:30 GMT"),
                    ("date", "Wed, 21 Oct 2026 07:28:00 GMT"),
                ],
                30.0,
            ),
        ] {
            let wait = read(&given).retry_after;
            assert_eq!(wait, Some(Duration::from_secs_f64(seconds)), "{given:?}");
        }
        for given in ["soon", "NaN", "1e300", ""] {
            assert_eq!(read(&[("retry-after", given)]).retry_after, None, "{given}");
        }
    }

    #[test]
    fn durations_are_read_as_go_writes_them() {
        for (text, seconds) in [
            ("1s", 1.0),
            ("6m0s", 360.0),
            ("1h2m3.5s", 3723.5),
            ("120ms", 0.12),
            ("250µs", 0.00025),
            ("17", 17.0),
        ] {
            let read = reset_in(text, None);
            assert_eq!(read, Some(Duration::from_secs_f64(seconds)), "{text}");
        }
        for text in ["", "s", "5", "5x", "m5", "1.2.3s"] {
            assert_eq!(go_duration(text), None, "{text}");
        }
    }

    #[test]
    fn only_what_is_used_up_holds_back() {
        let hold = |pairs: &[(&'static str, &str)]| read(pairs).hold();
        let used_up = [
            ("x-ratelimit-remaining-requests", "0"),
            ("x-ratelimit-reset-requests", "1s"),
            ("x-ratelimit-remaining-tokens", "149984"),
            ("x-ratelimit-reset-tokens", "6m0s"),
        ];
        assert_eq!(hold(&used_up), Some(Duration::from_secs(1)));
        let anthropic = [
            ("date", "Wed, 21 Oct 2026 07:28:00 GMT"),
            ("anthropic-ratelimit-input-tokens-remaining", "0"),
            (
                "anthropic-ratelimit-input-tokens-reset",
                "2026-10-21T07:28:04Z",
            ),
            ("anthropic-ratelimit-requests-remaining", "49"),
            ("anthropic-ratelimit-requests-reset", "2026-10-21T07:29:00Z"),
        ];
        assert_eq!(hold(&anthropic), Some(Duration::from_secs(4)));
        let long = [
            ("x-ratelimit-remaining-tokens", "0"),
            ("x-ratelimit-reset-tokens", "6m0s"),
        ];
        assert_eq!(hold(&long), Some(LONGEST_HOLD));
        for unknown in [
            vec![],
            vec![("x-ratelimit-remaining-requests", "0")],
            vec![
                ("x-ratelimit-remaining-requests", "-1"),
                ("x-ratelimit-reset-requests", "-1"),
            ],
            vec![
                ("x-ratelimit-remaining-requests", "0"),
                ("x-ratelimit-reset-requests", "0"),
            ],
        ] {
            assert_eq!(hold(&unknown), None, "{unknown:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_closed_gate_opens_by_itself() {
        let gate = Gate::default();
        let start = Instant::now();
        gate.opened().await;
        assert_eq!(start.elapsed(), Duration::ZERO);
        gate.note(&read(&[("retry-after", "4")]));
        gate.note(&read(&[("retry-after", "1")]));
        gate.opened().await;
        let waited = start.elapsed();
        assert!(
            (Duration::from_secs(4)..Duration::from_millis(4402)).contains(&waited),
            "{waited:?}"
        );
        let start = Instant::now();
        gate.opened().await;
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}
