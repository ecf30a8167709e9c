use serde_json::{Value, json};

use crate::server::{ADMIN_KEY, TestServer};

#[tokio::test]
async fn a_tenant_lives_from_creation_to_deletion() {
    let server = TestServer::start().await;
    let (path, key) = server.tenant("Corner Shop").await;
    let change =
        json!({"name": "Shop", "settings": {"settle_ms": 0, "llm": {"api_key": "sk-hidden"}}});
    let changed = server.put(&key, &path, change).await;
    assert!(!changed.text.contains("sk-hidden"));
    let changed = changed.expect(200);
    assert_eq!(changed["name"], "Shop");
    assert_eq!(changed["settings"]["settle_ms"], 0);
    assert_eq!(changed["settings"]["llm"]["api_key_set"], true);
    assert_eq!(server.get(&key, &path).await.expect(200), changed);
    let stored: (String, Vec<u8>) =
        sqlx::query_as("SELECT settings::text, sealed_secrets FROM tenants")
            .fetch_one(server.database.pool())
            .await
            .unwrap();
    assert!(!stored.0.contains("sk-hidden"));
    assert!(!stored.1.windows(9).any(|part| part == b"sk-hidden"));
    server
        .upload(&key, &format!("{path}/documents"), "a.txt", b"Words.")
        .await
        .expect(202);
    server.delete(ADMIN_KEY, &path).await.expect(204);
    assert_eq!(server.get(ADMIN_KEY, &path).await.problem(404), "not_found");
    assert_eq!(server.get(&key, &path).await.problem(401), "unauthorized");
    let jobs = server.get(ADMIN_KEY, "/api/jobs").await.expect(200);
    assert_eq!(jobs["data"], json!([]));
    let left = std::fs::read_dir(server.folder.path()).unwrap().count();
    assert_eq!(left, 0, "files are left");
}

