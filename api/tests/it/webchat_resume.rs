//! Connections that are cut at random, to two processes: nothing is lost, nothing heard twice.

use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use testkit::socket_io::{Heard, SocketIo};
use tokio::sync::watch;

use crate::webchat_process::Process;
use crate::webchat_stage::Stage;

/// Messages of each side.
const OF_VISITOR: usize = 15;
const OF_TENANT: usize = 60;

/// A client that keeps its place, and posts what was not acknowledged again.
struct Visitor {
    token: String,
    conversation: Value,
    heard: Vec<Value>,
    acknowledged: usize,
}

impl Visitor {
    fn after(&self) -> i64 {
        self.heard
            .last()
            .map_or(0, |last| last["seq"].as_i64().unwrap())
    }

    fn is_done(&self) -> bool {
        self.heard.len() == OF_VISITOR + OF_TENANT && self.acknowledged == OF_VISITOR
    }

    /// Connects to one of the processes, and is cut off after some time.
    async fn visit(&mut self, processes: &[Process], random: &mut SmallRng) {
        let process = &processes[random.random_range(0..processes.len())];
        let auth = json!({"token": self.token, "after": self.after(),
            "conversation_id": self.conversation});
        let client = SocketIo::connect(process.address, "/webchat", &auth);
        let Ok(client) = client.await.unwrap() else {
            // The cut connections of before still count: there are eight to a process.
            tokio::task::yield_now().await;
            return;
        };
        let cut = Duration::from_micros(random.next_u64() % 150_000);
        tokio::time::timeout(cut, self.listen(client)).await.ok();
    }

    async fn listen(&mut self, mut client: SocketIo) {
        while !self.is_done() {
            if self.acknowledged < OF_VISITOR {
                let number = self.acknowledged;
                let message =
                    json!({"text": format!("v{number}"), "client_id": format!("c{number}")});
                if client.emit("message", &message).await.is_err() {
                    return;
                }
            }
            loop {
                match client.next().await {
                    Ok(Some(Heard::Event(name, data))) => {
                        crate::webchat_events::check(&name, &data);
                        match name.as_str() {
                            "conversation" => {
                                self.conversation = data["conversation_id"].clone();
                            }
                            "message" => self.heard.push(data),
                            _ => {}
                        }
                        if self.is_done() {
                            return;
                        }
                    }
                    Ok(Some(Heard::Ack(_, data))) => {
                        assert_eq!(data["ok"], true, "{data}");
                        self.acknowledged += 1;
                        break;
                    }
                    Ok(Some(Heard::Disconnect) | None) | Err(_) => return,
                }
            }
        }
    }
}

/// Stores what visitors wrote, and writes on the tenant's side, until told that all was heard.
async fn work(stage: &Stage, mut done: watch::Receiver<bool>) {
    let mut conversation = None;
    let mut answers = 0;
    while !*done.borrow_and_update() {
        conversation = stage.work().await.or(conversation);
        if let Some(conversation) = conversation
            && answers < OF_TENANT
        {
            stage.answer(conversation, &format!("t{answers}")).await;
            answers += 1;
        }
        // Polling stands in for a worker's claims.
        tokio::time::timeout(Duration::from_millis(5), done.changed())
            .await
            .ok();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_cut_at_random_loses_nothing_and_hears_nothing_twice() {
    for seed in [1, 2, 3] {
        let stage = Stage::set(json!({})).await;
        let processes = [Process::start(&stage).await, Process::start(&stage).await];
        let mut visitor = Visitor {
            token: stage.token().await,
            conversation: Value::Null,
            heard: Vec::new(),
            acknowledged: 0,
        };
        let mut random = SmallRng::seed_from_u64(seed);
        let (end, done) = watch::channel(false);
        let visits = async {
            while !visitor.is_done() {
                visitor.visit(&processes, &mut random).await;
            }
            end.send(true).unwrap();
        };
        let both = async { tokio::join!(visits, work(&stage, done)) };
        tokio::time::timeout(Duration::from_mins(1), both)
            .await
            .unwrap_or_else(|_| panic!("seed {seed}: not everything was heard in a minute"));
        let seqs: Vec<i64> = visitor
            .heard
            .iter()
            .map(|message| message["seq"].as_i64().unwrap())
            .collect();
        let all: Vec<i64> = (1..).take(OF_VISITOR + OF_TENANT).collect();
        assert_eq!(seqs, all, "seed {seed}");
        let of = |direction: &str, field: &str| -> Vec<&str> {
            let messages = visitor.heard.iter();
            let own = messages.filter(|message| message["direction"] == direction);
            own.map(|message| message[field].as_str().unwrap())
                .collect()
        };
        let expected: Vec<String> = (0..OF_VISITOR).map(|n| format!("c{n}")).collect();
        assert_eq!(of("inbound", "client_id"), expected, "seed {seed}");
        let expected: Vec<String> = (0..OF_TENANT).map(|n| format!("t{n}")).collect();
        assert_eq!(of("outbound", "text"), expected, "seed {seed}");
    }
}
