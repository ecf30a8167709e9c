//! What a test sees of the tables, and how it waits for it.

use std::time::{Duration, Instant};

use db::{Signal, Topic};
use domain::{ConversationId, ConversationStatus, Direction, MessageStatus};
use store::conversations;
use store::messages::{self, Message};

use crate::stage::{PATIENCE, Stage};

/// Polls until `look` finds something; there is nothing to be notified by.
pub(crate) async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < until, "it never came to this: {what}");
        tokio::time::sleep(Duration::from_millis(15)).await;
    }
}

impl Stage {
    /// Counts rows of a table, past every policy.
    pub(crate) async fn count(&self, from: &str) -> i64 {
        let statement = format!("SELECT count(*) FROM {from}");
        sqlx::query_scalar(sqlx::AssertSqlSafe(statement))
            .fetch_one(self.database.pool())
            .await
            .unwrap()
    }

    /// Waits until no job is left.
    pub(crate) async fn rest(&self) {
        eventually("no job is left", async || {
            (self.count("jobs").await == 0).then_some(())
        })
        .await;
    }

    /// Waits until only webhooks to an address that nobody listens at are left, and nothing else died.
    pub(crate) async fn rest_but_for_webhooks(&self) {
        eventually("only webhooks are left", async || {
            let left = "jobs WHERE kind <> 'deliver-webhook'";
            (self.count(left).await == 0).then_some(())
        })
        .await;
        let dead = "dead_jobs WHERE kind <> 'deliver-webhook'";
        assert_eq!(self.count(dead).await, 0);
    }

    /// Waits until no job is left, and none of them died.
    pub(crate) async fn rest_in_peace(&self) {
        self.rest().await;
        assert_eq!(self.count("dead_jobs").await, 0);
    }

    /// The only conversation there is.
    pub(crate) async fn conversation(&self) -> ConversationId {
        let mut tx = self.assistant.db.tenant(self.tenant).await.unwrap();
        let page = conversations::list(&mut tx, None, None, None, 10).await;
        let all = page.unwrap().data;
        assert_eq!(all.len(), 1, "{all:?}");
        all[0].id
    }

    pub(crate) async fn set_status(&self, status: ConversationStatus) {
        let id = self.conversation().await;
        let mut tx = self.assistant.db.tenant(self.tenant).await.unwrap();
        conversations::set_status(&mut tx, id, status)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }

    async fn messages(&self, direction: Direction) -> Vec<Message> {
        if self.count("conversations").await == 0 {
            return Vec::new();
        }
        let id = self.conversation().await;
        let mut tx = self.assistant.db.tenant(self.tenant).await.unwrap();
        let page = messages::list(&mut tx, id, 0, 100).await.unwrap();
        page.data
            .into_iter()
            .filter(|message| message.direction == direction)
            .collect()
    }

    pub(crate) async fn inbound(&self) -> Vec<Message> {
        self.messages(Direction::Inbound).await
    }

    pub(crate) async fn outbound(&self) -> Vec<Message> {
        self.messages(Direction::Outbound).await
    }

    /// Waits until the only answer has come so far.
    pub(crate) async fn answer(&self, status: MessageStatus) -> Message {
        eventually(&format!("one answer that is {status}"), async || {
            let mut all = self.outbound().await;
            assert!(all.len() < 2, "{all:?}");
            all.pop().filter(|message| message.status == status)
        })
        .await
    }

    /// Waits for a job of this kind that waits for its time, and says how long that is.
    pub(crate) async fn put_off(&self, kind: &str) -> Duration {
        eventually(&format!("a {kind} job that is put off"), async || {
            let seconds: Option<f64> = sqlx::query_scalar(
                "SELECT extract(epoch FROM run_at - now())::float8 FROM jobs
                 WHERE kind = $1 AND state = 1",
            )
            .bind(kind)
            .fetch_optional(self.database.pool())
            .await
            .unwrap();
            seconds.map(|seconds| Duration::from_secs_f64(seconds.max(0.0)))
        })
        .await
    }

    /// Makes due what waits for its time, and ends pauses.
    pub(crate) async fn hurry(&self) {
        sqlx::query("UPDATE job_limits SET paused_until = NULL, changed_at = now()")
            .execute(self.database.pool())
            .await
            .unwrap();
        sqlx::query("UPDATE jobs SET run_at = now() WHERE state = 1")
            .execute(self.database.pool())
            .await
            .unwrap();
        self.assistant.db.signal(Signal {
            topic: Topic::Jobs,
            payload: String::new(),
        });
    }

    /// The types of the events that integrators were to be told, in order.
    pub(crate) async fn events(&self) -> Vec<String> {
        sqlx::query_scalar("SELECT event_type FROM webhook_deliveries ORDER BY seq")
            .fetch_all(self.database.pool())
            .await
            .unwrap()
    }

    /// Those of them that are about messages.
    pub(crate) async fn messages_told(&self) -> Vec<String> {
        let mut told = self.events().await;
        told.retain(|kind| kind.starts_with("message."));
        told
    }
}
