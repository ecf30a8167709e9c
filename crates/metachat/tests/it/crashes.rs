//! A process is killed at every step between a message's intake and its stored status, while the
//! messages of all channels that are posted to stand at that step at once. Whatever the step, each
//! customer gets one answer. `docs/crashes.md` tells the same as a table.

use std::ops::RangeInclusive;

use rustix::process::Signal;
use serde_json::Value;
use testkit::standin::{GraphBehaviour, StatusPlan};

use crate::lines::{LINES, Lines, QUESTION};
use crate::process::{PATIENCE, Process, until};
use crate::shop::{LEFT_TO_DO, messages};
use crate::stage::{Api, Stage};

/// What the kill takes away of a send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lost {
    /// Nothing: it had not begun, or its end was noted.
    Nothing,
    /// The request: nobody knows whether it left.
    Request,
    /// What came of it: Meta's reports tell, the other system knows a repeat by its id.
    Outcome,
    /// Any of these: while the last channel came to the point, another may have been at its send.
    Either,
}

impl Lost {
    /// How often the send may have begun. `is_reported`: what came of it is told all the same.
    fn tries(self, is_reported: bool) -> RangeInclusive<i64> {
        match self {
            Self::Nothing => 1..=1,
            Self::Outcome if is_reported => 1..=1,
            Self::Request | Self::Outcome => 2..=2,
            Self::Either => 1..=2,
        }
    }

    /// How many posts the other system may have got.
    fn posts(self) -> RangeInclusive<usize> {
        match self {
            Self::Nothing | Self::Request => 1..=1,
            Self::Outcome => 2..=2,
            Self::Either => 1..=2,
        }
    }
}

/// Kills a worker when the jobs of every channel stand at `point`, starts another, and sees one
/// answer each.
async fn kill_a_worker_at(point: &str, job: &str, lost: Lost) {
    let stage = Stage::new().await;
    let api = stage.api().await;
    let lines = Lines::open(&api.http).await;
    lines.report_to(&api.http, &stage);
    let are_reports_cut_off = job == "channel-status";
    if are_reports_cut_off {
        // One report of each message, so that those of all stand there.
        let delivered = StatusPlan::of(["delivered"]);
        stage.graph.otherwise(GraphBehaviour::statuses(delivered));
    }
    let doomed = worker(&stage, &format!("{point}=kill@{LINES}"));
    assert_eq!(lines.write(&api.http).await, [Some(200); LINES]);
    if are_reports_cut_off {
        let sent = lines.system.receiver.wait_for(1, PATIENCE).await.unwrap();
        lines.system.report(&api.http, &sent[0]).await;
    }
    doomed.killed().await;
    let next = worker(&stage, "");
    see_one_answer_each(&stage, &api, &lines, next, lost).await;
    let cut_off = cut_off(&stage).await;
    assert!(cut_off.len() >= LINES, "{cut_off:?}");
    // Any job is finished.
    if point != "job.before_finish" {
        let of_job = cut_off.iter().filter(|kind| *kind == job);
        assert_eq!(of_job.count(), LINES, "{cut_off:?}");
    }
}

/// The kinds of the jobs that kills cut off.
pub(crate) async fn cut_off(stage: &Stage) -> Vec<String> {
    let kinds = sqlx::query_scalar(CUT_OFF).fetch_all(&stage.pool);
    kinds.await.unwrap()
}

/// Kills the API when the transaction that the posts of every channel share stands at `point`. Nobody
/// gets an answer, and everybody posts again.
async fn kill_the_api_at(point: &str, copies: i64) {
    let stage = Stage::new().await;
    let failpoints = format!("intake.waiting=stop@{LINES},{point}=kill");
    let doomed = stage.api_with(&failpoints).await;
    let lines = Lines::open(&doomed.http).await;
    // Asleep until all wait for a transaction: awake, it takes them all along.
    let waking = async {
        doomed.process.stopped().await;
        doomed.process.signal(Signal::CONT);
    };
    let (answers, ()) = tokio::join!(lines.write(&doomed.http), waking);
    assert_eq!(answers, [None; LINES]);
    doomed.process.killed().await;

    let api = stage.api().await;
    lines.report_to(&api.http, &stage);
    let worker = worker(&stage, "");
    assert_eq!(lines.write(&api.http).await, [Some(200); LINES]);
    see_one_answer_each(&stage, &api, &lines, worker, Lost::Nothing).await;
    let of_all = copies * i64::try_from(LINES).unwrap();
    assert_eq!(stage.count(COPIES).await, of_all);
}

/// Starts a worker that may call this machine, as the other system and Meta's files are on it.
pub(crate) fn worker(stage: &Stage, failpoints: &str) -> Process {
    let variables = [
        ("METACHAT_FAILPOINTS", failpoints),
        ("METACHAT_OUTBOUND_ALLOW", "127.0.0.0/8"),
    ];
    stage.start_with("worker", &variables)
}

