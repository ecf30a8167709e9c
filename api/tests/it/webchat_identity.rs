//! Who a visitor is: signed tokens, and users whom the tenant's own server vouches for.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::server::ADMIN_KEY;
use crate::webchat_stage::Stage;

/// A fresh identity secret of the stage's chat.
async fn secret(stage: &Stage, body: Value) -> String {
    let made = stage
        .server
        .post(ADMIN_KEY, &stage.identity_secret(), body)
        .await
        .expect(201);
    made["secret"].as_str().unwrap().to_owned()
}

fn hash(secret: &str, text: &str) -> String {
    let hash = secrets::hmac_sha256(secret.as_bytes(), &[text.as_bytes()]);
    hex::encode(hash)
}

/// What a tenant's own server makes of a user.
fn vouch(secret: &str, user: &str) -> Value {
    json!({"user_id": user, "hash": hash(secret, user)})
}

#[tokio::test]
async fn a_user_is_the_same_contact_on_every_device() {
    let stage = Stage::set(json!({})).await;
    let secret = secret(&stage, Value::Null).await;
    let text = "42\nname=Ada\nemail=ada@shop.example";
    let named = json!({"user_id": "42", "name": "Ada", "email": "ada@shop.example",
        "hash": hash(&secret, text)});
    let phone = stage.open_as("", &named).await.expect(201);
    let phone = phone["token"].as_str().unwrap();
    stage.write(phone, "Hi", "c1").await.expect(202);
    stage.work().await.unwrap();
    let laptop = stage.open_as("", &vouch(&secret, "42")).await.expect(201);
    let laptop = laptop["token"].as_str().unwrap();
    assert_eq!(stage.read(laptop, "").await["data"][0]["text"], "Hi");
    let contact: (String, String, String) =
        sqlx::query_as("SELECT external_id, display_name, email FROM contacts")
            .fetch_one(stage.server.database.pool())
            .await
            .unwrap();
    let expected = ("user:42", "Ada", "ada@shop.example");
    assert_eq!(
        (&*contact.0, &*contact.1, &*contact.2),
        expected,
        "what is not sent again stays"
    );
    let other = stage.open_as("", &vouch(&secret, "43")).await.expect(201);
    let other = other["token"].as_str().unwrap();
    assert_eq!(stage.read(other, "").await["data"], json!([]));
}

#[tokio::test]
async fn what_the_tenants_server_did_not_sign_is_refused() {
    let stage = Stage::set(json!({})).await;
    let without_secret = stage.open_as("", &vouch("", "42")).await;
    assert_eq!(without_secret.problem(401), "identity_not_verified");
    let secret = secret(&stage, Value::Null).await;
    let good = hash(&secret, "42");
    let dated = hash(&secret, "42\nexpires_at=1900000000");
    for wrong in [
        json!({"user_id": "43", "hash": good}),
        json!({"user_id": "42", "hash": ""}),
        json!({"user_id": "42", "hash": &good[2..]}),
        json!({"user_id": "42", "hash": format!("{good}00")}),
        json!({"user_id": "42", "hash": hash("another", "42")}),
        // Neither a name nor a time can be added, left out or changed.
        json!({"user_id": "42", "hash": good, "name": "Ada"}),
        json!({"user_id": "42", "hash": good, "email": "ada@shop.example"}),
        json!({"user_id": "42", "hash": good, "expires_at": 1_900_000_000}),
        json!({"user_id": "42", "hash": dated}),
        json!({"user_id": "42", "hash": dated, "expires_at": 1_900_000_001}),
        json!({"user_id": "42\nexpires_at=1900000000", "hash": dated}),
        json!({"user_id": "", "hash": hash(&secret, "")}),
    ] {
        let refused = stage.open_as("", &wrong).await;
        assert_eq!(refused.problem(401), "identity_not_verified", "{wrong}");
    }
    let unknown = json!({"user_id": "42", "hash": good, "role": "admin"});
    assert_eq!(
        stage.open_as("", &unknown).await.problem(422),
        "invalid_request"
    );
    assert_eq!(stage.count("webchat_sessions").await, 0);
    assert_eq!(stage.count("contacts").await, 0);
}

