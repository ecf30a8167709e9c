use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use db::TenantTx;
use domain::{BudgetLevel, BudgetSettings, TenantId, WhenSpent};
use events::{BudgetData, Event};
use store::budget_notices::{self, BudgetNotice};
use store::model_calls;

use super::{Month, lock};
use crate::Assistant;

/// How long a month's spending is believed before it is looked up again: together with the calls
/// that run at the same time, what a budget may be exceeded by.
const BELIEVED_FOR: Duration = Duration::from_secs(5);
/// Tenants whose spending is remembered at once.
const REMEMBERED: usize = 10_000;

/// Whether the next call may be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may.
    Go,
    /// The budget is spent; the built-in answerer takes over, and nothing else is called.
    Builtin {
        /// Why nothing else is, for people.
        reason: String,
    },
    /// The budget is spent.
    Stop {
        /// Why there is no answer, for people.
        reason: String,
    },
}

/// How far a month's budget is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BudgetState {
    /// There is none.
    Unlimited,
    /// Less than the share that is warned of is spent.
    Within,
    /// That share is spent, and not all.
    Warning,
    /// All of it is spent.
    Exhausted,
}

/// What the months of tenants have cost so far, as far as this process knows.
#[derive(Debug, Default)]
pub(super) struct Months(Mutex<HashMap<TenantId, Known>>);

#[derive(Clone, Copy, Debug)]
struct Known {
    month: Month,
    spent: i64,
    read_at: Instant,
    /// The levels that are noted, here or by another process.
    noted: Noted,
}

#[derive(Clone, Copy, Debug, Default)]
struct Noted {
    warning: bool,
    exhausted: bool,
}

impl Months {
    /// What a month has cost, unless that was read too long ago.
    fn fresh(&self, tenant: TenantId, month: Month) -> Option<i64> {
        let known = lock(&self.0).get(&tenant).copied()?;
        let is_fresh = known.month == month && known.read_at.elapsed() < BELIEVED_FOR;
        is_fresh.then_some(known.spent)
    }

    fn read(&self, tenant: TenantId, month: Month, spent: i64) {
        let mut months = lock(&self.0);
        if months.len() >= REMEMBERED {
            months.clear();
        }
        let before = months.get(&tenant).filter(|known| known.month == month);
        let known = Known {
            month,
            spent,
            read_at: Instant::now(),
            noted: before.map(|known| known.noted).unwrap_or_default(),
        };
        months.insert(tenant, known);
    }

    /// Adds what a call of this process cost, until the sum is read again.
    pub(super) fn add(&self, tenant: TenantId, month: Month, cost: i64) {
        if let Some(known) = lock(&self.0).get_mut(&tenant)
            && known.month == month
        {
            known.spent = known.spent.saturating_add(cost);
        }
    }

    fn is_noted(&self, tenant: TenantId, month: Month, level: BudgetLevel) -> bool {
        let known = lock(&self.0).get(&tenant).copied();
        known
            .filter(|known| known.month == month)
            .is_some_and(|known| match level {
                BudgetLevel::Warning => known.noted.warning,
                BudgetLevel::Exhausted => known.noted.exhausted,
            })
    }

    fn note(&self, tenant: TenantId, month: Month, level: BudgetLevel) {
        if let Some(known) = lock(&self.0).get_mut(&tenant)
            && known.month == month
        {
            match level {
                BudgetLevel::Warning => known.noted.warning = true,
                BudgetLevel::Exhausted => known.noted.exhausted = true,
            }
        }
    }
}

/// How far a budget is spent when that much is.
pub fn state_of_budget(budget: &BudgetSettings, spent: i64) -> BudgetState {
    let Some(monthly) = budget.monthly_microdollars else {
        return BudgetState::Unlimited;
    };
    let (spent, monthly) = (i128::from(spent), i128::from(monthly));
    if spent >= monthly {
        BudgetState::Exhausted
    } else if spent * 100 >= monthly * i128::from(budget.warn_percent) {
        BudgetState::Warning
    } else {
        BudgetState::Within
    }
}

/// Looks at the month's spending before a call.
///
/// The sum is looked up at most every five seconds and counts this process's calls at once. So a
/// budget may be exceeded by the calls that run at the same time and by what other processes
/// spent within five seconds.
///
/// # Errors
/// Those of the database.
pub async fn look(
    assistant: &Assistant,
    tenant: TenantId,
    budget: &BudgetSettings,
) -> db::Result<Verdict> {
    if budget.monthly_microdollars.is_none() {
        return Ok(Verdict::Go);
    }
    let month = Month::of(assistant.clock.now());
    let spent = spent_in(assistant, tenant, month).await?;
    notice(assistant, tenant, budget, spent).await?;
    if state_of_budget(budget, spent) != BudgetState::Exhausted {
        return Ok(Verdict::Go);
    }
    let reason = format!("the budget of {month} is spent");
    Ok(match budget.when_spent {
        WhenSpent::Continue => Verdict::Go,
        WhenSpent::Builtin => Verdict::Builtin { reason },
        WhenSpent::Stop => Verdict::Stop { reason },
    })
}

