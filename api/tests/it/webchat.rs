//! The web chat over HTTP.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use poem::http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::server::ADMIN_KEY;
use crate::webchat_stage::Stage;

const SHOP: (&str, &str) = ("origin", "https://shop.example");
const EVIL: (&str, &str) = ("origin", "https://evil.example");

#[tokio::test]
async fn a_visitor_writes_and_reads_the_conversation() {
    let stage = Stage::set(json!({"title": "Tea", "greeting": "Welcome!"})).await;
    let opened = stage.open("", &[]).await.expect(201);
    assert_eq!(
        (&opened["title"], &opened["greeting"]),
        (&json!("Tea"), &json!("Welcome!"))
    );
    let token = opened["token"].as_str().unwrap();
    let empty = stage.read(token, "after=0").await;
    assert_eq!(
        (&empty["data"], &empty["conversation_id"]),
        (&json!([]), &Value::Null)
    );

    let accepted = stage
        .write(token, "When do you open?", "c1")
        .await
        .expect(202);
    let expected = json!({"client_id": "c1", "status": "accepted", "duplicate": false});
    assert_eq!(accepted, expected);
    let conversation = stage.work().await.unwrap();
    stage.answer(conversation, "At nine.").await;

    let all = stage.read(token, "after=0").await;
    assert_eq!(all["conversation_id"], conversation.to_string());
    assert_eq!(all["conversation_status"], "open");
    let [question, answer] = &all["data"].as_array().unwrap()[..] else {
        panic!("{all}");
    };
    assert_eq!(question["direction"], "inbound");
    assert_eq!(
        (&question["seq"], &question["client_id"]),
        (&json!(1), &json!("c1"))
    );
    assert_eq!(
        (&question["text"], &question["status"]),
        (&json!("When do you open?"), &json!("received"))
    );
    assert_eq!(
        (&answer["direction"], &answer["text"]),
        (&json!("outbound"), &json!("At nine."))
    );
    assert_eq!(
        (&answer["seq"], &answer["sources"]),
        (&json!(2), &json!([]))
    );

    let after = stage.read(token, "after=1").await;
    assert_eq!(after["data"], json!([answer]));
    assert_eq!(after["next_cursor"], Value::Null);
    let page = stage.read(token, "limit=1").await;
    assert_eq!(
        (&page["data"], &page["next_cursor"]),
        (&json!([question]), &json!("1"))
    );
}

