use std::collections::BTreeMap;

use assistant::spending::{BudgetState, Month, Sum, UsageReport, report, state_of_budget};
use chrono::{DateTime, NaiveDate, Utc};
use domain::{BudgetSettings, ConversationId};
use poem_openapi::param::{Path, Query};
use poem_openapi::{Enum, Object, OpenApi};
use store::budget_notices::BudgetNotice;
use store::model_calls::{self, ModelCall, Tokens};
use store::tenants;
use uuid::Uuid;

use super::Tag;
use super::settings::{BudgetView, WhenSpent};
use crate::Problem;
use crate::answer::{Answer, Found, List};
use crate::auth::Auth;
use crate::payload::PageRequest;

/// What a month's calls to models took and cost.
#[derive(Debug, Object)]
#[oai(rename = "Usage")]
struct UsageView {
    /// The calendar month, UTC, such as `2026-11`.
    month: String,
    /// All calls together.
    totals: SumView,
    /// The calls of each account and model.
    by_model: Vec<ModelSum>,
    /// The calls of each day, UTC; days without one are left out.
    by_day: Vec<DaySum>,
    /// The calls by what they were for.
    by_purpose: Vec<PurposeSum>,
    /// The month's budget, by the settings as they are at present.
    budget: BudgetStanding,
}

/// Some calls, taken together.
#[derive(Debug, Object)]
#[oai(rename = "UsageSum")]
pub(super) struct SumView {
    /// How many, failed ones included.
    calls: i64,
    /// How many failed.
    failed_calls: i64,
    /// How many have no known cost; `cost_microdollars` is without them.
    unpriced_calls: i64,
    /// What they took.
    tokens: TokensView,
    /// What they cost, in micro-dollars, as far as it is known; `null`: the cost of none is.
    cost_microdollars: Option<i64>,
}

/// Tokens of one call, or of many.
#[derive(Debug, Object)]
#[oai(rename = "Tokens")]
struct TokensView {
    /// All of the requests.
    input: i64,
    /// Those of `input` that were read from the provider's cache.
    cached: i64,
    /// Those of `input` that were written to it.
    cache_written: i64,
    /// Those of the answers.
    output: i64,
}

/// The calls of one account and model.
#[derive(Debug, Object)]
#[oai(rename = "UsageByModel")]
pub(super) struct ModelSum {
    /// The account: the provider, or `<provider>@<host>` at another address.
    account: String,
    /// The model.
    model: String,
    /// What they took and cost.
    sum: SumView,
}

/// The calls of one day.
#[derive(Debug, Object)]
#[oai(rename = "UsageByDay")]
struct DaySum {
    /// The day, UTC.
    day: NaiveDate,
    /// What they took and cost.
    sum: SumView,
}

/// The calls for one purpose.
#[derive(Debug, Object)]
#[oai(rename = "UsageByPurpose")]
pub(super) struct PurposeSum {
    /// What they were for: `answer`, `embedding`, `search`, `rerank` or `eval`.
    purpose: String,
    /// What they took and cost.
    sum: SumView,
}

/// How far a month's budget is spent.
#[derive(Debug, Object)]
#[oai(rename = "Budget")]
struct BudgetStanding {
    /// How far it is spent.
    state: StateName,
    /// What is spent, in micro-dollars, as far as it is known.
    spent_microdollars: i64,
    /// The most the month may cost, in micro-dollars; `null`: whatever it costs.
    monthly_microdollars: Option<i64>,
    /// The share of it that is warned of, in percent.
    warn_percent: u8,
    /// What happens to answers once it is spent.
    when_spent: WhenSpent,
    /// When the month's `budget.warning` was told.
    warned_at: Option<DateTime<Utc>>,
    /// When the month's `budget.exhausted` was told.
    exhausted_at: Option<DateTime<Utc>>,
}

/// How far a month's budget is spent.
#[derive(Clone, Copy, Debug, Enum)]
#[oai(rename_all = "snake_case", rename = "BudgetState")]
enum StateName {
    /// There is none.
    Unlimited,
    /// Less than the share that is warned of.
    Within,
    /// That share, and not all.
    Warning,
    /// All of it.
    Exhausted,
}

/// One call to a model.
#[derive(Debug, Object)]
#[oai(rename = "ModelCall")]
pub(super) struct CallView {
    /// Its id.
    id: Uuid,
    /// When it began.
    started_at: DateTime<Utc>,
    /// The conversation it was made for.
    conversation_id: Option<Uuid>,
    /// What it was for: `answer`, `embedding`, `search`, `rerank` or `eval`.
    purpose: String,
    /// The provider.
    provider: String,
    /// The account: the provider, or `<provider>@<host>` at another address.
    account: String,
    /// The model.
    model: String,
    /// Whether the tenant's own key paid.
    own_key: bool,
    /// Whether another model than the tenant's choice was called.
    is_fallback: bool,
    /// How it ended: `completed`, `failed` or `dropped` (nobody waited for the rest).
    outcome: String,
    /// What went wrong, if it failed: `key_refused`, `rate_limited`, `timed_out`, …
    error: Option<String>,
    /// What it took.
    tokens: TokensView,
    /// Whether the provider did not say and the tokens are an estimate.
    is_estimated: bool,
    /// What it cost, in micro-dollars; `null`: nobody said what the model costs.
    cost_microdollars: Option<i64>,
    /// From its start to the first piece of the answer, in milliseconds.
    first_event_ms: Option<i64>,
    /// From its start to its end, in milliseconds.
    duration_ms: i64,
}

