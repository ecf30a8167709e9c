use chrono::{DateTime, Utc};
use domain::TenantId;
use sqlx::{Postgres, QueryBuilder};

use super::JobState;
use super::redact::{HASH_DIGITS, hash_digits};
use crate::Lane;
use crate::control::{LimitKey, LimitScope};

/// Which jobs are meant; what is `None` does not narrow.
#[derive(Clone, Debug, Default)]
pub struct JobFilter {
    /// Only of this kind.
    pub kind: Option<String>,
    /// Only in this state.
    pub state: Option<JobState>,
    /// Only of this tenant.
    pub tenant: Option<TenantId>,
    /// Only of this lane.
    pub lane: Option<Lane>,
    /// Only with this ordering key, or with one that is shown as this hash.
    pub ordering_key: Option<String>,
    /// Only those that this limit applies to: a key they carry, or one of their tenant or kind.
    pub limit_key: Option<LimitKey>,
    /// Only with this unique key, which only unfinished jobs have.
    pub unique_key: Option<String>,
    /// Only enqueued before.
    pub created_before: Option<DateTime<Utc>>,
    /// Only enqueued at that time or later.
    pub created_after: Option<DateTime<Utc>>,
    /// Only with this text, in whatever case, in what the latest attempt said, why it is dead or why
    /// it was cancelled.
    pub error: Option<String>,
}

/// One of the tables that a job can be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Table {
    /// What waits or runs.
    Hot,
    /// What was finished.
    History,
    /// What was given up.
    Dead,
}

impl Table {
    /// Where a job says what went wrong.
    const fn error_column(self) -> &'static str {
        match self {
            Self::Hot => "j.last_error",
            Self::History | Self::Dead => "j.reason",
        }
    }

    /// Whether jobs in that state are in this table.
    pub(crate) const fn holds(self, state: JobState) -> bool {
        match state {
            JobState::Done | JobState::Cancelled => matches!(self, Self::History),
            JobState::Dead => matches!(self, Self::Dead),
            _ => matches!(self, Self::Hot),
        }
    }
}

impl JobFilter {
    /// Whether it names something that not all jobs have. All of them may be in one state and one lane,
    /// and of one time: those narrow nothing by themselves. To whom a tenant is `implied`, all jobs are
    /// of that tenant.
    pub(crate) fn narrows(&self, tenant_implied: bool) -> bool {
        let key = self.limit_key.as_ref();
        let is_of_tenant = |key: &LimitKey| matches!(key.scope(), LimitScope::Tenant(_));
        let by_tenant = self.tenant.is_some() || key.is_some_and(is_of_tenant);
        (by_tenant && !tenant_implied)
            || key.is_some_and(|key| !is_of_tenant(key))
            || self.kind.is_some()
            || self.ordering_key.is_some()
            || self.unique_key.is_some()
            || self.error.is_some()
    }

    /// Whether jobs of a table can match at all.
    pub(crate) fn reaches(&self, table: Table) -> bool {
        self.state.is_none_or(|state| table.holds(state))
            && (self.unique_key.is_none() || table == Table::Hot)
    }

    /// Adds the conditions, the state's included, for a table that is called `j`.
    pub(crate) fn push(&self, query: &mut QueryBuilder<Postgres>, table: Table) {
        if let Some(state) = self.state {
            match (table, state.number()) {
                // As text: the planner has to see it to use an index of that state.
                (Table::Hot, Some(number)) => query.push(" AND j.state = ").push(number),
                (Table::History, _) => query.push(" AND j.outcome = ").push_bind(state.as_str()),
                _ => query,
            };
        }
        push_equal(query, "j.kind", self.kind.as_deref());
        if let Some(key) = &self.ordering_key {
            push_key(query, key);
        }
        push_equal(query, "j.unique_key", self.unique_key.as_deref());
        push_equal(query, "j.tenant_id", self.tenant.map(TenantId::as_uuid));
        push_equal(query, "j.lane", self.lane.map(Lane::number));
        if let Some(key) = &self.limit_key {
            push_limit(query, key);
        }
        self.push_times(query, table);
        if let Some(text) = &self.error {
            query
                .push(" AND ")
                .push(table.error_column())
                .push(" ILIKE ")
                .push_bind(format!("%{}%", escape_like(text)));
        }
    }

