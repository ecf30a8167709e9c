//! How long a burst is let settle: by the engine's own time, which the tests move at the job that waits.

use std::sync::Arc;

use domain::TenantSettings;
use llm::HashedNgrams;

use crate::looks::eventually;
use crate::stage::{Stage, settings};

const ANSWERS: &str = "answer-turn";

/// A stage with the times that tenants begin with, whose workers do all but answer.
async fn without_answers() -> Stage {
    let TenantSettings {
        settle_ms,
        settle_max_ms,
        ..
    } = TenantSettings::default();
    let settings = TenantSettings {
        settle_ms,
        settle_max_ms,
        ..settings()
    };
    let mut stage = Stage::set(settings, Arc::new(HashedNgrams)).await;
    stage
        .work_with(|options| options.kinds.retain(|kind| kind.name != ANSWERS))
        .await;
    stage
}

/// The customer writes, and it is stored; returns how long after the burst's first message its answer
/// begins, in seconds.
async fn settles_after(stage: &Stage, text: &str) -> f64 {
    let before = stage.inbound().await.len();
    stage.say(text).await;
    eventually("the message is stored", async || {
        (stage.inbound().await.len() > before).then_some(())
    })
    .await;
    sqlx::query_scalar(
        "SELECT extract(epoch FROM run_at - created_at)::float8 FROM jobs WHERE kind = $1",
    )
    .bind(ANSWERS)
    .fetch_one(stage.database.pool())
    .await
    .unwrap()
}

/// So much time goes by for the answer that waits.
async fn pass(stage: &Stage, seconds: f64) {
    sqlx::query(
        "UPDATE jobs SET created_at = created_at - make_interval(secs => $1),
             run_at = run_at - make_interval(secs => $1) WHERE kind = $2",
    )
    .bind(seconds)
    .bind(ANSWERS)
    .execute(stage.database.pool())
    .await
    .unwrap();
}

#[tokio::test]
async fn who_goes_on_writing_is_answered_six_seconds_after_the_first_message_at_the_latest() {
    let mut stage = without_answers().await;
    // Two seconds after a message, unless another follows.
    assert!((settles_after(&stage, "Hello").await - 2.0).abs() < 1e-6);
    pass(&stage, 1.5).await;
    let pushed = settles_after(&stage, "Do you sell tea?").await;
    assert!((3.5..=6.0).contains(&pushed), "{pushed}");
    for text in ["Green tea", "or black", "or any at all"] {
        pass(&stage, 1.5).await;
        let pushed = settles_after(&stage, text).await;
        assert!(pushed <= 6.0 + 1e-6, "{pushed}");
    }
    // Six seconds have passed, and it is due whatever follows.
    let last = settles_after(&stage, "Anybody?").await;
    assert!((last - 6.0).abs() < 1e-6, "{last}");
    stage.stop_work().await;
    stage.work().await;
    stage.rest_in_peace().await;
    let calls = stage.model.received();
    assert_eq!(calls.len(), 1);
    let asked = calls[0].body["messages"].to_string();
    for text in ["Hello", "Do you sell tea?", "or any at all", "Anybody?"] {
        assert!(asked.contains(text), "{asked}");
    }
    assert_eq!(stage.graph.received().len(), 1);
}
