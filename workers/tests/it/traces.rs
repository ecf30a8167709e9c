//! What the log says of the jobs that a message leads to.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use domain::MessageStatus;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use telemetry::Format;

use crate::changes::{post, wire};
use crate::reports::three_answers;
use crate::stage::{PATIENCE, Stage};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    /// Begins to collect what this thread, which is the whole of a test's runtime, logs.
    fn collect(&self) -> tracing::dispatcher::DefaultGuard {
        let writer = self.clone();
        let filter = "warn,jobs=debug,assistant=debug";
        let log = telemetry::dispatch(filter, Format::Json, move || writer.clone());
        tracing::dispatcher::set_default(&log.unwrap())
    }

    /// Those of a kind of jobs that say this.
    fn saying(&self, kind: &str, message: &str) -> Vec<Value> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let lines = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines
            .filter(|line| line["job.kind"] == kind && line["message"] == message)
            .collect()
    }
}

#[tokio::test]
async fn every_stage_of_a_message_says_whose_it_is_and_what_it_is_about() {
    const PICTURE: &[u8] = b"\x89PNG\r\n\x1a\n and what follows";
    let lines = Lines::default();
    let _collecting = lines.collect();
    let stage = Stage::start().await;
    stage.graph.add_file("555", "image/png", PICTURE);
    let sha256 = hex::encode(Sha256::digest(PICTURE));
    let picture = json!({
        "id": "555", "mime_type": "image/png", "sha256": sha256, "caption": "Do you have this?",
    });
    post(&stage, wire(&stage, "wamid.p", "image", &picture)).await;
    let sent = stage.graph.wait_for(1, PATIENCE).await.unwrap();
    stage.rest_in_peace().await;
    stage.report(&sent[0], "delivered").await;
    stage.rest_in_peace().await;
    let answer = stage.answer(MessageStatus::Delivered).await;
    let asked = stage.inbound().await.remove(0);
    for (kind, about) in [
        ("inbound-message", asked.id),
        ("fetch-media", asked.id),
        ("answer-turn", asked.id),
        ("send-reply", answer.id),
        ("channel-status", answer.id),
    ] {
        let ended = lines.saying(kind, "a run has ended");
        assert_eq!(ended.len(), 1, "{kind}: {ended:?}");
        let line = &ended[0];
        for (field, id) in [
            ("tenant.id", stage.tenant.to_string()),
            ("conversation.id", asked.conversation_id.to_string()),
            ("message.id", about.to_string()),
        ] {
            assert_eq!(line[field], id, "{kind}: {line}");
        }
        assert!(line["trace.id"].is_string(), "{kind}: {line}");
    }
}

#[tokio::test]
async fn reports_that_are_applied_together_each_say_which_message_they_are_about() {
    let lines = Lines::default();
    let _collecting = lines.collect();
    let (mut stage, sent) = three_answers().await;
    for message in &sent {
        stage.report(message, "delivered").await;
    }
    stage.work().await;
    stage.rest_in_peace().await;
    let of_table: Vec<(String, String)> = sqlx::query_as(
        "SELECT id::text, conversation_id::text FROM messages WHERE status = 'delivered'",
    )
    .fetch_all(stage.database.pool())
    .await
    .unwrap();
    let moved = lines.saying("channel-status", "a report moved a message on");
    let text = |line: &Value, field: &str| line[field].as_str().unwrap_or_default().to_owned();
    let of_log: Vec<(String, String)> = moved
        .iter()
        .map(|line| (text(line, "message.id"), text(line, "conversation.id")))
        .collect();
    assert_eq!(of_log.len(), 3, "{moved:?}");
    let set = |pairs: Vec<_>| pairs.into_iter().collect::<BTreeSet<_>>();
    assert_eq!(set(of_log), set(of_table));
    let tenant = stage.tenant.to_string();
    assert!(moved.iter().all(|line| line["tenant.id"] == tenant));
    stage.end().await;
}
