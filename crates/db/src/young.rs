use crate::{Db, Result, Tx as _};

impl Db {
    /// Has the server look at small tables that have doubled since it last did: until then it plans
    /// for what they were. Says how many there were.
    ///
    /// # Errors
    /// Those of the database; `Unavailable` if a table was too busy.
    pub async fn analyze_young_tables(&self) -> Result<i32> {
        let mut tx = self.system().await?;
        // Autovacuum may have one of them.
        tx.wait_briefly().await?;
        let analyzed = sqlx::query_scalar("SELECT analyze_young_tables()")
            .fetch_one(tx.conn())
            .await?;
        tx.commit().await?;
        Ok(analyzed)
    }
}