#[tokio::test]
async fn a_dated_hash_can_be_shown_again_only_until_its_time() {
    let stage = Stage::set(json!({})).await;
    let secret = secret(&stage, Value::Null).await;
    let now = stage.server.clock.now().timestamp();
    let text = format!("42\nexpires_at={}", now + 60);
    let dated = json!({"user_id": "42", "expires_at": now + 60, "hash": hash(&secret, &text)});
    stage.open_as("", &dated).await.expect(201);
    stage.server.clock.advance(TimeDelta::seconds(59));
    stage.open_as("", &dated).await.expect(201);
    stage.server.clock.advance(TimeDelta::seconds(1));
    let late = stage.open_as("", &dated).await;
    assert_eq!(late.problem(401), "identity_not_verified");
}

#[tokio::test]
async fn a_secret_is_replaced_with_an_overlap_or_at_once() {
    let stage = Stage::set(json!({})).await;
    let first = secret(&stage, Value::Null).await;
    let second = secret(&stage, json!({"overlap_seconds": 60})).await;
    for good in [&first, &second] {
        stage.open_as("", &vouch(good, "42")).await.expect(201);
    }
    stage.server.clock.advance(TimeDelta::seconds(60));
    let late = stage.open_as("", &vouch(&first, "42")).await;
    assert_eq!(late.problem(401), "identity_not_verified");
    stage.open_as("", &vouch(&second, "42")).await.expect(201);
    let third = secret(&stage, json!({"overlap_seconds": 0})).await;
    let leaked = stage.open_as("", &vouch(&second, "42")).await;
    assert_eq!(leaked.problem(401), "identity_not_verified");
    stage.open_as("", &vouch(&third, "42")).await.expect(201);
    let path = stage.identity_secret();
    let long = json!({"overlap_seconds": 604_801});
    let long = stage.server.post(ADMIN_KEY, &path, long).await;
    assert_eq!(long.problem(422), "invalid_request");
    let sealed: Vec<Vec<u8>> =
        sqlx::query_scalar("SELECT sealed_secret FROM webchat_identity_secrets")
            .fetch_all(stage.server.database.pool())
            .await
            .unwrap();
    for sealed in sealed {
        let text = String::from_utf8_lossy(&sealed).into_owned();
        assert!(!text.contains("mci_"), "a secret lies open");
    }
}

#[tokio::test]
async fn another_chats_secret_vouches_for_nobody() {
    let stage = Stage::set(json!({})).await;
    let own = secret(&stage, Value::Null).await;
    let (foreign, key) = stage.server.tenant("Other").await;
    for (tenant, key) in [(&stage.tenant, ADMIN_KEY), (&foreign, &*key)] {
        let channel = json!({"type": "webchat", "name": "Second"});
        let channels = format!("{tenant}/channels");
        let channel = stage.server.post(key, &channels, channel).await.expect(201);
        let id = channel["id"].as_str().unwrap();
        let path = format!("{tenant}/channels/{id}/identity-secret");
        let made = stage.server.post(key, &path, Value::Null).await.expect(201);
        let theirs = made["secret"].as_str().unwrap();
        let refused = stage.open_as("", &vouch(theirs, "42")).await;
        assert_eq!(refused.problem(401), "identity_not_verified");
        let sessions = format!("/api/webchat/{id}/sessions");
        let ours = json!({"identity": vouch(&own, "42")});
        let refused = stage.server.post("", &sessions, ours).await;
        assert_eq!(refused.problem(401), "identity_not_verified");
    }
    let whatsapp = json!({"type": "whatsapp", "name": "Phone", "config": {"phone_number_id": "1",
        "access_token": "a", "app_secret": "s", "verify_token": "v"}});
    let channels = format!("{}/channels", stage.tenant);
    let whatsapp = stage.server.post(ADMIN_KEY, &channels, whatsapp).await;
    let id = whatsapp.expect(201)["id"].as_str().unwrap().to_owned();
    let path = format!("{channels}/{id}/identity-secret");
    let none = stage.server.post(ADMIN_KEY, &path, Value::Null).await;
    assert_eq!(none.problem(404), "not_found");
}

