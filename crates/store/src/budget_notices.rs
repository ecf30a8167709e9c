//! What was told of months' budgets.

use chrono::{DateTime, NaiveDate, Utc};
use db::{Error, Result, TenantTx, Tx as _};
use domain::{BudgetLevel, UnknownName};

/// That a month's budget reached a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetNotice {
    /// The first day of the month.
    pub month: NaiveDate,
    /// The level.
    pub level: BudgetLevel,
    /// What was spent by then, in micro-dollars.
    pub spent_microdollars: i64,
    /// What the month might cost at that time, in micro-dollars.
    pub monthly_microdollars: i64,
    /// When it was noticed.
    pub noticed_at: DateTime<Utc>,
}

/// Notes that a level was reached; false if that is noted for the month already.
///
/// # Errors
/// Those of the database.
pub async fn insert(tx: &mut TenantTx, notice: &BudgetNotice) -> Result<bool> {
    let tenant = tx.tenant();
    let inserted = sqlx::query!(
        "
        INSERT INTO budget_notices (tenant_id, month, level, spent_microdollars,
                                    monthly_microdollars, noticed_at)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (tenant_id, month, level) DO NOTHING
        ",
        tenant.as_uuid(),
        notice.month,
        notice.level.as_str(),
        notice.spent_microdollars,
        notice.monthly_microdollars,
        notice.noticed_at,
    )
    .execute(tx.conn())
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// Lists what was noted of a month, oldest first.
///
/// # Errors
/// Those of the database.
pub async fn list(tx: &mut TenantTx, month: NaiveDate) -> Result<Vec<BudgetNotice>> {
    let tenant = tx.tenant();
    let rows = sqlx::query!(
        "
        SELECT month, level, spent_microdollars, monthly_microdollars, noticed_at
        FROM budget_notices
        WHERE tenant_id = $1
          AND month = $2
        ORDER BY noticed_at, level
        ",
        tenant.as_uuid(),
        month,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(BudgetNotice {
                month: row.month,
                level: row
                    .level
                    .parse()
                    .map_err(|error: UnknownName| Error::corrupt(error.to_string()))?,
                spent_microdollars: row.spent_microdollars,
                monthly_microdollars: row.monthly_microdollars,
                noticed_at: row.noticed_at,
            })
        })
        .collect()
}
