//! People and their conversations over HTTP.

use domain::{ChannelId, ConversationId, UnansweredReason};
use poem::http::Method;
use serde_json::{Value, json};
use store::{contacts, conversations, messages};

use crate::server::TestServer;

/// A tenant with a web chat.
struct Shop {
    server: TestServer,
    path: String,
    key: String,
    channel: ChannelId,
}

impl Shop {
    async fn open() -> Self {
        let server = TestServer::start().await;
        let (path, key) = server.tenant("Shop").await;
        let chat = json!({"type": "webchat", "name": "Chat"});
        let channel = server
            .post(&key, &format!("{path}/channels"), chat)
            .await
            .expect(201);
        let channel = channel["id"].as_str().unwrap().parse().unwrap();
        Self {
            server,
            path,
            key,
            channel,
        }
    }

    /// A conversation with a contact of that name, who wrote once.
    async fn conversation(&self, name: &str) -> ConversationId {
        let tenant = self.path.rsplit('/').next().unwrap().parse().unwrap();
        let mut tx = self.server.state.db.tenant(tenant).await.unwrap();
        let contact = contacts::upsert(&mut tx, self.channel, name, name, Some(name)).await;
        let open = conversations::open(&mut tx, self.channel, contact.unwrap()).await;
        let id = open.unwrap().id;
        let now = self.server.clock.now();
        let (seq, turn) = conversations::add_inbound(&mut tx, id, now, false, true)
            .await
            .unwrap();
        let new = messages::NewInbound {
            conversation_id: id,
            channel_id: self.channel,
            seq,
            turn,
            text: "Hello",
            content: json!({"type": "text", "body": "Hello"}),
            external_id: &format!("{id}:{seq}"),
            occurred_at: now,
            unanswered_reason: None,
        };
        messages::insert_inbound(&mut tx, &new).await.unwrap();
        tx.commit().await.unwrap();
        id
    }

    async fn get(&self, path: &str) -> Value {
        let path = format!("{}/{path}", self.path);
        self.server.get(&self.key, &path).await.expect(200)
    }

    async fn post(&self, path: &str, body: Value) -> crate::server::Reply {
        let path = format!("{}/{path}", self.path);
        self.server.post(&self.key, &path, body).await
    }

    /// The ids that a list of conversations has.
    async fn listed(&self, query: &str) -> Vec<String> {
        let listed = self.get(&format!("conversations?{query}")).await;
        let ids = listed["data"].as_array().unwrap().iter();
        ids.map(|one| one["id"].as_str().unwrap().to_owned())
            .collect()
    }
}

#[tokio::test]
async fn conversations_are_found_by_contact_status_and_what_waits_for_an_answer() {
    let shop = Shop::open().await;
    let ana = shop.conversation("Ana Müller").await;
    let bo = shop.conversation("Bo").await;
    let both = [bo.to_string(), ana.to_string()];
    assert_eq!(shop.listed("").await, both);
    assert_eq!(shop.listed("text=M%C3%9CLLER").await, both[1..]);
    assert_eq!(shop.listed("unanswered=true").await, both);
    let sent = shop
        .post(
            &format!("conversations/{bo}/messages"),
            json!({"text": "Hi", "from": "Kim"}),
        )
        .await
        .expect(202);
    assert_eq!(sent["data"][0]["author"], "agent");
    assert_eq!(shop.listed("unanswered=true").await, both[1..]);
    assert_eq!(shop.listed("unanswered=false").await, both[..1]);
    assert_eq!(shop.listed("status=assigned_human").await, both[..1]);
    let one = shop.get(&format!("conversations/{bo}")).await;
    assert_eq!(one["assigned_to"], "Kim");
    assert_eq!(one["assign_reason"], "taken");
    assert_eq!(one["read_seq"], 2);
    let contact = one["contact_id"].as_str().unwrap();
    let of_contact = shop.listed(&format!("contact_id={contact}")).await;
    assert_eq!(of_contact, both[..1]);
    let first = shop.get("conversations?limit=1").await;
    let next = first["next_cursor"].as_str().unwrap();
    let rest = shop.listed(&format!("limit=1&cursor={next}")).await;
    assert_eq!(rest, both[1..]);
}

#[tokio::test]
async fn a_conversation_takes_the_steps_of_its_table_and_no_others() {
    let shop = Shop::open().await;
    let id = shop.conversation("Ana").await;
    let step = async |step: &str| {
        let path = format!("conversations/{id}/{step}");
        shop.post(&path, json!({})).await
    };
    for (name, status) in [
        ("assign", "assigned_human"),
        ("assign", "assigned_human"),
        ("release", "open"),
        ("resolve", "resolved"),
        ("reopen", "open"),
        ("close", "closed"),
    ] {
        assert_eq!(step(name).await.expect(200)["status"], status, "{name}");
    }
    for name in ["assign", "release", "resolve"] {
        assert_eq!(step(name).await.problem(409), "conversation_status");
    }
    let write = format!("conversations/{id}/messages");
    let refused = shop.post(&write, json!({"text": "Hi"})).await;
    assert_eq!(refused.problem(409), "conversation_status");
    // The contact began another one meanwhile.
    shop.conversation("Ana").await;
    assert_eq!(
        step("reopen").await.problem(409),
        "another_conversation_open"
    );
    let read = step("read").await.expect(200);
    assert_eq!(read["read_seq"], 1);
}

