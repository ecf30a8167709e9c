//! Calls to models, and their sums by day.

mod sums;

use chrono::{DateTime, Utc};
use db::{Error, Result, TenantTx, Tx as _};
use domain::{CallOutcome, CallPurpose, ConversationId, Cursor, ModelCallId, Page, UnknownName};
use uuid::Uuid;

pub use sums::{DayUsage, spent, usage, usage_of_conversation};

/// One call to a model that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelCall {
    /// Its id, given by whoever made the call: storing it again changes nothing.
    pub id: ModelCallId,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// The conversation it was made for.
    pub conversation_id: Option<ConversationId>,
    /// What it was for.
    pub purpose: CallPurpose,
    /// The provider's name.
    pub provider: String,
    /// The account; see [`domain::LlmChoice::account`].
    pub account: String,
    /// The model.
    pub model: String,
    /// Whether the tenant's own key paid.
    pub own_key: bool,
    /// Whether another model than the tenant's choice was called.
    pub is_fallback: bool,
    /// How it ended.
    pub outcome: CallOutcome,
    /// What went wrong; there if, and only if, it failed.
    pub fault: Option<String>,
    /// What it took.
    pub tokens: Tokens,
    /// Whether the provider did not say and `tokens` is an estimate.
    pub is_estimated: bool,
    /// What it cost, in micro-dollars; `None`: nobody said what the model costs.
    pub cost_microdollars: Option<i64>,
    /// From its start to its first event, in milliseconds.
    pub first_event_ms: Option<i64>,
    /// From its start to its end, in milliseconds.
    pub duration_ms: i64,
}

/// Tokens of one call, or of many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// All of the request.
    pub input: i64,
    /// Those of `input` that were read from a cache.
    pub cached: i64,
    /// Those of `input` that were written to one.
    pub cache_written: i64,
    /// Those of the answer.
    pub output: i64,
}

struct Row {
    id: Uuid,
    started_at: DateTime<Utc>,
    conversation_id: Option<Uuid>,
    purpose: String,
    provider: String,
    account: String,
    model: String,
    own_key: bool,
    is_fallback: bool,
    outcome: String,
    fault: Option<String>,
    input_tokens: i64,
    cached_tokens: i64,
    cache_written_tokens: i64,
    output_tokens: i64,
    is_estimated: bool,
    cost_microdollars: Option<i64>,
    first_event_ms: Option<i64>,
    duration_ms: i64,
}

impl TryFrom<Row> for ModelCall {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: row.id.into(),
            started_at: row.started_at,
            conversation_id: row.conversation_id.map(Into::into),
            purpose: named(&row.purpose)?,
            provider: row.provider,
            account: row.account,
            model: row.model,
            own_key: row.own_key,
            is_fallback: row.is_fallback,
            outcome: named(&row.outcome)?,
            fault: row.fault,
            tokens: Tokens {
                input: row.input_tokens,
                cached: row.cached_tokens,
                cache_written: row.cache_written_tokens,
                output: row.output_tokens,
            },
            is_estimated: row.is_estimated,
            cost_microdollars: row.cost_microdollars,
            first_event_ms: row.first_event_ms,
            duration_ms: row.duration_ms,
        })
    }
}

fn named<T: std::str::FromStr<Err = UnknownName>>(name: &str) -> Result<T> {
    name.parse()
        .map_err(|error: UnknownName| Error::corrupt(error.to_string()))
}

