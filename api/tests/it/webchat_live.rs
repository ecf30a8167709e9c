//! The web chat over Socket.IO, with the client that web sites use.

#![expect(clippy::expect_used, reason = "what the tests share fails as they do")]

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpStream;

use crate::server::ADMIN_KEY;
use crate::webchat_play::Play;

#[tokio::test(flavor = "multi_thread")]
async fn messages_travel_by_polling_and_by_websocket_from_another_process() {
    for transports in [&["websocket"][..], &["polling"]] {
        let mut play = Play::begin(json!({})).await;
        let token = play.stage.token().await;
        play.connect("a", transports, json!({"token": token})).await;
        assert_eq!(play.expect("a", "open").await["transport"], transports[0]);
        play.expect("a", "connect").await;
        play.write("a", "When do you open?", "c1").await;
        let conversation = play.stage.work().await.unwrap();
        let question = play.expect("a", "message").await;
        assert_eq!(
            (&question["seq"], &question["client_id"]),
            (&json!(1), &json!("c1"))
        );
        play.stage.answer(conversation, "At nine.").await;
        let answer = play.expect("a", "message").await;
        assert_eq!(
            (&answer["seq"], &answer["text"]),
            (&json!(2), &json!("At nine."))
        );
        let listed = play.stage.read(&token, "").await;
        assert_eq!(listed["data"], json!([question, answer]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_upgraded_and_loses_nothing() {
    let mut play = Play::begin(json!({})).await;
    let token = play.stage.token().await;
    play.connect("a", &["polling", "websocket"], json!({"token": token}))
        .await;
    assert_eq!(play.expect("a", "open").await["transport"], "polling");
    let (mut connected, mut upgraded) = (false, false);
    while !(connected && upgraded) {
        let (_, event, data) = play.next().await;
        connected |= event == "connect";
        upgraded |= event == "upgrade" && data["transport"] == "websocket";
    }
    play.write("a", "1", "c1").await;
    let conversation = play.stage.work().await.unwrap();
    for text in 2..=40 {
        play.stage.answer(conversation, &text.to_string()).await;
    }
    let mut seqs = Vec::new();
    while seqs.len() < 40 {
        seqs.push(play.expect("a", "message").await["seq"].as_i64().unwrap());
    }
    assert_eq!(seqs, (1..=40).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_hears_what_was_missed_once() {
    let mut play = Play::begin(json!({})).await;
    let token = play.stage.token().await;
    play.connect("a", &["websocket"], json!({"token": token}))
        .await;
    play.expect("a", "connect").await;
    play.write("a", "Hi", "c1").await;
    let conversation = play.stage.work().await.unwrap();
    assert_eq!(play.expect("a", "message").await["seq"], 1);
    play.say(json!({"do": "disconnect", "name": "a"})).await;
    play.expect("a", "disconnect").await;
    for text in ["two", "three"] {
        play.stage.answer(conversation, text).await;
    }
    let auth = json!({"token": token, "after": 1, "conversation_id": conversation.to_string()});
    play.connect("b", &["websocket"], auth).await;
    play.expect("b", "connect").await;
    play.stage.answer(conversation, "four").await;
    for seq in 2..=4 {
        assert_eq!(play.expect("b", "message").await["seq"], seq);
    }
    play.emit("b", "resume", json!({"after": 3})).await;
    assert_eq!(play.expect("b", "message").await["seq"], 4);
    // The conversation goes on elsewhere: the next one is heard from its beginning.
    play.stage
        .sql("UPDATE conversations SET status = 'closed'")
        .await;
    play.emit("b", "resume", json!({"after": 4})).await;
    while play.expect("b", "conversation").await["status"] != "closed" {}
    play.write("b", "Again", "c2").await;
    play.stage.work().await.unwrap();
    let first = play.expect("b", "message").await;
    assert_eq!(
        (&first["seq"], &first["text"]),
        (&json!(1), &json!("Again"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_seen_while_it_is_written() {
    let mut play = Play::begin(json!({})).await;
    let token = play.stage.token().await;
    play.connect("a", &["websocket"], json!({"token": token}))
        .await;
    play.expect("a", "connect").await;
    play.write("a", "Hi", "c1").await;
    let conversation = play.stage.work().await.unwrap();
    play.expect("a", "message").await;
    let deltas = live::DeltaCoalescer::new(play.stage.elsewhere.clone(), conversation, 1, 1);
    deltas.push("At n");
    let delta = play.expect("a", "answer.delta").await;
    assert_eq!(
        delta,
        json!({"turn": 1, "attempt": 1, "offset": 0, "text": "At n"})
    );
    deltas.push("oon.");
    let delta = play.expect("a", "answer.delta").await;
    assert_eq!(
        delta,
        json!({"turn": 1, "attempt": 1, "offset": 4, "text": "oon."})
    );
    deltas.reset(2);
    let reset = play.expect("a", "answer.delta").await;
    assert_eq!(
        reset,
        json!({"turn": 1, "attempt": 2, "offset": 0, "text": ""})
    );
    deltas.push("At nine.");
    deltas.finish();
    assert_eq!(play.expect("a", "answer.delta").await["offset"], 0);
    play.stage.answer(conversation, "At nine.").await;
    let answer = play.expect("a", "message").await;
    assert_eq!(
        (&answer["turn"], &answer["text"]),
        (&json!(1), &json!("At nine."))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_connects_without_a_token_from_a_strange_page_or_too_often() {
    let mut play = Play::begin(json!({"allowed_origins": ["https://shop.example"]})).await;
    let opened = play
        .stage
        .open("", &[("origin", "https://shop.example")])
        .await;
    let token = opened.expect(201)["token"].as_str().unwrap().to_owned();
    for auth in [json!({}), json!({"token": "mcw_none"})] {
        play.connect("a", &["websocket"], auth).await;
        assert_eq!(
            play.expect("a", "connect_error").await["message"],
            "unauthorized"
        );
    }
    let url = play.url.clone();
    for (origin, event) in [
        ("https://evil.example", "connect_error"),
        ("https://shop.example", "connect"),
    ] {
        let auth = json!({"token": token});
        play.say(
            json!({"do": "connect", "name": "a", "url": url, "origin": origin,
            "transports": ["polling"], "auth": auth}),
        )
        .await;
        let told = play.expect("a", event).await;
        if event == "connect_error" {
            assert_eq!(told["message"], "origin_not_allowed");
        }
    }
    for _ in 0..7 {
        play.connect("b", &["websocket"], json!({"token": token}))
            .await;
        play.expect("b", "connect").await;
    }
    play.connect("c", &["websocket"], json!({"token": token}))
        .await;
    assert_eq!(
        play.expect("c", "connect_error").await["message"],
        "too_many_connections"
    );
    play.say(json!({"do": "disconnect", "name": "b"})).await;
    play.expect("b", "disconnect").await;
    loop {
        play.connect("c", &["websocket"], json!({"token": token}))
            .await;
        if play.next().await.1 == "connect" {
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_refused_is_told_and_a_huge_one_ends_the_connection() {
    let mut play = Play::begin(json!({})).await;
    let token = play.stage.token().await;
    play.connect("a", &["websocket"], json!({"token": token}))
        .await;
    for (message, client_id) in [
        (
            json!({"text": "x".repeat(4001), "client_id": "c1"}),
            json!("c1"),
        ),
        (json!("Hi"), Value::Null),
    ] {
        play.emit("a", "message", message).await;
        let ack = play.expect("a", "ack").await;
        assert_eq!((&ack["ok"], &ack["client_id"]), (&json!(false), &client_id));
        assert_eq!(ack["error"]["code"], "invalid_request");
    }
    play.emit(
        "a",
        "message",
        json!({"text": "x".repeat(200_000), "client_id": "c1"}),
    )
    .await;
    play.expect("a", "disconnect").await;
    assert_eq!(play.stage.count("raw_items").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_the_server_ends_connections_and_waits_at_once() {
    let mut play = Play::begin(json!({})).await;
    let token = play.stage.token().await;
    for (name, transport) in [("a", "websocket"), ("b", "polling")] {
        play.connect(name, &[transport], json!({"token": token}))
            .await;
        play.expect(name, "connect").await;
    }
    play.stop.take().unwrap().send(()).unwrap();
    let mut gone = Vec::new();
    while gone.len() < 2 {
        if let (name, event, _) = play.next().await
            && event == "disconnect"
        {
            gone.push(name);
        }
    }
    let begun = tokio::time::Instant::now();
    assert_eq!(play.stage.read(&token, "wait=25").await["data"], json!([]));
    assert!(begun.elapsed() < Duration::from_secs(10));
    let ended = tokio::time::timeout(Duration::from_secs(10), &mut play.serving).await;
    ended
        .expect("it drains for longer than its clients stay")
        .unwrap()
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_of_a_connection_that_ended() {
    let mut play = Play::begin(json!({})).await;
    let token = play.stage.token().await;
    play.stage.write(&token, "Hi", "c1").await.expect(202);
    play.stage.work().await.unwrap();
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let before = tasks();
    play.connect("a", &["websocket"], json!({"token": token}))
        .await;
    play.expect("a", "message").await;
    assert!(tasks() > before);
    play.say(json!({"do": "disconnect", "name": "a"})).await;
    play.expect("a", "disconnect").await;
    let gone = async {
        while tasks() > before {
            tokio::task::yield_now().await;
        }
    };
    let gone = tokio::time::timeout(Duration::from_secs(10), gone).await;
    gone.expect("a task stayed behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_see_who_is_there_and_who_writes() {
    let mut play = Play::begin(json!({})).await;
    let token = play.stage.token().await;
    play.stage.write(&token, "Hi", "c1").await.expect(202);
    let conversation = play.stage.work().await.unwrap();
    let path = format!("{}/conversations/{conversation}", play.stage.tenant);
    let mut feed = Feed::open(&play, &format!("{path}/live")).await;
    feed.expect("resync").await;
    play.connect("a", &["websocket"], json!({"token": token}))
        .await;
    let told = play.expect("a", "conversation").await;
    assert_eq!(told["agent_online"], false);
    assert_eq!(play.expect("a", "message").await["seq"], 1);
    let came = feed.expect("presence").await;
    assert_eq!(
        (&came["party"], &came["on"]),
        (&json!("contact"), &json!(true))
    );
    let server = &play.stage.server;
    let present = server.get(ADMIN_KEY, &format!("{path}/presence")).await;
    assert_eq!(present.expect(200)["contact_online"], true);

    play.emit("a", "typing", json!({"on": true})).await;
    let writes = feed.expect("typing").await;
    assert_eq!(
        (&writes["author"], &writes["on"]),
        (&json!("contact"), &json!(true))
    );
    let here = json!({"agent": "Ada", "online": true});
    let server = &play.stage.server;
    let present = server
        .put(ADMIN_KEY, &format!("{path}/presence"), here)
        .await;
    assert_eq!(present.expect(200)["agents"][0]["name"], "Ada");
    let told = play.expect("a", "conversation").await;
    assert_eq!(told["agent_online"], true);
    let server = &play.stage.server;
    let typing = format!("{path}/typing");
    server
        .put(ADMIN_KEY, &typing, json!({"on": true}))
        .await
        .expect(204);
    let writes = play.expect("a", "typing").await;
    assert_eq!(writes, json!({"author": "agent", "on": true}));

    // Nothing was heard of the agent for a minute.
    play.stage.server.clock.advance(TimeDelta::seconds(60));
    play.emit("a", "resume", json!({"after": 1})).await;
    let told = play.expect("a", "conversation").await;
    assert_eq!(told["agent_online"], false);
    play.say(json!({"do": "disconnect", "name": "a"})).await;
    play.expect("a", "disconnect").await;
    loop {
        let gone = feed.expect("presence").await;
        if gone["party"] == "contact" && gone["on"] == false {
            break;
        }
    }
    let server = &play.stage.server;
    let present = server.get(ADMIN_KEY, &format!("{path}/presence")).await;
    let nobody = json!({"contact_online": false, "contact_seen_at": null, "agents": []});
    assert_eq!(present.expect(200), nobody);
}

/// A conversation as an agent watches it.
struct Feed(Lines<BufReader<TcpStream>>);

impl Feed {
    async fn open(play: &Play, path: &str) -> Self {
        let mut stream = TcpStream::connect(play.address).await.unwrap();
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {ADMIN_KEY}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        Self(BufReader::new(stream).lines())
    }

    /// The next such event; others are passed over.
    async fn expect(&mut self, kind: &str) -> Value {
        loop {
            let line = tokio::time::timeout(Duration::from_secs(20), self.0.next_line());
            let line = line.await.expect("nothing was heard").unwrap().unwrap();
            if let Some(data) = line.strip_prefix("data: ") {
                let event: Value = serde_json::from_str(data).unwrap();
                if event["type"] == kind {
                    return event;
                }
            }
        }
    }
}