#[tokio::test]
async fn a_chat_for_users_alone_takes_nobody_else() {
    let stage = Stage::set(json!({"require_identity": true})).await;
    let shop = [("origin", "https://shop.example")];
    let anonymous = stage.open("", &shop).await;
    assert_eq!(anonymous.problem(401), "identity_required");
    // The page has to be able to read why.
    assert_eq!(anonymous.header("access-control-allow-origin"), shop[0].1);
    let secret = secret(&stage, Value::Null).await;
    let user = stage.open_as("", &vouch(&secret, "42")).await.expect(201);
    let token = user["token"].as_str().unwrap();
    assert_eq!(user["visitor_id"], "user:42");
    let again = stage.open(token, &[]).await;
    assert_eq!(again.problem(401), "identity_required");
}

#[tokio::test]
async fn who_logged_out_is_not_the_user_any_more() {
    let stage = Stage::set(json!({})).await;
    let secret = secret(&stage, Value::Null).await;
    let user = stage.open_as("", &vouch(&secret, "42")).await.expect(201);
    let token = user["token"].as_str().unwrap();
    let out = stage.open(token, &[]).await.expect(201);
    assert_ne!(out["visitor_id"], "user:42");
    // The other way: an identity goes before an anonymous visitor's token.
    let anonymous = stage.token().await;
    let again = stage.open_as(&anonymous, &vouch(&secret, "42")).await;
    assert_eq!(again.expect(201)["visitor_id"], "user:42");
}

#[tokio::test]
async fn a_token_is_a_jwt_for_its_channel_and_a_changed_one_does_not_work() {
    let stage = Stage::set(json!({})).await;
    let opened = stage.open("", &[]).await.expect(201);
    let token = opened["token"].as_str().unwrap();
    let keyring = &stage.server.state.keyring;
    let now = stage.server.clock.now().timestamp();
    let claims = secrets::VisitorClaims::verify(token, keyring, now).unwrap();
    assert_eq!(claims.channel.to_string(), stage.channel);
    assert_eq!(claims.session.to_string(), opened["session_id"]);
    assert_eq!(claims.visitor, opened["visitor_id"]);
    assert_eq!(claims.expires_at, now + 30 * 86_400);
    // Signed by us, and of no session: a token alone opens nothing.
    let forged = secrets::VisitorClaims {
        session: domain::WebchatSessionId::new().as_uuid(),
        ..claims
    };
    let forged = secrecy::ExposeSecret::expose_secret(&forged.sign(keyring)).to_owned();
    let stripped = token.rsplit_once('.').unwrap().0;
    for wrong in [
        &*forged,
        stripped,
        &format!("{stripped}."),
        &format!("{token}A"),
    ] {
        let read = stage.server.get(wrong, "/api/webchat/messages").await;
        assert_eq!(read.problem(401), "unauthorized", "{wrong}");
    }
}

#[tokio::test]
async fn a_token_of_before_they_were_signed_works_until_its_end() {
    let stage = Stage::set(json!({})).await;
    let token = stage.token().await;
    stage.write(&token, "Hi", "c1").await.expect(202);
    stage.work().await.unwrap();
    let old = format!("mcw_{}", "a".repeat(43));
    stage
        .sql(&format!(
            "UPDATE webchat_sessions SET token_hash = sha256('{old}')"
        ))
        .await;
    assert_eq!(stage.read(&old, "").await["data"][0]["text"], "Hi");
    let next = stage.open(&old, &[]).await.expect(201);
    let next = next["token"].as_str().unwrap();
    assert_eq!(stage.read(next, "").await["data"][0]["text"], "Hi");
}