/// Looks again after calls have ended, so that a level is told when it is reached and not by the
/// next call.
pub(super) async fn look_again(
    assistant: &Assistant,
    tenant: TenantId,
    budget: &BudgetSettings,
) -> db::Result<()> {
    if budget.monthly_microdollars.is_none() {
        return Ok(());
    }
    let month = Month::of(assistant.clock.now());
    let spent = spent_in(assistant, tenant, month).await?;
    notice(assistant, tenant, budget, spent).await
}

async fn spent_in(assistant: &Assistant, tenant: TenantId, month: Month) -> db::Result<i64> {
    let months = &assistant.spending.months;
    if let Some(spent) = months.fresh(tenant, month) {
        return Ok(spent);
    }
    let mut tx = assistant.db.tenant(tenant).await?;
    let spent = model_calls::spent(&mut tx, month.first(), month.until()).await?;
    months.read(tenant, month, spent);
    Ok(spent)
}

/// Tells that a level is reached, once for a month, whichever process sees it.
async fn notice(
    assistant: &Assistant,
    tenant: TenantId,
    budget: &BudgetSettings,
    spent: i64,
) -> db::Result<()> {
    let level = match state_of_budget(budget, spent) {
        BudgetState::Unlimited | BudgetState::Within => return Ok(()),
        BudgetState::Warning => BudgetLevel::Warning,
        BudgetState::Exhausted => BudgetLevel::Exhausted,
    };
    let now = assistant.clock.now();
    let month = Month::of(now);
    let months = &assistant.spending.months;
    if months.is_noted(tenant, month, level) {
        return Ok(());
    }
    let mut tx = assistant.db.tenant(tenant).await?;
    let notice = BudgetNotice {
        month: month.first(),
        level,
        spent_microdollars: spent,
        monthly_microdollars: budget.monthly_microdollars.unwrap_or_default(),
        noticed_at: now,
    };
    if budget_notices::insert(&mut tx, &notice).await? {
        tell(assistant, &mut tx, &notice, budget).await?;
        tracing::info!(tenant.id = %tenant, %month, level = %level, "a budget reached a level");
    }
    tx.commit().await?;
    months.note(tenant, month, level);
    Ok(())
}

async fn tell(
    assistant: &Assistant,
    tx: &mut TenantTx,
    notice: &BudgetNotice,
    budget: &BudgetSettings,
) -> db::Result<()> {
    let data = BudgetData {
        month: Month::of(notice.noticed_at).to_string(),
        spent_microdollars: notice.spent_microdollars,
        monthly_microdollars: notice.monthly_microdollars,
        warn_percent: budget.warn_percent,
        when_spent: budget.when_spent,
        occurred_at: notice.noticed_at,
    };
    let event = match notice.level {
        BudgetLevel::Warning => Event::BudgetWarning(data),
        BudgetLevel::Exhausted => Event::BudgetExhausted(data),
    };
    events::emit(tx, &[event], &assistant.clock).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(monthly: Option<i64>, warn_percent: u8) -> BudgetSettings {
        BudgetSettings {
            monthly_microdollars: monthly,
            warn_percent,
            ..BudgetSettings::default()
        }
    }

    #[test]
    fn levels_are_reached_exactly_at_their_share() {
        let of = |spent| state_of_budget(&budget(Some(1000), 80), spent);
        assert_eq!(of(799), BudgetState::Within);
        assert_eq!(of(800), BudgetState::Warning);
        assert_eq!(of(999), BudgetState::Warning);
        assert_eq!(of(1000), BudgetState::Exhausted);
        let unlimited = state_of_budget(&budget(None, 80), i64::MAX);
        assert_eq!(unlimited, BudgetState::Unlimited);
        assert_eq!(
            state_of_budget(&budget(Some(0), 80), 0),
            BudgetState::Exhausted
        );
        let huge = state_of_budget(&budget(Some(i64::MAX), 100), i64::MAX - 1);
        assert_eq!(huge, BudgetState::Within);
    }

    #[test]
    fn what_is_known_of_a_month_grows_with_each_call_and_ends_with_the_month() {
        let months = Months::default();
        let tenant = TenantId::new();
        let (october, november) = (
            Month::parse("2026-10").unwrap(),
            Month::parse("2026-11").unwrap(),
        );
        months.add(tenant, october, 5);
        assert_eq!(months.fresh(tenant, october), None);
        months.read(tenant, october, 100);
        months.add(tenant, october, 5);
        months.add(tenant, november, 7);
        assert_eq!(months.fresh(tenant, october), Some(105));
        assert_eq!(months.fresh(tenant, november), None);
    }

    #[test]
    fn each_level_is_noted_until_the_month_is_over() {
        let months = Months::default();
        let tenant = TenantId::new();
        let month = Month::parse("2026-10").unwrap();
        let noted = |level| months.is_noted(tenant, month, level);
        months.read(tenant, month, 0);
        months.note(tenant, month, BudgetLevel::Warning);
        assert!(noted(BudgetLevel::Warning) && !noted(BudgetLevel::Exhausted));
        months.read(tenant, month, 9);
        assert!(noted(BudgetLevel::Warning));
        months.note(tenant, month, BudgetLevel::Exhausted);
        assert!(noted(BudgetLevel::Exhausted));
        months.read(tenant, Month::parse("2026-11").unwrap(), 0);
        assert!(!noted(BudgetLevel::Warning));
    }
}
