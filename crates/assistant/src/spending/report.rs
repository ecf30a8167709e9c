use std::collections::BTreeMap;

use chrono::{NaiveDate, TimeDelta};
use db::TenantTx;
use domain::CallPurpose;
use store::budget_notices::{self, BudgetNotice};
use store::conversations::Conversation;
use store::model_calls::{self, DayUsage, Tokens};

use super::Month;
use crate::Assistant;

/// What a tenant's calls of one month took and cost.
#[derive(Clone, Debug)]
pub struct UsageReport {
    /// All of them.
    pub totals: Sum,
    /// By account and model.
    pub by_model: BTreeMap<(String, String), Sum>,
    /// By day, UTC; days without a call are left out.
    pub by_day: BTreeMap<NaiveDate, Sum>,
    /// By what they were for, under its name.
    pub by_purpose: BTreeMap<&'static str, Sum>,
    /// What was told of the month's budget, oldest first.
    pub notices: Vec<BudgetNotice>,
}

/// Some calls, taken together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// How many, failed ones included.
    pub calls: i64,
    /// How many failed.
    pub failed_calls: i64,
    /// How many have no known cost.
    pub unpriced_calls: i64,
    /// What they took.
    pub tokens: Tokens,
    /// What those with a known cost cost, in micro-dollars.
    known_microdollars: i64,
}

impl Sum {
    /// What the calls cost, in micro-dollars, as far as it is known; `None` if there are some and
    /// the cost of none is.
    pub const fn cost_microdollars(&self) -> Option<i64> {
        if self.calls > 0 && self.unpriced_calls == self.calls {
            None
        } else {
            Some(self.known_microdollars)
        }
    }

    fn add(&mut self, usage: &DayUsage) {
        self.calls += usage.calls;
        self.failed_calls += usage.failed_calls;
        self.unpriced_calls += usage.unpriced_calls;
        self.tokens.input += usage.tokens.input;
        self.tokens.cached += usage.tokens.cached;
        self.tokens.cache_written += usage.tokens.cache_written;
        self.tokens.output += usage.tokens.output;
        self.known_microdollars += usage.cost_microdollars;
    }
}

/// Adds up what the tenant's calls of a month took and cost.
///
/// # Errors
/// Those of the database.
pub async fn report(tx: &mut TenantTx, month: Month) -> db::Result<UsageReport> {
    let usage = model_calls::usage(tx, month.first(), month.until()).await?;
    let notices = budget_notices::list(tx, month.first()).await?;
    Ok(sum_up(&usage, notices))
}

/// What the calls made for one conversation took and cost.
#[derive(Clone, Debug)]
pub struct ConversationReport {
    /// All of them that are kept.
    pub sums: UsageReport,
    /// Whether that is all there ever were: calls are not kept for as long as conversations.
    pub is_whole: bool,
}

/// Adds up what the calls made for a conversation took and cost, as far as they are kept.
///
/// # Errors
/// Those of the database.
pub async fn report_of_conversation(
    assistant: &Assistant,
    tx: &mut TenantTx,
    conversation: &Conversation,
) -> db::Result<ConversationReport> {
    let usage = model_calls::usage_of_conversation(tx, conversation.id).await?;
    let kept_days = assistant.settings.retention.model_calls_days.get();
    let kept_since = assistant.clock.now() - TimeDelta::days(kept_days.into());
    Ok(ConversationReport {
        sums: sum_up(&usage, Vec::new()),
        is_whole: conversation.created_at >= kept_since,
    })
}

fn sum_up(usage: &[DayUsage], notices: Vec<BudgetNotice>) -> UsageReport {
    let mut report = UsageReport {
        totals: Sum::default(),
        by_model: BTreeMap::new(),
        by_day: BTreeMap::new(),
        by_purpose: BTreeMap::new(),
        notices,
    };
    for part in usage {
        report.totals.add(part);
        let model = (part.account.clone(), part.model.clone());
        report.by_model.entry(model).or_default().add(part);
        report.by_day.entry(part.day).or_default().add(part);
        let purpose = CallPurpose::as_str(part.purpose);
        report.by_purpose.entry(purpose).or_default().add(part);
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(day: u32, model: &str, unpriced: i64, cost: i64) -> DayUsage {
        DayUsage {
            day: NaiveDate::from_ymd_opt(2026, 11, day).unwrap(),
            account: "openai".to_owned(),
            model: model.to_owned(),
            purpose: CallPurpose::Answer,
            calls: 2,
            failed_calls: 1,
            unpriced_calls: unpriced,
            tokens: Tokens {
                input: 10,
                cached: 3,
                cache_written: 2,
                output: 5,
            },
            cost_microdollars: cost,
        }
    }

    #[test]
    fn sums_are_by_model_by_day_and_of_all() {
        let days = [
            usage(1, "a", 0, 7),
            usage(1, "b", 2, 0),
            usage(2, "a", 1, 5),
        ];
        let report = sum_up(&days, Vec::new());
        assert_eq!((report.totals.calls, report.totals.failed_calls), (6, 3));
        assert_eq!(report.totals.tokens.input, 30);
        assert_eq!(report.totals.cost_microdollars(), Some(12));
        let of = |model: &str| report.by_model[&("openai".to_owned(), model.to_owned())];
        assert_eq!(of("a").cost_microdollars(), Some(12));
        // Unknown is not nothing.
        assert_eq!(of("b").cost_microdollars(), None);
        assert_eq!(of("b").unpriced_calls, 2);
        let days: Vec<i64> = report.by_day.values().map(|day| day.calls).collect();
        assert_eq!(days, [4, 2]);
        assert_eq!(report.by_purpose["answer"], report.totals);
        assert_eq!(Sum::default().cost_microdollars(), Some(0));
    }
}
