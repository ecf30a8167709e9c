//! What a month may cost, as it is shown and as it is changed.

use domain::BudgetSettings;
use poem_openapi::{Enum, Object};
use serde::Deserialize;

use crate::payload::Checks;

/// The most that a budget may be: a billion dollars is a slip of the pen.
const MOST_MICRODOLLARS: i64 = 1_000_000_000_000_000;

/// What a calendar month (UTC) may cost, and what happens then.
#[derive(Debug, Object)]
#[oai(rename = "BudgetSettings")]
pub(crate) struct BudgetView {
    /// The most a month may cost, in micro-dollars; `null`: whatever it costs.
    pub(crate) monthly_microdollars: Option<i64>,
    /// The share of it that is warned of, in percent.
    pub(crate) warn_percent: u8,
    /// What happens to answers once it is spent.
    pub(crate) when_spent: WhenSpent,
}

/// What happens to answers once a month's budget is spent.
#[derive(Clone, Copy, Debug, Enum, Deserialize)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub(crate) enum WhenSpent {
    /// The fallback text is sent.
    Stop,
    /// The built-in answerer takes over, which costs nothing.
    Builtin,
    /// Nothing, beyond the event.
    Continue,
}

impl BudgetView {
    pub(crate) const fn new(budget: BudgetSettings) -> Self {
        Self {
            monthly_microdollars: budget.monthly_microdollars,
            warn_percent: budget.warn_percent,
            when_spent: match budget.when_spent {
                domain::WhenSpent::Stop => WhenSpent::Stop,
                domain::WhenSpent::Builtin => WhenSpent::Builtin,
                domain::WhenSpent::Continue => WhenSpent::Continue,
            },
        }
    }
}

/// A change to what a month may cost.
#[derive(Debug, Object, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BudgetChange {
    /// The most a month may cost, in micro-dollars, at most 1000000000000000; `null`: whatever it
    /// costs. Default `null`.
    monthly_microdollars: Option<i64>,
    /// The share of it that is warned of, in percent, 1 to 100. Default 80.
    warn_percent: Option<u8>,
    /// What happens to answers once it is spent. Default `stop`.
    when_spent: Option<WhenSpent>,
}

/// Notes what is wrong with a budget.
pub(crate) fn check_budget(budget: &BudgetSettings, checks: &mut Checks) {
    let is_money = |amount| (0..=MOST_MICRODOLLARS).contains(&amount);
    checks.require(
        budget.monthly_microdollars.is_none_or(is_money),
        "settings.budget.monthly_microdollars",
        format!("must be from 0 to {MOST_MICRODOLLARS}"),
    );
    checks.require(
        (1..=100).contains(&budget.warn_percent),
        "settings.budget.warn_percent",
        "must be from 1 to 100",
    );
}
