//! Live events carried by Debian's Redis. Where it is not installed the tests say so and are skipped;
//! where `CI` or `METACHAT_REQUIRE_PEERS` is set they fail instead.

use std::net::{Ipv4Addr, TcpListener};
use std::process::Stdio;
use std::time::Duration;

use domain::{ConversationId, MessageId, MessageStatus};
use futures::StreamExt as _;
use live::{LiveBody, LiveEvent, Update, carry_by_redis, publish_now};
use tempfile::TempDir;
use testkit::TestDb;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::events::{Process, next};

const PROGRAM: &str = "redis-server";

/// A server that keeps nothing, and goes with the test.
struct Redis {
    port: u16,
    folder: TempDir,
    process: Option<Child>,
}

impl Redis {
    /// Starts a server; `None` where there is none to start.
    async fn start() -> Option<Self> {
        let version = Command::new(PROGRAM).arg("--version").output().await;
        if let Err(error) = version {
            let is_set = |name: &str| std::env::var_os(name).is_some_and(|it| !it.is_empty());
            assert!(
                !is_set("CI") && !is_set("METACHAT_REQUIRE_PEERS"),
                "{PROGRAM}: {error}: install it (Debian: apt-get install redis-server)"
            );
            println!("skipped: {PROGRAM}: {error}");
            return None;
        }
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut server = Self {
            port: free.local_addr().unwrap().port(),
            folder: tempfile::tempdir().unwrap(),
            process: None,
        };
        drop(free);
        server.run().await;
        Some(server)
    }

    /// Runs it, until it takes connections.
    async fn run(&mut self) {
        let port = self.port.to_string();
        let process = Command::new(PROGRAM)
            .args([
                "--bind",
                "127.0.0.1",
                "--port",
                &port,
                "--save",
                "",
                "--appendonly",
                "no",
            ])
            .current_dir(self.folder.path())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn();
        self.process = Some(process.unwrap());
        let listens = async {
            while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))
                .await
                .is_err()
            {
                // Another process starts to listen: there is nothing to be notified by.
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let listens = tokio::time::timeout(Duration::from_secs(20), listens).await;
        listens.expect("Redis does not listen");
    }

    async fn kill(&mut self) {
        self.process.take().unwrap().kill().await.unwrap();
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

/// A process whose live events Redis carries. Each has a database of its own, so nothing else can.
async fn process(redis: &Redis, channel: &str) -> (Process, TestDb) {
    let database = TestDb::new().await;
    let process = Process::on(&database);
    carry_by_redis(&process.db, &redis.url(), channel).unwrap();
    (process, database)
}

/// Waits until what one tells reaches the other.
async fn hears(from: &Process, to: &Process) {
    let probe = LiveEvent::new(ConversationId::new(), LiveBody::Message { seq: 2 });
    let mut heard = to.hub.subscribe(probe.conversation_id);
    let wait = Duration::from_millis(50);
    let reached = async {
        loop {
            publish_now(&from.db, &probe);
            let update = tokio::time::timeout(wait, heard.next()).await;
            if let Ok(Some(Update::Event(_))) = update {
                break;
            }
        }
    };
    let reached = tokio::time::timeout(Duration::from_secs(20), reached).await;
    reached.expect("nothing comes through");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_travel_by_redis_within_their_channel() {
    let Some(redis) = Redis::start().await else {
        return;
    };
    let (one, _one) = process(&redis, "shop").await;
    let (two, _two) = process(&redis, "shop").await;
    let (other, _other) = process(&redis, "other").await;
    let (third, _third) = process(&redis, "other").await;
    hears(&one, &two).await;
    hears(&two, &one).await;
    hears(&third, &other).await;
    let conversation = ConversationId::new();
    let mut in_two = two.hub.subscribe(conversation);
    let mut in_one = one.hub.subscribe(conversation);
    let mut in_other = other.hub.subscribe(conversation);
    let told = LiveBody::Status {
        message_id: MessageId::new(),
        seq: 2,
        status: MessageStatus::Sent,
    };
    let event = LiveEvent::new(conversation, told);
    publish_now(&one.db, &event);
    assert_eq!(next(&mut in_two).await, Update::Event(event.clone()));
    assert_eq!(next(&mut in_one).await, Update::Event(event));
    // Told by itself once, and not again by Redis.
    let last = LiveEvent::new(conversation, LiveBody::Message { seq: 9 });
    publish_now(&two.db, &last);
    assert_eq!(next(&mut in_one).await, Update::Event(last));
    let own = LiveEvent::new(conversation, LiveBody::Message { seq: 4 });
    publish_now(&third.db, &own);
    assert_eq!(next(&mut in_other).await, Update::Event(own));
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_looks_again_when_redis_comes_back() {
    let Some(mut redis) = Redis::start().await else {
        return;
    };
    let (one, _one) = process(&redis, "shop").await;
    let (two, _two) = process(&redis, "shop").await;
    hears(&one, &two).await;
    hears(&two, &one).await;
    let conversation = ConversationId::new();
    let mut in_one = one.hub.subscribe(conversation);
    let mut in_two = two.hub.subscribe(conversation);
    redis.kill().await;
    let lost = LiveEvent::new(conversation, LiveBody::Message { seq: 2 });
    publish_now(&one.db, &lost);
    // The process itself hears what it tells, Redis or not.
    assert_eq!(next(&mut in_one).await, Update::Event(lost));
    redis.run().await;
    assert_eq!(next(&mut in_one).await, Update::Resync);
    assert_eq!(next(&mut in_two).await, Update::Resync);
    hears(&one, &two).await;
    hears(&two, &one).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_starts_while_redis_is_away() {
    let Some(mut redis) = Redis::start().await else {
        return;
    };
    redis.kill().await;
    let (one, _one) = process(&redis, "shop").await;
    let (two, _two) = process(&redis, "shop").await;
    redis.run().await;
    hears(&one, &two).await;
    assert!(carry_by_redis(&one.db, "http://nowhere", "shop").is_err());
}