#[tokio::test]
async fn the_same_client_id_is_the_same_message() {
    let stage = Stage::set(json!({})).await;
    let token = stage.token().await;
    // At the same instant, before any of them is stored.
    let (one, two) = tokio::join!(
        stage.write(&token, "Hi", "c1"),
        stage.write(&token, "Hi", "c1")
    );
    one.expect(202);
    two.expect(202);
    stage.work().await.unwrap();
    let late = stage.write(&token, "Hi", "c1").await.expect(202);
    assert_eq!(late["duplicate"], true);
    assert_eq!(stage.work().await, None);
    let listed = stage.read(&token, "").await;
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_token_shows_its_own_visitors_messages_alone() {
    let stage = Stage::set(json!({})).await;
    let (mine, other) = (stage.token().await, stage.token().await);
    stage.write(&mine, "Mine", "c1").await.expect(202);
    stage.work().await.unwrap();
    assert_eq!(stage.read(&other, "").await["data"], json!([]));
    let unknown = format!("mcw_{}", "x".repeat(43));
    for token in ["", "mcw_", &unknown, ADMIN_KEY] {
        let read = stage.server.get(token, "/api/webchat/messages").await;
        assert_eq!(read.problem(401), "unauthorized", "{token}");
        assert_eq!(
            stage.write(token, "Hi", "c2").await.problem(401),
            "unauthorized"
        );
    }
    assert_eq!(stage.count("raw_items").await, 1);
}

#[tokio::test]
async fn an_earlier_token_keeps_the_visitor_and_an_expired_one_does_not() {
    let stage = Stage::set(json!({})).await;
    let first = stage.open("", &[]).await.expect(201);
    let token = first["token"].as_str().unwrap();
    stage.write(token, "Hi", "c1").await.expect(202);
    stage.work().await.unwrap();
    let second = stage.open(token, &[]).await.expect(201);
    assert_eq!(second["visitor_id"], first["visitor_id"]);
    let new_token = second["token"].as_str().unwrap();
    let seen = stage.read(new_token, "").await;
    assert_eq!(seen["data"][0]["text"], "Hi");
    stage.server.clock.advance(TimeDelta::days(30));
    let gone = stage.server.get(token, "/api/webchat/messages").await;
    assert_eq!(gone.problem(401), "unauthorized");
    let third = stage.open(token, &[]).await.expect(201);
    assert_ne!(third["visitor_id"], first["visitor_id"]);
}

#[tokio::test]
async fn only_listed_pages_may_use_the_chat() {
    let stage = Stage::set(json!({"allowed_origins": ["https://shop.example"]})).await;
    let opened = stage.open("", &[SHOP]).await;
    let token = opened.expect(201)["token"].as_str().unwrap().to_owned();
    assert_eq!(opened.header("access-control-allow-origin"), SHOP.1);
    for headers in [&[EVIL][..], &[("origin", "null")], &[]] {
        let refused = stage.open("", headers).await;
        assert_eq!(refused.problem(403), "origin_not_allowed");
        assert_eq!(refused.header("access-control-allow-origin"), "");
    }
    let body = json!({"text": "Hi", "client_id": "c1"});
    let messages = "/api/webchat/messages";
    for (method, body) in [(Method::POST, body), (Method::GET, Value::Null)] {
        let call = |headers| {
            let (method, body) = (method.clone(), body.clone());
            let (server, token) = (&stage.server, &token);
            async move {
                server
                    .call_with(token, method, messages, body, headers)
                    .await
            }
        };
        assert_eq!(call(&[EVIL]).await.problem(403), "origin_not_allowed");
        assert!(call(&[SHOP]).await.status.is_success());
        assert!(call(&[]).await.status.is_success());
    }
}

#[tokio::test]
async fn the_tenants_list_holds_where_the_channel_has_none() {
    let stage = Stage::set(json!({})).await;
    let settings = json!({"settings": {"webchat_origins": ["https://shop.example"]}});
    stage
        .server
        .put(ADMIN_KEY, &stage.tenant, settings)
        .await
        .expect(200);
    stage.open("", &[SHOP]).await.expect(201);
    assert_eq!(
        stage.open("", &[EVIL]).await.problem(403),
        "origin_not_allowed"
    );
}

#[tokio::test]
async fn preflights_name_an_allowed_page_only() {
    let stage = Stage::set(json!({"allowed_origins": ["https://shop.example"]})).await;
    let sessions = format!("/api/webchat/{}/sessions", stage.channel);
    let ask = async |path: &str, origin| {
        let headers = [origin, ("access-control-request-method", "POST")];
        stage
            .server
            .call_with("", Method::OPTIONS, path, Value::Null, &headers)
            .await
    };
    let allowed = ask(&sessions, SHOP).await;
    allowed.expect(204);
    assert_eq!(allowed.header("access-control-allow-origin"), SHOP.1);
    assert_eq!(
        allowed.header("access-control-allow-headers"),
        "Authorization, Content-Type"
    );
    let refused = ask(&sessions, EVIL).await;
    refused.expect(403);
    assert_eq!(refused.header("access-control-allow-origin"), "");
    ask("/api/webchat/messages", SHOP).await.expect(204);
    let elsewhere = ask(&stage.tenant, SHOP).await;
    assert_eq!(elsewhere.header("access-control-allow-origin"), "");
}

#[tokio::test]
async fn a_chat_that_is_not_there_or_switched_off_takes_nobody() {
    let stage = Stage::set(json!({})).await;
    let token = stage.token().await;
    stage.sql("UPDATE channels SET enabled = false").await;
    assert_eq!(stage.open("", &[]).await.problem(404), "not_found");
    assert_eq!(
        stage.write(&token, "Hi", "c1").await.problem(404),
        "not_found"
    );
    stage
        .sql("UPDATE channels SET enabled = true; UPDATE tenants SET enabled = false")
        .await;
    assert_eq!(stage.open("", &[]).await.problem(404), "not_found");
    let unknown = format!("/api/webchat/{}/sessions", domain::ChannelId::new());
    let unknown = stage.server.post("", &unknown, Value::Null).await;
    assert_eq!(unknown.problem(404), "not_found");
}

/// The status of a session's opening over a socket, whose peer is 127.0.0.1.
async fn open_over_a_socket(stage: &Stage) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut stream = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let app = Arc::clone(&stage.server.state);
    let serving = tokio::spawn(api::serve(listener, app, async {
        stopped.await.ok();
    }));
    let head = format!(
        "POST /api/webchat/{}/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\
         X-Forwarded-For: 192.0.2.1\r\nConnection: close\r\n\r\n",
        stage.channel
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    drop(stop);
    serving.await.unwrap().unwrap();
    answer.split(' ').nth(1).unwrap().to_owned()
}

#[tokio::test]
async fn an_address_opens_so_many_sessions_an_hour() {
    let stage = Stage::set(json!({})).await;
    let cap = stage.server.state.webchat.caps().sessions_per_address_hour;
    assert_eq!(open_over_a_socket(&stage).await, "201");
    stage
        .sql(&format!(
            "INSERT INTO webchat_sessions (id, tenant_id, channel_id, token_hash, visitor_id,
                                           address, created_at, expires_at)
             SELECT gen_random_uuid(), tenant_id, channel_id, sha256(n::text::bytea), 'v',
                    address, created_at, expires_at
             FROM webchat_sessions, generate_series(2, {cap}) AS n"
        ))
        .await;
    // What the caller says of itself counts for nothing.
    assert_eq!(open_over_a_socket(&stage).await, "429");
    stage.open("", &[]).await.expect(201);
    stage.server.clock.advance(TimeDelta::minutes(61));
    assert_eq!(open_over_a_socket(&stage).await, "201");
}