pub(crate) struct UsageRoutes;

#[OpenApi(prefix_path = "/api", tag = "Tag::Usage")]
impl UsageRoutes {
    /// Get a month's usage
    ///
    /// What calls to models took and cost: all together, by model, by day and by purpose, and how
    /// far the budget is spent.
    #[oai(
        path = "/tenants/:tenant_id/usage",
        method = "get",
        operation_id = "get_usage"
    )]
    async fn get(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        /// The calendar month, UTC, such as `2026-11`; this month if missing.
        month: Query<Option<String>>,
    ) -> Result<Found<UsageView>, Problem> {
        let month = match &month.0 {
            None => Month::of(auth.0.state().clock.now()),
            Some(text) => Month::parse(text).ok_or_else(|| {
                Problem::invalid_field("month", "must be a month such as 2026-11")
            })?,
        };
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        let budget = tenants::get(&mut tx).await?.settings.budget;
        let report = report(&mut tx, month).await?;
        Ok(Answer(UsageView::new(month, report, budget)))
    }

    /// List calls to models
    ///
    /// Newest first. Calls are kept for some months, by the operator's setting; their sums stay.
    #[oai(
        path = "/tenants/:tenant_id/usage/calls",
        method = "get",
        operation_id = "list_model_calls"
    )]
    async fn list(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        /// Only those made for this conversation.
        conversation_id: Query<Option<Uuid>>,
        /// Where the page starts: `next_cursor` of the one before.
        cursor: Query<Option<String>>,
        /// Entries of a page, 1 to 100; 20 if missing.
        limit: Query<Option<u32>>,
    ) -> Result<Found<List<CallView>>, Problem> {
        let page = PageRequest::read(cursor.0, limit.0)?;
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        let conversation = conversation_id.0.map(ConversationId::from);
        let calls = model_calls::list(&mut tx, conversation, page.after, page.limit).await?;
        Ok(List::of(calls, CallView::new))
    }
}

impl UsageView {
    fn new(month: Month, report: UsageReport, budget: BudgetSettings) -> Self {
        let by_day = report.by_day.into_iter();
        Self {
            month: month.to_string(),
            budget: BudgetStanding::new(budget, &report.totals, &report.notices),
            totals: SumView::new(report.totals),
            by_model: ModelSum::all(report.by_model),
            by_day: by_day
                .map(|(day, sum)| DaySum {
                    day,
                    sum: SumView::new(sum),
                })
                .collect(),
            by_purpose: PurposeSum::all(report.by_purpose),
        }
    }
}

impl ModelSum {
    pub(super) fn all(sums: BTreeMap<(String, String), Sum>) -> Vec<Self> {
        let sums = sums.into_iter();
        sums.map(|((account, model), sum)| Self {
            account,
            model,
            sum: SumView::new(sum),
        })
        .collect()
    }
}

impl PurposeSum {
    pub(super) fn all(sums: BTreeMap<&'static str, Sum>) -> Vec<Self> {
        let sums = sums.into_iter();
        sums.map(|(purpose, sum)| Self {
            purpose: purpose.to_owned(),
            sum: SumView::new(sum),
        })
        .collect()
    }
}

impl BudgetStanding {
    fn new(budget: BudgetSettings, totals: &Sum, notices: &[BudgetNotice]) -> Self {
        let spent = totals.cost_microdollars().unwrap_or_default();
        let told = |level| {
            let notice = notices.iter().find(|notice| notice.level == level);
            notice.map(|notice| notice.noticed_at)
        };
        let view = BudgetView::new(budget);
        Self {
            state: match state_of_budget(&budget, spent) {
                BudgetState::Unlimited => StateName::Unlimited,
                BudgetState::Within => StateName::Within,
                BudgetState::Warning => StateName::Warning,
                BudgetState::Exhausted => StateName::Exhausted,
            },
            spent_microdollars: spent,
            monthly_microdollars: view.monthly_microdollars,
            warn_percent: view.warn_percent,
            when_spent: view.when_spent,
            warned_at: told(domain::BudgetLevel::Warning),
            exhausted_at: told(domain::BudgetLevel::Exhausted),
        }
    }
}

impl SumView {
    pub(super) const fn new(sum: Sum) -> Self {
        Self {
            calls: sum.calls,
            failed_calls: sum.failed_calls,
            unpriced_calls: sum.unpriced_calls,
            tokens: TokensView::new(sum.tokens),
            cost_microdollars: sum.cost_microdollars(),
        }
    }
}

impl TokensView {
    const fn new(tokens: Tokens) -> Self {
        Self {
            input: tokens.input,
            cached: tokens.cached,
            cache_written: tokens.cache_written,
            output: tokens.output,
        }
    }
}

impl CallView {
    pub(super) fn new(call: ModelCall) -> Self {
        Self {
            id: call.id.as_uuid(),
            started_at: call.started_at,
            conversation_id: call.conversation_id.map(ConversationId::as_uuid),
            purpose: call.purpose.to_string(),
            provider: call.provider,
            account: call.account,
            model: call.model,
            own_key: call.own_key,
            is_fallback: call.is_fallback,
            outcome: call.outcome.to_string(),
            error: call.fault,
            tokens: TokensView::new(call.tokens),
            is_estimated: call.is_estimated,
            cost_microdollars: call.cost_microdollars,
            first_event_ms: call.first_event_ms,
            duration_ms: call.duration_ms,
        }
    }
}
