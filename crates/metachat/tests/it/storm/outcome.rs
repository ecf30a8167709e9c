//! What has to be left behind: every message stored once, with one answer or a reason, and answers in
//! their order at whoever got them.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;
use testkit::standin::Receiver;

use super::{CUSTOMERS, MESSAGES, visitors};
use crate::stage::Stage;

/// What is stored of customers, by channel.
const INBOUND: &str = "SELECT c.kind, count(*), count(DISTINCT m.conversation_id)
    FROM messages AS m JOIN channels AS c ON c.id = m.channel_id
    WHERE m.direction = 'inbound' GROUP BY c.kind ORDER BY c.kind";
/// Turns that nobody settled, and messages that neither left nor say why.
const UNSETTLED: &str = "SELECT
    (SELECT count(*) FROM conversations WHERE answered_turn < turn_seq)
    + (SELECT count(*) FROM messages WHERE direction = 'outbound'
       AND (status IN ('queued', 'sending', 'unknown') OR (status = 'failed' AND error IS NULL)))";
const TWICE_ANSWERED: &str = "SELECT count(*) FROM (
    SELECT FROM messages WHERE direction = 'outbound' AND turn IS NOT NULL
    GROUP BY conversation_id, turn HAVING count(*) > 1) AS twice";
/// Messages without a reason for having no answer, whose turn, or the later one it was answered with,
/// has none that comes after them: the machine's, which holds their words, or the tenant's text for
/// when there is none.
const UNANSWERED: &str = "SELECT asked.text, answer.author, answer.text
    FROM messages AS asked LEFT JOIN LATERAL (
        SELECT seq, author, text FROM messages AS it
        WHERE it.conversation_id = asked.conversation_id AND it.direction = 'outbound'
          AND it.turn >= asked.turn
        ORDER BY it.turn LIMIT 1
    ) AS answer ON true
    WHERE asked.direction = 'inbound' AND asked.unanswered_reason IS NULL
      AND (asked.turn IS NULL OR answer.seq IS NULL OR answer.seq < asked.seq
           OR NOT CASE answer.author WHEN 'assistant' THEN strpos(answer.text, asked.text) > 0
                  ELSE answer.author = 'system' AND answer.text <> '' END)";
/// Messages to customers that answer no turn, or one in which nobody asked anything.
const UNASKED: &str = "SELECT answer.text FROM (
        SELECT conversation_id, turn, text,
               coalesce(lag(turn) OVER (PARTITION BY conversation_id ORDER BY turn), 0) AS before
        FROM messages WHERE direction = 'outbound'
    ) AS answer
    WHERE turn IS NULL OR NOT EXISTS (
        SELECT FROM messages AS asked
        WHERE asked.conversation_id = answer.conversation_id AND asked.direction = 'inbound'
          AND asked.turn > answer.before AND asked.turn <= answer.turn)";
const SENT: &str = "SELECT m.id::text FROM messages AS m JOIN channels AS c ON c.id = m.channel_id
    WHERE m.direction = 'outbound' AND m.status IN ('sent', 'delivered', 'read')
      AND c.kind <> 'webchat'";

/// Every message is stored once, and has one answer or a reason.
pub(super) async fn see_all_settled(stage: &Stage) {
    let inbound: Vec<(String, i64, i64)> = sqlx::query_as(INBOUND)
        .fetch_all(&stage.pool)
        .await
        .unwrap();
    let written = [
        ("http", MESSAGES),
        ("messenger", MESSAGES),
        ("webchat", visitors::WRITTEN),
        ("whatsapp", MESSAGES),
    ];
    let count = |of: usize| i64::try_from(of).unwrap();
    let expected =
        written.map(|(kind, each)| (kind.to_owned(), count(each * CUSTOMERS), count(CUSTOMERS)));
    assert_eq!(inbound, expected);
    assert_eq!(stage.count(UNSETTLED).await, 0);
    assert_eq!(stage.count(TWICE_ANSWERED).await, 0);
    let unanswered: Vec<(String, Option<String>, Option<String>)> = sqlx::query_as(UNANSWERED)
        .fetch_all(&stage.pool)
        .await
        .unwrap();
    assert!(unanswered.is_empty(), "{unanswered:#?}");
    let unasked: Vec<String> = sqlx::query_scalar(UNASKED)
        .fetch_all(&stage.pool)
        .await
        .unwrap();
    assert!(unasked.is_empty(), "{unasked:#?}");
}

/// Whatever order the posts came in, what is answered together was asked in the order of writing.
pub(super) fn see_turns_in_order(stage: &Stage) {
    let nth_of = |line: &str| {
        let (nth, rest) = line.strip_prefix("Question ")?.split_once(' ')?;
        rest.starts_with("of customer")
            .then(|| nth.parse::<usize>())?
            .ok()
    };
    let mut together = 0;
    for call in stage.model.received() {
        let spoken = call.body["messages"]
            .as_array()
            .or(call.body["input"].as_array());
        let spoken = spoken.cloned().unwrap_or_default();
        let asked = spoken
            .last()
            .map_or("", |last| last["content"].as_str().unwrap_or_default());
        let asked: Vec<usize> = asked.lines().filter_map(nth_of).collect();
        assert!(asked.is_sorted(), "{spoken:?}");
        together += usize::from(asked.len() > 1);
    }
    assert!(together > 0, "no turn had several messages");
}

/// Each customer got every message that counts as sent, in order: what Meta took once, while the other
/// system may have got one again, which it knows by its id.
pub(super) async fn see_order(stage: &Stage, system: &Receiver) {
    let order: Vec<(String, i64)> =
        sqlx::query_as("SELECT id::text, seq FROM messages WHERE direction = 'outbound'")
            .fetch_all(&stage.pool)
            .await
            .unwrap();
    let seqs: HashMap<String, i64> = order.into_iter().collect();
    let at_meta = stage.graph.received().into_iter().map(|sent| {
        let tag = sent.tag.unwrap_or_default();
        (sent.to, tag.trim_start_matches("metachat:").to_owned())
    });
    let at_system = system.received().into_iter().map(|post| {
        let body: Value = serde_json::from_slice(&post.body).unwrap();
        let id = post.header("webhook-id").unwrap();
        (body["to"].as_str().unwrap().to_owned(), id.to_owned())
    });
    let mut got = see_in_order(&seqs, at_meta, |before, seq| before < seq);
    got.extend(see_in_order(&seqs, at_system, |before, seq| before <= seq));
    let sent: Vec<String> = sqlx::query_scalar(SENT)
        .fetch_all(&stage.pool)
        .await
        .unwrap();
    assert!(!sent.is_empty());
    for id in sent {
        assert!(got.contains(&id), "{id} was never sent");
    }
}

/// Each recipient's messages, by their ids, may follow each other by their places; the ids of all.
fn see_in_order(
    seqs: &HashMap<String, i64>,
    messages: impl Iterator<Item = (String, String)>,
    may_follow: impl Fn(i64, i64) -> bool,
) -> BTreeSet<String> {
    let mut last: HashMap<String, i64> = HashMap::new();
    let mut got = BTreeSet::new();
    for (to, id) in messages {
        let seq = seqs[&id];
        let before = last.insert(to.clone(), seq);
        assert!(
            before.is_none_or(|before| may_follow(before, seq)),
            "{id}, the {seq}th, to {to} after the {before:?}th"
        );
        got.insert(id);
    }
    got
}