async fn see_one_answer_each(stage: &Stage, api: &Api, lines: &Lines, worker: Process, lost: Lost) {
    let answers = settled(stage, api, lines).await;
    // Once it has drained, nothing can follow.
    worker.drained().await;
    for (nth, answer) in answers.iter().enumerate() {
        let is_reported = nth + 1 < LINES;
        let tries = lost.tries(is_reported);
        let intents: i64 = sqlx::query_scalar(INTENTS)
            .bind(answer["id"].as_str())
            .fetch_one(&stage.pool)
            .await
            .unwrap();
        assert!(tries.contains(&intents), "{intents} of {tries:?}: {answer}");
    }
    let ids = answers.map(|answer| answer["id"].as_str().unwrap().to_owned());
    let [of_number, of_page, of_system] = &ids;
    let mut tags: Vec<String> = stage
        .graph
        .received()
        .into_iter()
        .filter_map(|it| it.tag)
        .collect();
    tags.sort();
    let mut expected = [of_number.clone(), format!("metachat:{of_page}")];
    expected.sort();
    assert_eq!(tags, expected);
    let posts = lines.system.receiver.received();
    assert!(lost.posts().contains(&posts.len()), "{posts:?}");
    // A repeat is known by its id.
    for post in &posts {
        assert_eq!(post.header("webhook-id"), Some(&**of_system), "{posts:?}");
    }
    assert_eq!(
        stage.count(FAILED).await,
        0,
        "raw items, jobs or messages failed"
    );
}

/// The answer to each customer, once all have come and nothing is left to do.
async fn settled(stage: &Stage, api: &Api, lines: &Lines) -> [Value; LINES] {
    until("everybody is answered, and all is done", || async {
        if stage.count(LEFT_TO_DO).await > 0 {
            return None;
        }
        let mut answers = [const { Value::Null }; LINES];
        for (answer, tenant) in answers.iter_mut().zip(lines.tenants()) {
            let messages = messages(&api.http, tenant).await;
            let is_reported = tenant != lines.system.tenant;
            let last = messages.last()?.clone();
            let has_come = if is_reported { "delivered" } else { "sent" };
            if last["status"] != has_come && last["status"] != "delivered" {
                return None;
            }
            assert_eq!(messages.len(), 2, "{messages:?}");
            assert_eq!(messages[0]["text"], QUESTION);
            assert_eq!(last["text"], format!("Answer to: {QUESTION}"));
            assert_eq!(last["author"], "assistant");
            *answer = last;
        }
        Some(answers)
    })
    .await
}

const INTENTS: &str = "SELECT send_attempts::bigint FROM messages WHERE id::text = $1";
const CUT_OFF: &str = "SELECT kind FROM job_attempts AS a JOIN job_history AS h ON h.id = a.job_id
    WHERE a.outcome = 'crashed'";
/// What customers wrote; the page's echo of an answer repeats it.
const COPIES: &str = "SELECT count(*) FROM raw_items
    WHERE payload::text LIKE '%When do you open%' AND payload::text NOT LIKE '%Answer to:%'";
pub(crate) const FAILED: &str = "SELECT (SELECT count(*) FROM dead_jobs)
    + (SELECT count(*) FROM raw_items WHERE outcome IN ('failed', 'unreadable', 'unroutable'))
    + (SELECT count(*) FROM messages WHERE status = 'failed')";

#[tokio::test]
async fn process_killed_before_the_intake_is_committed() {
    kill_the_api_at("intake.before_commit", 1).await;
}

#[tokio::test]
async fn process_killed_after_the_intake_is_committed() {
    kill_the_api_at("intake.after_commit", 2).await;
}

macro_rules! workers_killed {
    ($($name:ident: $point:literal cuts off $job:literal, loses $lost:ident;)*) => {$(
        #[tokio::test]
        async fn $name() {
            kill_a_worker_at($point, $job, Lost::$lost).await;
        }
    )*};
}

workers_killed! {
    process_killed_before_the_message_is_stored:
        "inbound.before_commit" cuts off "inbound-message", loses Nothing;
    process_killed_after_the_message_is_stored:
        "inbound.after_commit" cuts off "inbound-message", loses Either;
    process_killed_before_a_job_begins_that_was_not_claimed:
        "direct.before_begin" cuts off "answer-turn", loses Nothing;
    process_killed_before_a_job_is_finished:
        "job.before_finish" cuts off "inbound-message", loses Either;
    process_killed_before_the_model_is_asked:
        "answer.before_model" cuts off "answer-turn", loses Nothing;
    process_killed_before_the_answer_is_stored:
        "answer.before_commit" cuts off "answer-turn", loses Nothing;
    process_killed_after_the_answer_is_stored:
        "answer.after_commit" cuts off "answer-turn", loses Either;
    process_killed_before_the_intent_to_send_is_committed:
        "send.before_intent_commit" cuts off "send-reply", loses Nothing;
    process_killed_after_the_intent_to_send_is_committed:
        "send.intent_committed" cuts off "send-reply", loses Request;
    process_killed_before_the_request_leaves:
        "send.before_request" cuts off "send-reply", loses Request;
    process_killed_after_the_request_was_answered:
        "send.after_request" cuts off "send-reply", loses Outcome;
    process_killed_before_the_send_is_noted:
        "send.before_sent_commit" cuts off "send-reply", loses Outcome;
    process_killed_after_the_send_is_noted:
        "send.after_sent_commit" cuts off "send-reply", loses Nothing;
    process_killed_before_a_status_is_stored:
        "status.before_commit" cuts off "channel-status", loses Either;
    process_killed_after_a_status_is_stored:
        "status.after_commit" cuts off "channel-status", loses Either;
}