#[tokio::test]
async fn lists_go_on_where_they_ended() {
    let server = TestServer::start().await;
    for name in ["one", "two", "three"] {
        server.tenant(name).await;
    }
    let names = |page: &Value| -> Vec<String> {
        let rows = page["data"].as_array().unwrap();
        rows.iter()
            .map(|row| row["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let first = server
        .get(ADMIN_KEY, "/api/tenants?limit=2")
        .await
        .expect(200);
    assert_eq!(names(&first), ["one", "two"]);
    let next = format!(
        "/api/tenants?limit=2&cursor={}",
        first["next_cursor"].as_str().unwrap()
    );
    let second = server.get(ADMIN_KEY, &next).await.expect(200);
    assert_eq!(names(&second), ["three"]);
    assert_eq!(second["next_cursor"], Value::Null);
}

#[tokio::test]
async fn a_channels_secrets_never_come_back() {
    let server = TestServer::start().await;
    let (tenant, key) = server.tenant("Shop").await;
    let path = format!("{tenant}/channels");
    let config = json!({
        "phone_number_id": "200000000000001", "access_token": "EAAG-hidden",
        "app_secret": "hidden-app-secret", "verify_token": "hidden-verify-token",
    });
    let body = json!({"type": "whatsapp", "name": "Phone", "config": config});
    let created = server.post(&key, &path, body.clone()).await;
    let channel = created.expect(201);
    assert_eq!(
        channel["config"],
        json!({"phone_number_id": "200000000000001"})
    );
    let set = json!({"access_token": true, "app_secret": true, "verify_token": true});
    assert_eq!(channel["secrets"], set);
    let one = format!("{path}/{}", channel["id"].as_str().unwrap());
    let change = json!({"name": "Line", "config": {"verify_token": null}});
    let changed = server.put(&key, &one, change).await;
    assert_eq!(
        changed.expect(200)["secrets"],
        json!({"access_token": true, "app_secret": true})
    );
    let listed = server.get(&key, &path).await;
    assert_eq!(listed.expect(200)["data"][0], changed.json());
    for answer in [&created, &changed, &listed] {
        assert!(!answer.text.contains("hidden"), "{}", answer.text);
    }
    assert_eq!(
        server.post(&key, &path, body).await.problem(409),
        "channel_already_connected"
    );
    server.delete(&key, &one).await.expect(204);
    assert_eq!(server.get(&key, &one).await.problem(404), "not_found");
}

#[tokio::test]
async fn a_webhooks_secret_is_shown_once() {
    let server = TestServer::start().await;
    let (tenant, key) = server.tenant("Shop").await;
    let path = format!("{tenant}/webhooks");
    let body = json!({"url": "https://hooks.example.com/in", "event_types": ["message.received"]});
    let created = server.post(&key, &path, body).await.expect(201);
    let secret = created["secret"].as_str().unwrap();
    assert!(secret.parse::<secrets::WebhookSecret>().is_ok());
    let one = format!("{path}/{}", created["id"].as_str().unwrap());
    let rotated = server
        .post(&key, &format!("{one}/rotate-secret"), Value::Null)
        .await
        .expect(200);
    assert_ne!(rotated["secret"], secret);
    let changed = server
        .put(&key, &one, json!({"enabled": false}))
        .await
        .expect(200);
    assert_eq!(changed["enabled"], false);
    assert_eq!(changed["event_types"], json!(["message.received"]));
    let listed = server.get(&key, &path).await;
    assert!(!listed.text.contains("whsec_"), "{}", listed.text);
    assert_eq!(listed.expect(200)["data"][0], changed);
    let deliveries = server
        .get(&key, &format!("{one}/deliveries"))
        .await
        .expect(200);
    assert_eq!(deliveries, json!({"data": [], "next_cursor": null}));
    server.delete(&key, &one).await.expect(204);
    assert_eq!(server.get(&key, &one).await.problem(404), "not_found");
}

#[tokio::test]
async fn an_endpoint_inside_is_refused_when_it_is_set() {
    let server = TestServer::start().await;
    let (tenant, key) = server.tenant("Shop").await;
    let path = format!("{tenant}/webhooks");
    for url in [
        "http://127.0.0.1/",
        "http://localhost:8080/",
        "ftp://example.com/",
        "no url",
    ] {
        let refused = server.post(&key, &path, json!({"url": url})).await;
        assert_eq!(refused.problem(422), "invalid_request", "{url}");
        assert_eq!(refused.json()["errors"][0]["field"], "url");
    }
}

#[tokio::test]
async fn a_conversation_is_read_and_put_into_a_persons_hands() {
    let server = TestServer::start().await;
    let (tenant, key) = server.tenant("Shop").await;
    let chat = json!({"type": "webchat", "name": "Chat"});
    let channel = server
        .post(&key, &format!("{tenant}/channels"), chat)
        .await
        .expect(201);
    let channel = channel["id"].as_str().unwrap().parse().unwrap();
    let mut tx = {
        let id = tenant.rsplit('/').next().unwrap().parse().unwrap();
        server.state.db.tenant(id).await.unwrap()
    };
    sqlx::query(
        "INSERT INTO contacts (id, tenant_id, channel_id, external_id) VALUES ($1, $2, $3, 'v')",
    )
    .bind(uuid::Uuid::nil())
    .bind(tx.tenant().as_uuid())
    .bind(domain::ChannelId::as_uuid(channel))
    .execute(server.database.pool())
    .await
    .unwrap();
    let conversation = store::conversations::open(&mut tx, channel, uuid::Uuid::nil().into())
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let path = format!("{tenant}/conversations");
    let listed = server
        .get(&key, &format!("{path}?status=open"))
        .await
        .expect(200);
    assert_eq!(listed["data"][0]["id"], conversation.id.to_string());
    let one = format!("{path}/{}", conversation.id);
    let taken = server
        .put(&key, &one, json!({"status": "assigned_human"}))
        .await
        .expect(200);
    assert_eq!(taken["status"], "assigned_human");
    assert_eq!(server.get(&key, &one).await.expect(200), taken);
    let messages = server
        .get(&key, &format!("{one}/messages"))
        .await
        .expect(200);
    assert_eq!(messages, json!({"data": [], "next_cursor": null}));
}

#[tokio::test]
async fn a_job_is_listed_with_why_it_waits() {
    let server = TestServer::start().await;
    let (tenant, key) = server.tenant("Shop").await;
    server
        .upload(&key, &format!("{tenant}/documents"), "a.txt", b"Words.")
        .await
        .expect(202);
    let listed = server
        .get(&key, "/api/jobs?kind=ingest-document&state=ready")
        .await
        .expect(200);
    let job = &listed["data"][0];
    assert_eq!(job["kind"], "ingest-document");
    assert!(job["waiting_because"].is_string());
    let one = server
        .get(&key, &format!("/api/jobs/{}", job["id"]))
        .await
        .expect(200);
    assert_eq!(one["attempts"], json!([]));
    assert_eq!(one["id"], job["id"]);
    let none = server
        .get(&key, "/api/jobs?kind=send-reply")
        .await
        .expect(200);
    assert_eq!(none["data"], json!([]));
}

#[tokio::test]
async fn operators_see_what_was_posted_in_vain() {
    let server = TestServer::start().await;
    sqlx::query(
        "INSERT INTO raw_items (id, channel_kind, outcome, payload)
         VALUES ($1, 'whatsapp', 'unroutable', '{\"entry\": []}')",
    )
    .bind(uuid::Uuid::nil())
    .execute(server.database.pool())
    .await
    .unwrap();
    let listed = server
        .get(ADMIN_KEY, "/api/raw-items?outcome=unroutable")
        .await
        .expect(200);
    assert_eq!(listed["data"][0]["payload"], json!({"entry": []}));
    let other = server
        .get(ADMIN_KEY, "/api/raw-items?outcome=failed")
        .await
        .expect(200);
    assert_eq!(other["data"], json!([]));
}