#[tokio::test]
async fn a_message_sent_twice_with_one_key_is_sent_once() {
    let shop = Shop::open().await;
    let id = shop.conversation("Ana").await;
    let path = format!("{}/conversations/{id}/messages", shop.path);
    let mut answers = Vec::new();
    for _ in 0..2 {
        let body = json!({"text": "Hi"});
        let headers = [("idempotency-key", "one")];
        let answer = shop
            .server
            .call_with(&shop.key, Method::POST, &path, body, &headers)
            .await;
        answers.push(answer.expect(202));
    }
    assert_eq!(answers[0], answers[1]);
    let listed = shop.get(&format!("conversations/{id}/messages")).await;
    assert_eq!(listed["data"].as_array().unwrap().len(), 2);
    let queued = answers[0]["data"][0]["id"].as_str().unwrap();
    let retry = format!("conversations/{id}/messages/{queued}/retry");
    let refused = shop.post(&retry, json!({})).await;
    assert_eq!(refused.problem(409), "message_not_failed");
}

#[tokio::test]
async fn a_contact_is_shown_exported_left_alone_and_erased() {
    let shop = Shop::open().await;
    let id = shop.conversation("Ana").await;
    let one = shop.get(&format!("conversations/{id}")).await;
    let contact = format!("contacts/{}", one["contact_id"].as_str().unwrap());
    assert_eq!(shop.get(&contact).await["display_name"], "Ana");
    let path = format!("{}/{contact}", shop.path);
    let out = json!({"opted_out": true});
    let changed = shop.server.put(&shop.key, &path, out).await.expect(200);
    assert!(changed["opted_out_at"].is_string());
    let write = format!("conversations/{id}/messages");
    let refused = shop.post(&write, json!({"text": "Hi"})).await;
    assert_eq!(refused.problem(409), "contact_opted_out");
    let export = shop.get(&format!("{contact}/export")).await;
    assert_eq!(export["conversations"][0]["messages"][0]["text"], "Hello");
    assert_eq!(export["contact"]["display_name"], "Ana");
    let erase = async || shop.server.delete(&shop.key, &path).await.expect(202);
    let erasure = erase().await;
    // Asked for twice, it is one erasure.
    assert_eq!(erase().await["id"], erasure["id"]);
    let proof = format!("erasures/{}", erasure["id"].as_str().unwrap());
    assert_eq!(shop.get(&proof).await["finished_at"], Value::Null);
}

#[tokio::test]
async fn what_a_tenant_keeps_with_a_conversation_is_shown_replaced_and_exported() {
    let shop = Shop::open().await;
    let id = shop.conversation("Ana").await;
    let one = format!("conversations/{id}");
    let path = format!("{}/{one}", shop.path);
    let put = async |body: Value| shop.server.put(&shop.key, &path, body).await.expect(200);
    assert_eq!(shop.get(&one).await["metadata"], json!({}));
    let order = json!({"order": "A-17", "tags": ["vip", 3, null, {"": 1.5}], "Überweisung": true});
    let set = put(json!({"metadata": order})).await;
    assert_eq!((&set["metadata"], &set["status"]), (&order, &json!("open")));
    let listed = shop.get("conversations").await;
    assert_eq!(listed["data"][0]["metadata"], order);
    // Each time as a whole, and with a step where one is asked for.
    let done = json!({"done": true});
    let both = put(json!({"metadata": done, "status": "resolved"})).await;
    assert_eq!(
        (&both["metadata"], &both["status"]),
        (&done, &json!("resolved"))
    );
    // What is not named stays.
    let step = put(json!({"status": "open"})).await;
    assert_eq!(
        (&step["metadata"], &step["status"]),
        (&done, &json!("open"))
    );
    let contact = step["contact_id"].as_str().unwrap();
    let export = shop.get(&format!("contacts/{contact}/export")).await;
    let exported = &export["conversations"][0]["conversation"];
    assert_eq!(exported["metadata"], done);
    assert_eq!(put(json!({"metadata": {}})).await["metadata"], json!({}));
}