    fn push_times(&self, query: &mut QueryBuilder<Postgres>, table: Table) {
        if let Some(before) = self.created_before {
            query.push(" AND j.created_at < ").push_bind(before);
        }
        if let Some(after) = self.created_after {
            query.push(" AND j.created_at >= ").push_bind(after);
            if table == Table::History {
                // Nothing ends before it is enqueued; this leaves whole days out.
                query.push(" AND j.finished_at >= ").push_bind(after);
            }
        }
    }
}

fn push_equal<'a, T>(query: &mut QueryBuilder<Postgres>, column: &str, value: Option<T>)
where
    T: sqlx::Encode<'a, Postgres> + sqlx::Type<Postgres> + 'a,
{
    if let Some(value) = value {
        query
            .push(" AND ")
            .push(column)
            .push(" = ")
            .push_bind(value);
    }
}

fn push_key(query: &mut QueryBuilder<Postgres>, key: &str) {
    query.push(" AND (j.ordering_key = ").push_bind(key);
    if let Some(digits) = hash_digits(key) {
        query
            .push(" OR left(encode(sha256(convert_to(j.ordering_key, 'UTF8')), 'hex'), ")
            .push(HASH_DIGITS)
            .push(") = ")
            .push_bind(digits.to_ascii_lowercase());
    }
    query.push(")");
}

fn push_limit(query: &mut QueryBuilder<Postgres>, key: &LimitKey) {
    match key.scope() {
        LimitScope::Tenant(tenant) => push_equal(query, "j.tenant_id", Some(tenant.as_uuid())),
        LimitScope::Kind(kind) => push_equal(query, "j.kind", Some(kind)),
        LimitScope::TenantKind(tenant, kind) => {
            push_equal(query, "j.tenant_id", Some(tenant.as_uuid()));
            push_equal(query, "j.kind", Some(kind));
        }
        LimitScope::Own => {
            query
                .push(" AND (j.limit_key_1 = ")
                .push_bind(key.as_str())
                .push(" OR j.limit_key_2 = ")
                .push_bind(key.as_str())
                .push(")");
        }
    }
}

/// The text as a pattern that matches nothing but itself.
fn escape_like(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_searched_text_matches_only_itself() {
        assert_eq!(escape_like(r"100% of a_b\c"), r"100\% of a\_b\\c");
    }

    #[test]
    fn what_all_jobs_may_have_in_common_does_not_narrow() {
        let tenant = TenantId::new();
        let key = |text: &str| Some(LimitKey::parse(text).unwrap());
        let at = Some(DateTime::UNIX_EPOCH);
        let any = JobFilter {
            state: Some(JobState::Ready),
            lane: Some(Lane::Bulk),
            created_before: at,
            created_after: at,
            ..JobFilter::default()
        };
        assert!(!any.narrows(false));
        for (tenant, limit_key) in [
            (Some(tenant), None),
            (None, key(&format!("tenant:{tenant}"))),
        ] {
            let of_tenant = JobFilter {
                tenant,
                limit_key,
                ..any.clone()
            };
            assert!(of_tenant.narrows(false) && !of_tenant.narrows(true));
        }
        for limit_key in ["kind:probe", "endpoint:7"] {
            let limit_key = key(limit_key);
            let limited = JobFilter {
                limit_key,
                ..any.clone()
            };
            assert!(limited.narrows(true));
        }
    }

    #[test]
    fn a_filter_reaches_only_the_tables_that_can_match() {
        let of = |state| JobFilter {
            state: Some(state),
            ..JobFilter::default()
        };
        assert!(of(JobState::Held).reaches(Table::Hot));
        assert!(!of(JobState::Held).reaches(Table::Dead));
        assert!(of(JobState::Cancelled).reaches(Table::History));
        let unique = JobFilter {
            unique_key: Some("one".to_owned()),
            ..JobFilter::default()
        };
        assert!(unique.reaches(Table::Hot) && !unique.reaches(Table::History));
    }
}
