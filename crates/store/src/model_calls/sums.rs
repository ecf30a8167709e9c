use chrono::NaiveDate;
use db::{Error, Result, TenantTx, Tx as _};
use domain::{CallPurpose, ConversationId};

use super::{Tokens, named};

/// The calls of one day, account, model and purpose, taken together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayUsage {
    /// The day, UTC.
    pub day: NaiveDate,
    /// The account; see [`domain::LlmChoice::account`].
    pub account: String,
    /// The model.
    pub model: String,
    /// What the calls were for.
    pub purpose: CallPurpose,
    /// How many there were, failed ones included.
    pub calls: i64,
    /// How many failed.
    pub failed_calls: i64,
    /// How many have no known cost.
    pub unpriced_calls: i64,
    /// What they took.
    pub tokens: Tokens,
    /// What those with a known cost cost, in micro-dollars.
    pub cost_microdollars: i64,
}

struct SumRow {
    day: NaiveDate,
    account: String,
    model: String,
    purpose: String,
    calls: i64,
    failed_calls: i64,
    unpriced_calls: i64,
    input_tokens: i64,
    cached_tokens: i64,
    cache_written_tokens: i64,
    output_tokens: i64,
    cost_microdollars: i64,
}

impl TryFrom<SumRow> for DayUsage {
    type Error = Error;

    fn try_from(row: SumRow) -> Result<Self> {
        Ok(Self {
            day: row.day,
            account: row.account,
            model: row.model,
            purpose: named(&row.purpose)?,
            calls: row.calls,
            failed_calls: row.failed_calls,
            unpriced_calls: row.unpriced_calls,
            tokens: Tokens {
                input: row.input_tokens,
                cached: row.cached_tokens,
                cache_written: row.cache_written_tokens,
                output: row.output_tokens,
            },
            cost_microdollars: row.cost_microdollars,
        })
    }
}

/// The tenant's sums from one day up to, and without, another one, in their order.
///
/// # Errors
/// Those of the database.
pub async fn usage(tx: &mut TenantTx, from: NaiveDate, until: NaiveDate) -> Result<Vec<DayUsage>> {
    let tenant = tx.tenant();
    let rows = sqlx::query_as!(
        SumRow,
        r#"
        SELECT day, account, model, purpose,
               sum(calls)::bigint AS "calls!",
               sum(failed_calls)::bigint AS "failed_calls!",
               sum(unpriced_calls)::bigint AS "unpriced_calls!",
               sum(input_tokens)::bigint AS "input_tokens!",
               sum(cached_tokens)::bigint AS "cached_tokens!",
               sum(cache_written_tokens)::bigint AS "cache_written_tokens!",
               sum(output_tokens)::bigint AS "output_tokens!",
               sum(cost_microdollars)::bigint AS "cost_microdollars!"
        FROM model_usage
        WHERE tenant_id = $1
          AND day >= $2
          AND day < $3
        GROUP BY day, account, model, purpose
        ORDER BY day, account, model, purpose
        "#,
        tenant.as_uuid(),
        from,
        until,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(DayUsage::try_from).collect()
}

/// The same for the calls of one conversation, whenever they were made, as far as they are kept.
///
/// # Errors
/// Those of the database.
pub async fn usage_of_conversation(
    tx: &mut TenantTx,
    conversation: ConversationId,
) -> Result<Vec<DayUsage>> {
    let tenant = tx.tenant();
    let rows = sqlx::query_as!(
        SumRow,
        r#"
        SELECT (started_at AT TIME ZONE 'UTC')::date AS "day!", account, model, purpose,
               count(*) AS "calls!",
               count(*) FILTER (WHERE outcome = 'failed') AS "failed_calls!",
               count(*) FILTER (WHERE cost_microdollars IS NULL) AS "unpriced_calls!",
               sum(input_tokens)::bigint AS "input_tokens!",
               sum(cached_tokens)::bigint AS "cached_tokens!",
               sum(cache_written_tokens)::bigint AS "cache_written_tokens!",
               sum(output_tokens)::bigint AS "output_tokens!",
               coalesce(sum(cost_microdollars), 0)::bigint AS "cost_microdollars!"
        FROM model_calls
        WHERE tenant_id = $1
          AND conversation_id = $2
        GROUP BY 1, account, model, purpose
        ORDER BY 1, account, model, purpose
        "#,
        tenant.as_uuid(),
        conversation.as_uuid(),
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(DayUsage::try_from).collect()
}

/// What the tenant's calls cost from one day up to, and without, another one, in micro-dollars, as
/// far as it is known.
///
/// # Errors
/// Those of the database.
pub async fn spent(tx: &mut TenantTx, from: NaiveDate, until: NaiveDate) -> Result<i64> {
    let tenant = tx.tenant();
    Ok(sqlx::query_scalar!(
        r#"
        SELECT coalesce(sum(cost_microdollars), 0)::bigint AS "spent!"
        FROM model_usage
        WHERE tenant_id = $1
          AND day >= $2
          AND day < $3
        "#,
        tenant.as_uuid(),
        from,
        until,
    )
    .fetch_one(tx.conn())
    .await?)
}
