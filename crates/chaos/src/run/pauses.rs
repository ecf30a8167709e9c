use std::time::Duration;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use db::Db;
use jobs::control::{self, ControlError, LimitKey};
use sqlx::PgPool;
use tokio::sync::Mutex;
use uuid::Uuid;

use super::faults::persist;
use crate::kinds::Kind;

/// Pauses and resumes as the API does, one at a time: whoever resumes ends every pause of a key.
pub(crate) struct Pauses {
    db: Db,
    pool: PgPool,
    turn: Mutex<()>,
}

impl Pauses {
    pub(crate) fn new(db: Db, pool: PgPool) -> Self {
        Self {
            db,
            pool,
            turn: Mutex::default(),
        }
    }

    /// Pauses the `nth` of a few keys for `length`, and writes down when that held for certain.
    ///
    /// # Errors
    /// When the database stays away.
    pub(crate) async fn one(&self, nth: usize, length: Duration) -> anyhow::Result<()> {
        let _turn = self.turn.lock().await;
        let keys = [
            LimitKey::kind(Kind::Grouped.name()),
            LimitKey::kind(Kind::Plain.name()),
            LimitKey::tenant(Uuid::from_u128(1).into()),
            LimitKey::parse("endpoint:a")?,
        ];
        let key = keys.get(nth % keys.len()).context("no keys")?;
        persist(async || self.pause(key).await).await?;
        let paused_at = self.now().await?;
        tokio::time::sleep(length).await;
        let resumed_at = self.now().await?;
        persist(async || self.resume(key).await).await?;
        persist(async || {
            sqlx::query("INSERT INTO chaos_pauses (key, paused_at, resumed_at) VALUES ($1, $2, $3)")
                .bind(key.as_str())
                .bind(paused_at)
                .bind(resumed_at)
                .execute(&self.pool)
                .await
                .map(drop)
                .map_err(db::Error::from)
        })
        .await
    }

    async fn pause(&self, key: &LimitKey) -> db::Result<()> {
        let mut tx = self.db.system().await?;
        control::pause(&mut tx, key, None)
            .await
            .map_err(of_database)?;
        tx.commit().await
    }

    async fn resume(&self, key: &LimitKey) -> db::Result<()> {
        let mut tx = self.db.system().await?;
        control::resume(&mut tx, key).await.map_err(of_database)?;
        tx.commit().await
    }

    async fn now(&self) -> anyhow::Result<DateTime<Utc>> {
        persist(async || {
            sqlx::query_scalar("SELECT clock_timestamp()")
                .fetch_one(&self.pool)
                .await
                .map_err(db::Error::from)
        })
        .await
    }
}

fn of_database(error: ControlError) -> db::Error {
    match error {
        ControlError::Db(error) => error,
        other => db::Error::corrupt(other.to_string()),
    }
}
