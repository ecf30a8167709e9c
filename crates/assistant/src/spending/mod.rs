//! What models cost: every call is noted with its tokens and its price, and a month's budget is
//! looked at before the next one.

mod budget;
mod calls;
mod health;
mod metrics;
mod report;

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Datelike as _, Months, NaiveDate, Utc};
use llm::Prices;

pub use budget::{BudgetState, Verdict, look, state_of_budget};
pub use calls::{About, Calls, PlainCall};
pub(crate) use health::{Standing, embedding_account, note as note_health};
pub use metrics::ModelMetrics;
pub use report::{ConversationReport, Sum, UsageReport, report, report_of_conversation};

use crate::provider_checks::Lists;

/// What a process knows of money: the prices, what months have cost so far, and what was told of
/// it.
pub struct Spending {
    prices: Prices,
    metrics: ModelMetrics,
    months: budget::Months,
    health: health::Noted,
    lists: Lists,
}

impl fmt::Debug for Spending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spending").finish_non_exhaustive()
    }
}

impl Spending {
    /// Knows these prices, and nothing of any month.
    pub fn new(prices: Prices) -> Self {
        Self {
            prices,
            metrics: ModelMetrics::default(),
            months: budget::Months::default(),
            health: health::Noted::default(),
            lists: Lists::default(),
        }
    }

    /// What providers said to the platform's keys of late.
    pub(crate) const fn lists(&self) -> &Lists {
        &self.lists
    }

    /// What is counted of calls to models.
    pub const fn metrics(&self) -> &ModelMetrics {
        &self.metrics
    }
}

/// A calendar month, UTC: its first day, and the first day after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Month {
    first: NaiveDate,
}

impl Month {
    /// The month of a moment.
    pub fn of(at: DateTime<Utc>) -> Self {
        let day = at.date_naive();
        Self {
            first: day.with_day(1).unwrap_or(day),
        }
    }

    /// Reads `2026-11`; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        // Signs and shorter years can be read as dates too.
        let is_plain = text.len() == 7 && text.starts_with(|first: char| first.is_ascii_digit());
        let first = NaiveDate::parse_from_str(&format!("{text}-01"), "%Y-%m-%d").ok()?;
        is_plain.then_some(Self { first })
    }

    /// Its first day.
    pub const fn first(self) -> NaiveDate {
        self.first
    }

    /// The first day of the next month.
    pub fn until(self) -> NaiveDate {
        self.first
            .checked_add_months(Months::new(1))
            .unwrap_or(NaiveDate::MAX)
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.first.format("%Y-%m"))
    }
}

/// A panic while one of these short locks is held leaves what it guards whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_read_as_it_is_written() {
        let december = Month::parse("2026-12").unwrap();
        assert_eq!(december.to_string(), "2026-12");
        assert_eq!(december.until().to_string(), "2027-01-01");
        let last = "2026-12-31T23:59:59Z".parse().unwrap();
        assert_eq!(Month::of(last), december);
        for text in [
            "2026-13",
            "2026-1",
            "2026-012",
            "202-012",
            "2026-11-01",
            "",
            "+026-11",
        ] {
            assert_eq!(Month::parse(text), None, "{text}");
        }
    }
}