#[tokio::test]
async fn what_is_no_object_of_16_kib_is_not_kept_with_a_conversation() {
    let shop = Shop::open().await;
    let id = shop.conversation("Ana").await;
    let path = format!("{}/conversations/{id}", shop.path);
    let put = async |body: Value| shop.server.put(&shop.key, &path, body).await;
    let of_length = |bytes: usize| json!({"a": "x".repeat(bytes - "{\"a\":\"\"}".len())});
    for wrong in [
        json!([]),
        json!("A-17"),
        json!(17),
        json!({"a": "\0"}),
        json!({"a\0": [1]}),
        json!({"a": [{"b\0": null}]}),
        of_length(16 * 1024 + 1),
    ] {
        let refused = put(json!({"metadata": wrong, "status": "closed"})).await;
        assert_eq!(refused.problem(422), "invalid_request", "{wrong}");
        assert_eq!(refused.json()["errors"][0]["field"], "metadata", "{wrong}");
    }
    for nothing in [json!({}), json!({"metadata": null})] {
        assert_eq!(put(nothing).await.problem(422), "invalid_request");
    }
    let kept = shop.get(&format!("conversations/{id}")).await;
    assert_eq!(
        (&kept["metadata"], &kept["status"]),
        (&json!({}), &json!("open"))
    );
    let longest = of_length(16 * 1024);
    let set = put(json!({"metadata": longest})).await.expect(200);
    assert_eq!(set["metadata"], longest);
}

#[tokio::test]
async fn every_reason_not_to_answer_can_be_kept_and_is_shown() {
    let shop = Shop::open().await;
    let id = shop.conversation("Ana").await;
    for reason in UnansweredReason::ALL {
        sqlx::query("UPDATE messages SET unanswered_reason = $1")
            .bind(reason.as_str())
            .execute(shop.server.database.pool())
            .await
            .unwrap();
        let listed = shop.get(&format!("conversations/{id}/messages")).await;
        assert_eq!(listed["data"][0]["unanswered_reason"], reason.as_str());
        let described = api::openapi_json();
        assert!(described.contains(&format!("`{reason}`")), "{reason}");
    }
}

#[tokio::test]
async fn settings_about_people_are_checked_and_read_back() {
    let shop = Shop::open().await;
    let put = async |settings: Value| {
        let body = json!({"settings": settings});
        shop.server.put(&shop.key, &shop.path, body).await
    };
    let wanted = json!({
        "handoff": {"words": {"de": ["Chef"]}, "tool": true, "release_after_minutes": 30,
                    "when_closed": "stay", "text": "Moment!"},
        "hours": {"time_zone": "Europe/Berlin", "holidays": ["2026-12-25"],
                  "weekly": [{"day": "monday", "from": "09:00", "to": "24:00"}]},
        "opt_out": {"enabled": false},
        "moderation": {"blocked": ["x"], "text": "No."},
        "answer_within_minutes": 5,
        "retention_days": 30,
        "history_messages": 20, "history_tokens": 3_000,
    });
    let settings = put(wanted.clone()).await.expect(200)["settings"].clone();
    for (section, fields) in wanted.as_object().unwrap() {
        match fields.as_object() {
            None => assert_eq!(settings[section], *fields),
            Some(fields) => {
                for (field, value) in fields {
                    assert_eq!(settings[section][field], *value, "{section}.{field}");
                }
            }
        }
    }
    let back = put(json!({"handoff": {"words": {"de": null}, "text": null}})).await;
    let back = back.expect(200)["settings"]["handoff"].clone();
    assert_eq!((&back["words"], &back["text"]), (&json!({}), &Value::Null));
    for wrong in [
        json!({"hours": {"time_zone": "Mars/Olympus"}}),
        json!({"hours": {"weekly": [{"day": "monday", "from": "10:00", "to": "09:00"}]}}),
        json!({"hours": {"weekly": [{"day": "monday", "from": "9", "to": "10:00"}]}}),
        json!({"handoff": {"words": {"Deutsch!": ["Chef"]}}}),
        json!({"handoff": {"words": {"de": [""]}}}),
        json!({"handoff": {"when_closed": "sleep"}}),
        json!({"retention_days": 0}),
        json!({"history_tokens": 2_000_001}),
        json!({"answer_within_minutes": 50_000}),
    ] {
        assert_eq!(
            put(wrong.clone()).await.problem(422),
            "invalid_request",
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn what_no_channel_could_send_is_refused_by_the_name_of_its_field() {
    let shop = Shop::open().await;
    let id = shop.conversation("Ana").await;
    let write = format!("conversations/{id}/messages");
    let place = |latitude: f64, longitude: f64| json!({"type": "location", "latitude": latitude, "longitude": longitude});
    let question =
        |body: &str, choices: Value| json!({"type": "choices", "body": body, "choices": choices});
    let yes = json!([{"id": "y", "title": "Yes"}]);
    for (content, field) in [
        (place(90.1, 0.0), "content.latitude"),
        (place(-1e308, 0.0), "content.latitude"),
        (place(0.0, -180.1), "content.longitude"),
        (question("Well?", json!([])), "content.choices"),
        (question(" ", yes.clone()), "content.body"),
    ] {
        let refused = shop.post(&write, json!({"content": content})).await;
        assert_eq!(refused.problem(422), "invalid_request", "{content}");
        assert_eq!(refused.json()["errors"][0]["field"], field, "{content}");
    }
    for content in [place(-90.0, 180.0), question("Well?", yes)] {
        shop.post(&write, json!({"content": content}))
            .await
            .expect(202);
    }
}
