use std::time::Duration;

use db::{Db, DbOptions, Signal, Topic, Tx};
use testkit::TestDb;
use tokio::sync::broadcast::Receiver;

const LIMIT: Duration = Duration::from_secs(20);

fn live(payload: &str) -> Signal {
    Signal {
        topic: Topic::Live,
        payload: payload.to_owned(),
    }
}

/// The next signal about live events.
async fn heard(receiver: &mut Receiver<Signal>) -> String {
    tokio::time::timeout(LIMIT, async {
        loop {
            let signal = receiver.recv().await.unwrap();
            if signal.topic == Topic::Live {
                return signal.payload;
            }
        }
    })
    .await
    .expect("a signal in time")
}

/// Waits until another process's handle is heard: listening starts in the background.
async fn until_heard(from: &Db, receiver: &mut Receiver<Signal>) {
    tokio::time::timeout(LIMIT, async {
        loop {
            from.signal(live("are you there?"));
            let hearing = tokio::time::timeout(Duration::from_millis(100), heard(receiver));
            if hearing.await.is_ok() {
                return;
            }
        }
    })
    .await
    .expect("a listener in time");
}

#[tokio::test]
async fn a_signal_reaches_other_processes_after_commit_and_never_without() {
    let test_db = TestDb::new().await;
    let here = Db::connect_lazy(&DbOptions::new(test_db.url())).unwrap();
    let there = Db::connect_lazy(&DbOptions::new(test_db.url())).unwrap();
    let mut receiver = there.subscribe();
    until_heard(&here, &mut receiver).await;

    let mut dropped = here.system().await.unwrap();
    dropped.signal_after_commit(live("dropped"));
    drop(dropped);
    let mut kept = here.system().await.unwrap();
    kept.signal_after_commit(live("kept"));
    kept.commit().await.unwrap();
    loop {
        match heard(&mut receiver).await.as_str() {
            "are you there?" => {}
            other => break assert_eq!(other, "kept"),
        }
    }
}

#[tokio::test]
async fn a_process_hears_itself_once_and_at_once() {
    let test_db = TestDb::new().await;
    let db = Db::connect_lazy(&DbOptions::new(test_db.url())).unwrap();
    let other = Db::connect_lazy(&DbOptions::new(test_db.url())).unwrap();
    let mut receiver = db.subscribe();
    until_heard(&other, &mut receiver).await;
    db.signal(live("one"));
    db.signal(live("two"));
    let mut own = Vec::new();
    while own.len() < 2 {
        let payload = heard(&mut receiver).await;
        if payload != "are you there?" {
            own.push(payload);
        }
    }
    assert_eq!(own, ["one", "two"]);
    // What comes back over the wire is recognised: only the marker of the other process follows.
    other.signal(live("end"));
    loop {
        match heard(&mut receiver).await.as_str() {
            "are you there?" => {}
            next => break assert_eq!(next, "end"),
        }
    }
}