/// Stores calls and adds them to the sums of their days. A call that is stored already changes
/// neither.
///
/// Call it last: it locks rows of the sums until commit, in their order. Other connections mostly
/// have rows of their own.
///
/// # Errors
/// Those of the database.
#[expect(
    clippy::too_many_lines,
    reason = "one statement, with a line for each of its columns"
)]
pub async fn insert(tx: &mut TenantTx, calls: &[ModelCall]) -> Result<()> {
    if calls.is_empty() {
        return Ok(());
    }
    let tenant = tx.tenant();
    let of = Columns::of(calls);
    sqlx::query!(
        "
        WITH stored AS (
            INSERT INTO model_calls (id, tenant_id, started_at, conversation_id, purpose, provider,
                                     account, model, own_key, is_fallback, outcome, fault,
                                     input_tokens, cached_tokens, cache_written_tokens,
                                     output_tokens, is_estimated, cost_microdollars,
                                     first_event_ms, duration_ms)
            SELECT c.id, $1, c.started_at, c.conversation_id, c.purpose, c.provider, c.account,
                   c.model, c.own_key, c.is_fallback, c.outcome, c.fault, c.input_tokens,
                   c.cached_tokens, c.cache_written_tokens, c.output_tokens, c.is_estimated,
                   c.cost_microdollars, c.first_event_ms, c.duration_ms
            FROM unnest($2::uuid[], $3::timestamptz[], $4::uuid[], $5::text[], $6::text[],
                        $7::text[], $8::text[], $9::boolean[], $10::boolean[], $11::text[],
                        $12::text[], $13::bigint[], $14::bigint[], $15::bigint[], $16::bigint[],
                        $17::boolean[], $18::bigint[], $19::bigint[], $20::bigint[])
                AS c (id, started_at, conversation_id, purpose, provider, account, model, own_key,
                      is_fallback, outcome, fault, input_tokens, cached_tokens,
                      cache_written_tokens, output_tokens, is_estimated, cost_microdollars,
                      first_event_ms, duration_ms)
            ON CONFLICT DO NOTHING
            RETURNING *
        )
        INSERT INTO model_usage AS u (tenant_id, day, account, model, purpose, slot, calls,
                                      failed_calls, unpriced_calls, input_tokens, cached_tokens,
                                      cache_written_tokens, output_tokens, cost_microdollars)
        SELECT $1, (started_at AT TIME ZONE 'UTC')::date, account, model, purpose,
               pg_backend_pid() % 8, count(*), count(fault),
               count(*) - count(cost_microdollars), sum(input_tokens)::bigint,
               sum(cached_tokens)::bigint, sum(cache_written_tokens)::bigint,
               sum(output_tokens)::bigint, coalesce(sum(cost_microdollars), 0)::bigint
        FROM stored
        GROUP BY 2, account, model, purpose
        ORDER BY 2, account, model, purpose
        ON CONFLICT (tenant_id, day, account, model, purpose, slot) DO UPDATE
        SET calls = u.calls + EXCLUDED.calls,
            failed_calls = u.failed_calls + EXCLUDED.failed_calls,
            unpriced_calls = u.unpriced_calls + EXCLUDED.unpriced_calls,
            input_tokens = u.input_tokens + EXCLUDED.input_tokens,
            cached_tokens = u.cached_tokens + EXCLUDED.cached_tokens,
            cache_written_tokens = u.cache_written_tokens + EXCLUDED.cache_written_tokens,
            output_tokens = u.output_tokens + EXCLUDED.output_tokens,
            cost_microdollars = u.cost_microdollars + EXCLUDED.cost_microdollars
        ",
        tenant.as_uuid(),
        &of.ids,
        &of.started_at,
        &of.conversations as &[Option<Uuid>],
        &of.purposes,
        &of.providers,
        &of.accounts,
        &of.models,
        &of.own_keys,
        &of.fallbacks,
        &of.outcomes,
        &of.faults as &[Option<String>],
        &of.input,
        &of.cached,
        &of.cache_written,
        &of.output,
        &of.estimated,
        &of.costs as &[Option<i64>],
        &of.first_events as &[Option<i64>],
        &of.durations,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Calls as a statement takes them: a list for each column.
#[derive(Default)]
struct Columns {
    ids: Vec<Uuid>,
    started_at: Vec<DateTime<Utc>>,
    conversations: Vec<Option<Uuid>>,
    purposes: Vec<String>,
    providers: Vec<String>,
    accounts: Vec<String>,
    models: Vec<String>,
    own_keys: Vec<bool>,
    fallbacks: Vec<bool>,
    outcomes: Vec<String>,
    faults: Vec<Option<String>>,
    input: Vec<i64>,
    cached: Vec<i64>,
    cache_written: Vec<i64>,
    output: Vec<i64>,
    estimated: Vec<bool>,
    costs: Vec<Option<i64>>,
    first_events: Vec<Option<i64>>,
    durations: Vec<i64>,
}

impl Columns {
    fn of(calls: &[ModelCall]) -> Self {
        let mut of = Self::default();
        for call in calls {
            of.ids.push(call.id.as_uuid());
            of.started_at.push(call.started_at);
            let conversation = call.conversation_id.map(ConversationId::as_uuid);
            of.conversations.push(conversation);
            of.purposes.push(call.purpose.to_string());
            of.providers.push(call.provider.clone());
            of.accounts.push(call.account.clone());
            of.models.push(call.model.clone());
            of.own_keys.push(call.own_key);
            of.fallbacks.push(call.is_fallback);
            of.outcomes.push(call.outcome.to_string());
            of.faults.push(call.fault.clone());
            of.input.push(call.tokens.input);
            of.cached.push(call.tokens.cached);
            of.cache_written.push(call.tokens.cache_written);
            of.output.push(call.tokens.output);
            of.estimated.push(call.is_estimated);
            of.costs.push(call.cost_microdollars);
            of.first_events.push(call.first_event_ms);
            of.durations.push(call.duration_ms);
        }
        of
    }
}

/// Lists the tenant's calls, newest first; of one conversation if it is named.
///
/// # Errors
/// Those of the database.
pub async fn list(
    tx: &mut TenantTx,
    conversation: Option<ConversationId>,
    before: Option<ModelCallId>,
    limit: usize,
) -> Result<Page<ModelCall>> {
    let tenant = tx.tenant();
    let rows = sqlx::query_as!(
        Row,
        "
        SELECT id, started_at, conversation_id, purpose, provider, account, model, own_key,
               is_fallback, outcome, fault, input_tokens, cached_tokens, cache_written_tokens,
               output_tokens, is_estimated, cost_microdollars, first_event_ms, duration_ms
        FROM model_calls
        WHERE tenant_id = $1
          AND ($2::uuid IS NULL OR conversation_id = $2)
          AND ($3::uuid IS NULL OR id < $3)
        ORDER BY id DESC
        LIMIT $4
        ",
        tenant.as_uuid(),
        conversation.map(ConversationId::as_uuid),
        before.map(ModelCallId::as_uuid),
        crate::probe(limit),
    )
    .fetch_all(tx.conn())
    .await?;
    let calls = rows
        .into_iter()
        .map(ModelCall::try_from)
        .collect::<Result<Vec<_>>>()?;
    Ok(Page::from_rows(calls, limit, |call| Cursor::after(call.id)))
}
