use crate::{Db, Result, SystemTx, Tx as _};

/// How long an analysis waits for a table that autovacuum has.
const LOCK: &str = "SET LOCAL lock_timeout = '2s'";

impl Db {
    /// Has the server look at small tables that have doubled since it last did: until then it plans
    /// for what they were. Says how many there were.
    ///
    /// # Errors
    /// Those of the database; `Unavailable` if a table was too busy.
    pub async fn analyze_young_tables(&self) -> Result<i32> {
        let mut tx: SystemTx = self.system().await?;
        sqlx::query(LOCK).execute(tx.conn()).await?;
        let analyzed = sqlx::query_scalar("SELECT analyze_young_tables()")
            .fetch_one(tx.conn())
            .await?;
        tx.commit().await?;
        Ok(analyzed)
    }
}
