//! What a client says at once, without waiting for acknowledgements, is stored in that order; a
//! client that comes back hears what became of what it has, and one that waits hears of its answer
//! although nobody tells.

use std::time::Duration;

use domain::{MessageId, MessageStatus};
use live::LiveBody;
use serde_json::{Value, json};
use testkit::socket_io::{Heard, SocketIo};

use crate::webchat_process::Process;
use crate::webchat_stage::Stage;

const AT_ONCE: usize = 20;

/// Sooner than clients look by themselves who wait for nothing.
const SOON: Duration = Duration::from_secs(15);

async fn connect(process: &Process, auth: Value) -> SocketIo {
    let client = SocketIo::connect(process.address, "/webchat", &auth).await;
    client.unwrap().unwrap()
}

/// The acknowledgements of so many messages, in the order they came.
async fn acknowledgements(client: &mut SocketIo, number: usize) -> Vec<Value> {
    let mut acks = Vec::new();
    while acks.len() < number {
        match client.next().await.unwrap() {
            Some(Heard::Ack(_, ack)) => acks.push(ack),
            Some(Heard::Event(..)) => {}
            other => panic!("{other:?}"),
        }
    }
    acks
}

/// What the next event of that name says.
async fn next(client: &mut SocketIo, event: &str) -> Value {
    loop {
        match client.next().await.unwrap() {
            Some(Heard::Event(name, data)) if name == event => return data,
            Some(Heard::Event(..)) => {}
            other => panic!("{other:?}"),
        }
    }
}

fn client_ids(list: &[Value]) -> Vec<&str> {
    list.iter()
        .map(|it| it["client_id"].as_str().unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn messages_sent_at_once_are_stored_in_the_order_they_were_sent() {
    let stage = Stage::set(json!({})).await;
    let process = Process::start(&stage).await;
    let wanted: Vec<String> = (0..AT_ONCE).map(|nth| format!("c{nth}")).collect();
    for _ in 0..5 {
        let token = stage.token().await;
        let mut client = connect(&process, json!({"token": token})).await;
        for client_id in &wanted {
            let message = json!({"text": "And then?", "client_id": client_id});
            client.emit("message", &message).await.unwrap();
        }
        let acks = acknowledgements(&mut client, AT_ONCE).await;
        assert!(acks.iter().all(|ack| ack["ok"] == true), "{acks:?}");
        assert_eq!(client_ids(&acks), wanted);
        stage.work().await.unwrap();
        let page = stage.read(&token, "after=0").await;
        assert_eq!(client_ids(page["data"].as_array().unwrap()), wanted);
    }
}

#[tokio::test]
async fn a_client_that_comes_back_is_told_what_became_of_what_it_has() {
    let stage = Stage::set(json!({})).await;
    let process = Process::start(&stage).await;
    let token = stage.token().await;
    let mut client = connect(&process, json!({"token": token})).await;
    let message = json!({"text": "When do you open?", "client_id": "c0"});
    client.emit("message", &message).await.unwrap();
    acknowledgements(&mut client, 1).await;
    let conversation = stage.work().await.unwrap();
    stage.answer(conversation, "At nine.").await;
    assert_eq!(next(&mut client, "message").await["seq"], 1);
    let answer = next(&mut client, "message").await;
    assert_eq!(answer["status"], "queued");
    drop(client);
    // Nobody listens to what happens to it.
    stage
        .sql("UPDATE messages SET status = 'failed', error = 'The chat was off.' WHERE seq = 2")
        .await;
    let auth = json!({"token": token, "after": 2, "conversation_id": conversation});
    let mut client = connect(&process, auth).await;
    let told = json!({"message_id": answer["id"], "seq": 2, "status": "failed"});
    assert_eq!(next(&mut client, "status").await, told);
    // The same where it asks by itself, on the connection it has.
    stage
        .sql("UPDATE messages SET status = 'queued', error = NULL WHERE seq = 2")
        .await;
    let place = json!({"after": 2, "conversation_id": conversation});
    client.emit("resume", &place).await.unwrap();
    let told = json!({"message_id": answer["id"], "seq": 2, "status": "queued"});
    assert_eq!(next(&mut client, "status").await, told);
}

#[tokio::test]
async fn an_answer_of_which_nobody_tells_is_heard_soon() {
    let stage = Stage::set(json!({})).await;
    let process = Process::start(&stage).await;
    let token = stage.token().await;
    let mut client = connect(&process, json!({"token": token})).await;
    let message = json!({"text": "When do you open?", "client_id": "c0"});
    client.emit("message", &message).await.unwrap();
    acknowledgements(&mut client, 1).await;
    let conversation = stage.work().await.unwrap();
    assert_eq!(next(&mut client, "message").await["seq"], 1);
    // The visitor waits for an answer, and is looked after.
    stage
        .answer_telling(conversation, "At nine.", |_| None)
        .await;
    let answer = tokio::time::timeout(SOON, next(&mut client, "message")).await;
    assert_eq!(answer.unwrap()["seq"], 2);
    // Now they wait for nothing; that a message moved shows that there is one.
    let moved = |seq| {
        Some(LiveBody::Status {
            message_id: MessageId::new(),
            seq,
            status: MessageStatus::Sent,
        })
    };
    stage
        .answer_telling(conversation, "And on Sundays at ten.", moved)
        .await;
    let answer = tokio::time::timeout(SOON, next(&mut client, "message")).await;
    assert_eq!(answer.unwrap()["seq"], 3);
}
