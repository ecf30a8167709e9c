//! Live events between two database handles, which is what two processes have.

use std::fmt::Write as _;
use std::time::Duration;

use db::{Db, DbOptions};
use domain::{Author, ConversationId, ConversationStatus, MessageId, MessageStatus, TenantId};
use futures::StreamExt;
use live::{DeltaCoalescer, Hub, LiveBody, LiveEvent, Subscription, Update, publish, publish_now};
use testkit::TestDb;

/// One process: its handle and its hub.
pub(crate) struct Process {
    pub(crate) db: Db,
    pub(crate) hub: Hub,
}

impl Process {
    pub(crate) fn on(database: &TestDb) -> Self {
        let db = Db::connect_lazy(&DbOptions::new(database.url())).unwrap();
        let hub = Hub::start(&db);
        Self { db, hub }
    }
}

pub(crate) async fn next(subscription: &mut Subscription) -> Update {
    let wait = Duration::from_secs(20);
    tokio::time::timeout(wait, subscription.next())
        .await
        .expect("nothing was heard")
        .expect("the hub ended")
}

async fn next_event(subscription: &mut Subscription) -> LiveBody {
    loop {
        if let Update::Event(event) = next(subscription).await {
            return event.body;
        }
    }
}

/// Two processes of which each hears the other.
async fn two_processes(database: &TestDb) -> [Process; 2] {
    let processes = [Process::on(database), Process::on(database)];
    let probe = LiveEvent::new(ConversationId::new(), LiveBody::Message { seq: 2 });
    for (from, to) in [(0, 1), (1, 0)] {
        let mut heard = processes[to].hub.subscribe(probe.conversation_id);
        let wait = Duration::from_millis(50);
        loop {
            publish_now(&processes[from].db, &probe);
            let update = tokio::time::timeout(wait, heard.next()).await;
            if let Ok(Some(Update::Event(_))) = update {
                break;
            }
        }
    }
    processes
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_heard_both_ways_and_only_in_their_conversation() {
    let database = TestDb::new().await;
    let processes = two_processes(&database).await;
    let (mine, other) = (ConversationId::new(), ConversationId::new());
    let mut heard = processes.each_ref().map(|it| it.hub.subscribe(mine));
    let status = LiveBody::Status {
        message_id: MessageId::new(),
        seq: 2,
        status: MessageStatus::Sent,
    };
    let closed = LiveBody::Conversation {
        status: ConversationStatus::Closed,
    };
    let typing = LiveBody::Typing {
        author: Author::Agent,
        on: true,
    };
    for (from, body) in [(0, status), (1, closed), (0, typing)] {
        let db = &processes[from].db;
        publish_now(db, &LiveEvent::new(other, LiveBody::Message { seq: 1 }));
        publish_now(db, &LiveEvent::new(mine, body.clone()));
        for subscription in &mut heard {
            assert_eq!(next_event(subscription).await, body);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_a_transaction_is_heard_once_it_is_committed_and_never_if_it_is_not() {
    let database = TestDb::new().await;
    let [here, there] = two_processes(&database).await;
    let conversation = ConversationId::new();
    let mut heard = there.hub.subscribe(conversation);
    let message = |seq| LiveEvent::new(conversation, LiveBody::Message { seq });

    let mut rolled_back = here.db.tenant(TenantId::new()).await.unwrap();
    publish(&mut rolled_back, &message(1));
    drop(rolled_back);
    let mut committed = here.db.system().await.unwrap();
    publish(&mut committed, &message(2));
    publish(&mut committed, &message(2));
    committed.commit().await.unwrap();
    publish_now(&here.db, &message(3));

    assert_eq!(next_event(&mut heard).await, LiveBody::Message { seq: 2 });
    assert_eq!(next_event(&mut heard).await, LiveBody::Message { seq: 3 });
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_conversation_hears_its_first_message_from_another_process() {
    let database = TestDb::new().await;
    let [here, there] = two_processes(&database).await;
    let mut heard = there.hub.subscribe_to_beginnings();
    let event = LiveEvent::new(ConversationId::new(), LiveBody::Message { seq: 1 });
    publish_now(&here.db, &event);
    assert_eq!(next(&mut heard).await, Update::Event(event));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_lost_connection_everybody_is_told_to_look_again() {
    let database = TestDb::new().await;
    let [_here, there] = two_processes(&database).await;
    let mut heard = there.hub.subscribe(ConversationId::new());
    sqlx::query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    .execute(database.pool())
    .await
    .unwrap();
    assert_eq!(next(&mut heard).await, Update::Resync);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_told_in_few_pieces_that_make_the_whole() {
    let database = TestDb::new().await;
    let [here, there] = two_processes(&database).await;
    let conversation = ConversationId::new();
    let mut heard = there.hub.subscribe(conversation);
    let words: Vec<String> = (0..2000).map(|word| format!("wörd{word} ")).collect();

    let deltas = DeltaCoalescer::new(here.db.clone(), conversation, 4, 1);
    deltas.push("of no worth");
    deltas.reset(2);
    for word in &words {
        deltas.push(word);
    }
    deltas.finish();
    publish_now(
        &here.db,
        &LiveEvent::new(conversation, LiveBody::Message { seq: 9 }),
    );

    let (mut text, mut pieces) = (String::new(), 0);
    loop {
        match next_event(&mut heard).await {
            body if body == LiveBody::begin_again(4, 2) => text.clear(),
            LiveBody::AnswerDelta {
                attempt: 1,
                text: piece,
                ..
            } => text.push_str(&piece),
            LiveBody::AnswerDelta {
                turn,
                attempt,
                offset,
                text: piece,
            } => {
                assert_eq!((turn, attempt), (4, 2));
                assert_eq!(offset, text.encode_utf16().count() as u64);
                text.write_str(&piece).unwrap();
                pieces += 1;
            }
            body => {
                assert_eq!(body, LiveBody::Message { seq: 9 });
                break;
            }
        }
    }
    assert_eq!(text, words.concat());
    assert!(pieces < 50, "{pieces} pieces");
}

#[tokio::test(flavor = "multi_thread")]
async fn words_do_not_wait_for_the_words_after_them() {
    let database = TestDb::new().await;
    let [here, _there] = two_processes(&database).await;
    let conversation = ConversationId::new();
    let mut heard = here.hub.subscribe(conversation);
    let deltas = DeltaCoalescer::new(here.db.clone(), conversation, 1, 1);
    for words in ["Hello ", "there, ", "friend"] {
        deltas.push(words);
    }
    let mut text = String::new();
    while text != "Hello there, friend" {
        let LiveBody::AnswerDelta { text: piece, .. } = next_event(&mut heard).await else {
            panic!("another event");
        };
        text.push_str(&piece);
    }
    drop(deltas);
}
