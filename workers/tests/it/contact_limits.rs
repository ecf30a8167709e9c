//! An operator's limit on one contact counts once many messages go there, and no sooner: each such
//! limit is a queue of its own to the engine.

use std::time::Duration;

use domain::MessageStatus;

use crate::looks::eventually;
use crate::stage::{CUSTOMER, NUMBER, Stage};

/// How many messages may go to a contact within five minutes before its own limit counts.
const UNCOUNTED: usize = 20;

const PAIRS: &str = "job_limits WHERE key LIKE 'wa-pair:%'";

/// A stage where a customer was answered once, and then the workers went away.
async fn answered() -> Stage {
    let mut stage = Stage::start().await;
    stage.say("Do you sell tea?").await;
    stage.answer(MessageStatus::Sent).await;
    stage.rest_in_peace().await;
    stage.stop_work().await;
    stage
}

/// What the waiting sends count against, in the order in which they were enqueued.
async fn counted(stage: &Stage) -> Vec<(Option<String>, Option<String>)> {
    sqlx::query_as(
        "SELECT limit_key_1, limit_key_2 FROM jobs WHERE kind = 'send-reply' ORDER BY id",
    )
    .fetch_all(stage.database.pool())
    .await
    .unwrap()
}

/// Whether the next message counts against its contact's limit.
async fn next_counts(stage: &Stage) -> bool {
    stage.write("One more thing.").await;
    counted(stage).await.pop().unwrap().1.is_some()
}

async fn set_tokens(stage: &Stage, tokens: i32) {
    sqlx::query(
        "UPDATE job_limits SET tokens = $1, rate_per_second = 0.001, refilled_at = now(),
             changed_at = now() WHERE key LIKE 'wa-pair:%'",
    )
    .bind(tokens)
    .execute(stage.database.pool())
    .await
    .unwrap();
}

#[tokio::test]
async fn the_limit_on_a_contact_counts_from_the_twenty_first_message_on() {
    let mut stage = answered().await;
    for nth in 2..=UNCOUNTED {
        stage.write(&format!("The {nth}th.")).await;
    }
    let number = Some(format!("wa-number:{NUMBER}"));
    let sends = counted(&stage).await;
    assert_eq!(sends, vec![(number.clone(), None); UNCOUNTED - 1]);
    assert_eq!(stage.count(PAIRS).await, 0);

    stage.write("The last one.").await;
    let (by_number, by_pair) = counted(&stage).await.pop().unwrap();
    assert_eq!(by_number, number);
    let limit: (f64, i32) =
        sqlx::query_as("SELECT rate_per_second, burst FROM job_limits WHERE key = $1")
            .bind(by_pair.unwrap())
            .fetch_one(stage.database.pool())
            .await
            .unwrap();
    // One every six seconds, and 45 at once, of which those before it are gone.
    assert!((limit.0 - 1.0 / 6.0).abs() < 1e-9, "{limit:?}");
    assert_eq!(limit.1, 45 - 20);

    // Where it is used up, the contact waits and nobody else does.
    set_tokens(&stage, 0).await;
    stage.say_as("15550003333", "And coffee?").await;
    stage.work().await;
    let to_customer = |stage: &Stage| {
        let sent = stage.graph.received().into_iter();
        sent.filter(|sent| sent.to.ends_with(CUSTOMER)).count()
    };
    eventually(
        "the other one is answered, and the rest has left",
        async || {
            let others = stage.graph.received().len() - to_customer(&stage);
            let waiting = stage.count("jobs WHERE kind = 'send-reply'").await;
            (others == 1 && waiting == 1).then_some(())
        },
    )
    .await;
    assert_eq!(to_customer(&stage), UNCOUNTED);
    set_tokens(&stage, 1).await;
    stage.hurry().await;
    stage.rest_in_peace().await;
    assert_eq!(to_customer(&stage), UNCOUNTED + 1);
    assert_eq!(stage.graph.received().pop().unwrap().text, "The last one.");
}

#[tokio::test]
async fn what_was_sent_five_minutes_ago_is_forgotten() {
    let stage = answered().await;
    for _ in 1..UNCOUNTED {
        assert!(!next_counts(&stage).await);
    }
    assert!(next_counts(&stage).await);
    stage.pass(Duration::from_mins(4));
    assert!(next_counts(&stage).await);
    stage.pass(Duration::from_mins(2));
    assert!(!next_counts(&stage).await);
}