#[tokio::test]
async fn a_tenant_takes_so_many_sessions_an_hour() {
    let stage = Stage::set(json!({})).await;
    let cap = stage.server.state.webchat.caps().sessions_per_tenant_hour;
    stage.token().await;
    stage
        .sql(&format!(
            "INSERT INTO webchat_sessions (id, tenant_id, channel_id, token_hash, visitor_id,
                                           created_at, expires_at)
             SELECT gen_random_uuid(), tenant_id, channel_id, sha256(n::text::bytea), 'v',
                    created_at, expires_at
             FROM webchat_sessions, generate_series(2, {cap}) AS n"
        ))
        .await;
    let held = stage.open("", &[]).await;
    assert_eq!(held.problem(429), "rate_limited");
    assert_ne!(held.header("retry-after"), "");
}

#[tokio::test]
async fn a_session_sends_so_many_messages_a_minute_and_in_all() {
    let stage = Stage::set(json!({})).await;
    let caps = stage.server.state.webchat.caps();
    let token = stage.token().await;
    for message in 0..caps.messages_per_minute {
        stage
            .write(&token, "Hi", &format!("c{message}"))
            .await
            .expect(202);
    }
    let held = stage.write(&token, "Hi", "more").await;
    assert_eq!(held.problem(429), "rate_limited");
    assert_ne!(held.header("retry-after"), "");
    assert_eq!(
        stage.count("raw_items").await,
        i64::from(caps.messages_per_minute)
    );

    let token = stage.token().await;
    let all_but_one = caps.messages_per_session - 1;
    stage
        .sql(&format!(
            "UPDATE webchat_sessions SET message_count = {all_but_one}"
        ))
        .await;
    stage.write(&token, "Hi", "last").await.expect(202);
    assert_eq!(
        stage.write(&token, "Hi", "more").await.problem(429),
        "rate_limited"
    );
}

#[tokio::test]
async fn texts_and_ids_have_their_limits() {
    let stage = Stage::set(json!({})).await;
    let token = stage.token().await;
    let long = "é".repeat(4001);
    for (text, client_id, field) in [
        (" \n", "c1", "text"),
        (&*long, "c1", "text"),
        ("Hi", "", "client_id"),
        ("Hi", &"c".repeat(101), "client_id"),
    ] {
        let refused = stage.write(&token, text, client_id).await;
        assert_eq!(refused.problem(422), "invalid_request");
        assert_eq!(refused.json()["errors"][0]["field"], field);
    }
    stage
        .write(&token, &"é".repeat(4000), &"c".repeat(100))
        .await
        .expect(202);
    assert_eq!(stage.count("raw_items").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_waits_for_a_message_of_another_process() {
    let stage = Stage::set(json!({})).await;
    let token = stage.token().await;
    stage.write(&token, "Hi", "c1").await.expect(202);
    let waiting = stage.read(&token, "after=0&wait=20");
    let (first, conversation) = tokio::join!(waiting, stage.work());
    assert_eq!(first["data"][0]["seq"], 1);
    let waiting = stage.read(&token, "after=1&wait=20");
    let (second, seq) = tokio::join!(waiting, stage.answer(conversation.unwrap(), "Hello"));
    assert_eq!((&second["data"][0]["text"], seq), (&json!("Hello"), 2));
    let begun = tokio::time::Instant::now();
    assert_eq!(
        stage.read(&token, "after=2&wait=1").await["data"],
        json!([])
    );
    assert!(begun.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_new_conversation_is_read_from_its_beginning() {
    let stage = Stage::set(json!({})).await;
    let token = stage.token().await;
    stage.write(&token, "First", "c1").await.expect(202);
    let first = stage.work().await.unwrap();
    stage.answer(first, "Bye").await;
    stage
        .sql("UPDATE conversations SET status = 'closed'")
        .await;
    stage.write(&token, "Second", "c2").await.expect(202);
    let second = stage.work().await.unwrap();
    assert_ne!(first, second);
    let listed = stage
        .read(&token, &format!("after=2&conversation_id={first}"))
        .await;
    assert_eq!(listed["conversation_id"], second.to_string());
    assert_eq!(listed["data"][0]["text"], "Second");
    let listed = stage
        .read(&token, &format!("after=1&conversation_id={second}"))
        .await;
    assert_eq!(listed["data"], json!([]));
}
