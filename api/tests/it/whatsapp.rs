//! Meta's posts, over HTTP: whom they are believed, and what is kept of them.

use std::sync::Arc;
use std::time::Duration;

use api::Limits;
use db::{Db, DbOptions};
use domain::Clock;
use poem::http::{HeaderValue, Method};
use poem::{Body, Endpoint as _, Request};
use serde_json::{Value, json};
use testkit::standin::{Sender, SignedPost, TextMessage, WhatsappPost, meta_signature};

use crate::app::state;
use crate::server::{ADMIN_KEY, APP_SECRET, Reply, TestServer, VERIFY_TOKEN};

pub(crate) const SHARED: &str = "/webhooks/whatsapp";
/// The number of the shop, which uses the platform's app.
pub(crate) const SHOP: &str = "200000000000001";
/// The number of the bank, which has an app of its own.
pub(crate) const BANK: &str = "200000000000002";
const BANK_SECRET: &str = "the-banks-own-app-secret";
const BANK_TOKEN: &str = "the-banks-own-verify-token";
/// A number that nobody has connected.
pub(crate) const STRANGE: &str = "299999999999999";

/// Two tenants with a number each.
pub(crate) struct Numbers {
    pub(crate) server: TestServer,
    pub(crate) shop: String,
    bank: String,
}

impl Numbers {
    pub(crate) async fn connect() -> Self {
        let server = TestServer::start().await;
        let shop = connect(&server, "Shop", SHOP, json!({})).await;
        let own = json!({"app_secret": BANK_SECRET, "verify_token": BANK_TOKEN});
        let bank = connect(&server, "Bank", BANK, own).await;
        Self { server, shop, bank }
    }

    pub(crate) async fn post(&self, path: &str, post: &SignedPost) -> Reply {
        self.post_as(path, &post.body, Some(post.signature.as_bytes()))
            .await
    }

    async fn post_as(&self, path: &str, body: &[u8], signature: Option<&[u8]>) -> Reply {
        self.server.send(request(path, body, signature)).await
    }

    /// Changes the configuration of the bank's channel.
    async fn change_bank(&self, body: Value) {
        let tenant: String =
            sqlx::query_scalar("SELECT tenant_id::text FROM channels WHERE id = $1::uuid")
                .bind(&self.bank)
                .fetch_one(self.server.database.pool())
                .await
                .unwrap();
        let path = format!("/api/tenants/{tenant}/channels/{}", self.bank);
        self.server.put(ADMIN_KEY, &path, body).await.expect(200);
    }

    /// What was kept, in the order of arrival: number, outcome, and the channel it belongs to.
    async fn kept(&self) -> Vec<(Option<String>, String, Option<String>)> {
        sqlx::query_as(
            "SELECT payload ->> 'phone_number_id', outcome, channel_id::text
             FROM raw_items ORDER BY id",
        )
        .fetch_all(self.server.database.pool())
        .await
        .unwrap()
    }

    pub(crate) async fn jobs(&self) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM jobs")
            .fetch_one(self.server.database.pool())
            .await
            .unwrap()
    }

    pub(crate) async fn expect_nothing_kept(&self, case: &str) {
        assert_eq!(self.kept().await, [], "{case}");
        assert_eq!(self.jobs().await, 0, "{case}");
    }

    async fn raw_items(&self, outcome: &str) -> Vec<Value> {
        let path = format!("/api/raw-items?outcome={outcome}");
        let page = self.server.get(ADMIN_KEY, &path).await.expect(200);
        page["data"].as_array().unwrap().clone()
    }
}

pub(crate) fn request(path: &str, body: &[u8], signature: Option<&[u8]>) -> Request {
    let mut request = Request::builder()
        .method(Method::POST)
        .uri_str(path)
        .content_type("application/json");
    if let Some(signature) = signature {
        let signature = HeaderValue::from_bytes(signature).unwrap();
        request = request.header("x-hub-signature-256", signature);
    }
    request.body(Body::from_vec(body.to_vec()))
}

/// Connects a number of a tenant of its own; the channel's id.
async fn connect(server: &TestServer, name: &str, number: &str, own: Value) -> String {
    let (tenant, _) = server.tenant(name).await;
    let mut config = json!({"phone_number_id": number, "access_token": "EAAG-token"});
    let fields = config.as_object_mut().unwrap();
    fields.extend(own.as_object().unwrap().clone());
    let channel = json!({"type": "whatsapp", "name": name, "config": config});
    let channel = server
        .post(ADMIN_KEY, &format!("{tenant}/channels"), channel)
        .await
        .expect(201);
    channel["id"].as_str().unwrap().to_owned()
}

pub(crate) fn message(text: &str) -> TextMessage {
    TextMessage::new(Sender::phone("15550002222", "Ana"), text)
}

fn post_to(number: &str) -> WhatsappPost {
    WhatsappPost::to_number(number).text(&message("Do you sell tea?"))
}

fn item(
    number: &str,
    outcome: &str,
    channel: Option<&str>,
) -> (Option<String>, String, Option<String>) {
    (
        Some(number.to_owned()),
        outcome.to_owned(),
        channel.map(str::to_owned),
    )
}

#[tokio::test]
async fn a_post_without_a_right_signature_is_refused_and_nothing_is_kept() {
    let numbers = Numbers::connect().await;
    let genuine = post_to(SHOP).sign(APP_SECRET);
    let own_path = format!("{SHARED}/{}", numbers.bank);
    let of_another_body = meta_signature(APP_SECRET, b"{}");
    let upper = genuine.signature.to_uppercase();
    let wrong: [(&str, Option<&[u8]>); 7] = [
        ("missing", None),
        ("empty", Some(b"")),
        ("no hexadecimal", Some(b"sha256=hunter2")),
        ("not ASCII", Some(b"sha256=\xff\xfe\xc3\xa4")),
        ("of another body", Some(of_another_body.as_bytes())),
        ("in capitals", Some(upper.as_bytes())),
        ("cut off", Some(&genuine.signature.as_bytes()[..70])),
    ];
    for (case, signature) in wrong {
        for path in [SHARED, &own_path] {
            let reply = numbers.post_as(path, &genuine.body, signature).await;
            assert_eq!(reply.status.as_u16(), 401, "{case}: {}", reply.text);
        }
        numbers.expect_nothing_kept(case).await;
    }
    let by_nobody = post_to(SHOP).sign("a-secret-of-nobody");
    numbers.post(SHARED, &by_nobody).await.problem(401);
    numbers.expect_nothing_kept("a secret of nobody").await;
    numbers.post(SHARED, &genuine).await.expect(200);
    assert_eq!(
        numbers.kept().await,
        [item(SHOP, "pending", Some(&numbers.shop))]
    );
}

#[tokio::test]
async fn the_secret_before_counts_until_it_is_taken_out() {
    let numbers = Numbers::connect().await;
    let own_path = format!("{SHARED}/{}", numbers.bank);
    let by_old = post_to(BANK).sign(BANK_SECRET);
    let change = |config: Value| {
        let body = json!({"config": config});
        let numbers = &numbers;
        async move { numbers.change_bank(body).await }
    };
    change(json!({"app_secret": "a-new-secret"})).await;
    for path in [SHARED, &own_path] {
        numbers.post(path, &by_old).await.problem(401);
    }
    change(json!({"previous_app_secret": BANK_SECRET})).await;
    for path in [SHARED, &own_path] {
        numbers.post(path, &by_old).await.expect(200);
        let by_new = post_to(BANK).sign("a-new-secret");
        numbers.post(path, &by_new).await.expect(200);
    }
    change(json!({"previous_app_secret": null})).await;
    numbers.post(&own_path, &by_old).await.problem(401);
}

#[tokio::test]
async fn meta_verifies_an_address_with_a_token_that_fits_it() {
    let numbers = Numbers::connect().await;
    let (shop, bank) = (&numbers.shop, &numbers.bank);
    let ask = |path: String, mode: &str, token: &str| {
        let query = format!("hub.mode={mode}&hub.verify_token={token}&hub.challenge=11584%3Cb%3E");
        let path = format!("{path}?{query}");
        let numbers = &numbers;
        async move { numbers.server.get("", &path).await }
    };
    for (path, token) in [
        (SHARED.to_owned(), VERIFY_TOKEN),
        (SHARED.to_owned(), BANK_TOKEN),
        (format!("{SHARED}/{bank}"), BANK_TOKEN),
    ] {
        let reply = ask(path, "subscribe", token).await;
        assert_eq!(reply.status.as_u16(), 200, "{}", reply.text);
        assert_eq!(reply.text, "11584<b>");
        assert!(reply.header("content-type").starts_with("text/plain"));
    }
    for (path, mode, token) in [
        (SHARED.to_owned(), "subscribe", "hunter2"),
        (SHARED.to_owned(), "subscribe", ""),
        (SHARED.to_owned(), "unsubscribe", VERIFY_TOKEN),
        (format!("{SHARED}/{bank}"), "subscribe", VERIFY_TOKEN),
        (format!("{SHARED}/{shop}"), "subscribe", BANK_TOKEN),
    ] {
        let case = format!("{path} {mode} {token}");
        let reply = ask(path, mode, token).await;
        assert_eq!(reply.problem(403), "verify_token_refused", "{case}");
        assert!(!reply.text.contains("11584"), "{case}");
    }
    let unknown = format!("{SHARED}/0198c000-0000-7000-8000-000000000000");
    ask(unknown, "subscribe", VERIFY_TOKEN).await.problem(404);
}

#[tokio::test]
async fn the_platforms_secret_covers_every_number() {
    let numbers = Numbers::connect().await;
    let post = post_to(SHOP)
        .entry("another-account", BANK)
        .text(&message("And credit?"))
        .sign(APP_SECRET);
    numbers.post(SHARED, &post).await.expect(200);
    let expected = [
        item(SHOP, "pending", Some(&numbers.shop)),
        item(BANK, "pending", Some(&numbers.bank)),
    ];
    assert_eq!(numbers.kept().await, expected);
    assert_eq!(numbers.jobs().await, 2);
}

#[tokio::test]
async fn a_tenant_cannot_sign_for_the_number_of_another() {
    let numbers = Numbers::connect().await;
    let alone = post_to(SHOP).sign(BANK_SECRET);
    numbers.post(SHARED, &alone).await.problem(401);
    numbers.expect_nothing_kept("of another alone").await;
    let mixed = post_to(SHOP)
        .entry("its-own-account", BANK)
        .text(&message("And credit?"))
        .sign(BANK_SECRET);
    numbers.post(SHARED, &mixed).await.expect(200);
    let expected = [
        item(SHOP, "unroutable", None),
        item(BANK, "pending", Some(&numbers.bank)),
    ];
    assert_eq!(numbers.kept().await, expected);
    assert_eq!(numbers.jobs().await, 1);
    assert_eq!(numbers.raw_items("unroutable").await.len(), 1);
}

#[tokio::test]
async fn a_post_that_names_too_many_numbers_has_no_secret_but_the_platforms() {
    let numbers = Numbers::connect().await;
    let mut post = post_to(BANK);
    for nth in 0..20 {
        let number = format!("{}", 300_000_000_000_000_u64 + nth);
        post = post.change(&number).text(&message("hi"));
    }
    let refused = numbers.post(SHARED, &post.sign(BANK_SECRET)).await;
    refused.problem(401);
    numbers.expect_nothing_kept("21 numbers").await;
}

#[tokio::test]
async fn the_address_of_a_channel_takes_its_secret_alone() {
    let numbers = Numbers::connect().await;
    let own = format!("{SHARED}/{}", numbers.bank);
    let by_platform = post_to(BANK).sign(APP_SECRET);
    numbers.post(&own, &by_platform).await.problem(401);
    // A channel without a secret of its own has no address of its own.
    let shops = format!("{SHARED}/{}", numbers.shop);
    numbers
        .post(&shops, &post_to(SHOP).sign(APP_SECRET))
        .await
        .problem(401);
    numbers.expect_nothing_kept("the platform's secret").await;
    let post = post_to(BANK).change(SHOP).text(&message("hi"));
    numbers
        .post(&own, &post.sign(BANK_SECRET))
        .await
        .expect(200);
    let expected = [
        item(BANK, "pending", Some(&numbers.bank)),
        item(SHOP, "unroutable", None),
    ];
    assert_eq!(numbers.kept().await, expected);
    for nobody in ["0198c000-0000-7000-8000-000000000000", "hunter2"] {
        let path = format!("{SHARED}/{nobody}");
        numbers.post(&path, &by_platform).await.problem(404);
    }
}

#[tokio::test]
async fn an_unknown_number_is_kept_for_operators_alone() {
    let numbers = Numbers::connect().await;
    let post = post_to(STRANGE).sign(APP_SECRET);
    numbers.post(SHARED, &post).await.expect(200);
    let kept = numbers.raw_items("unroutable").await;
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0]["payload"]["phone_number_id"], STRANGE);
    assert_eq!(kept[0]["error"], "no channel has this number");
    assert_eq!(kept[0]["channel_id"], Value::Null);
    assert_eq!(numbers.jobs().await, 0);
    let (_, key) = numbers.server.tenant("Curious").await;
    let path = "/api/raw-items?outcome=unroutable";
    numbers.server.get(&key, path).await.problem(403);
    numbers.server.get("", path).await.problem(401);
}

#[tokio::test]
async fn a_genuine_body_that_cannot_be_read_is_kept_and_not_asked_for_again() {
    let numbers = Numbers::connect().await;
    let bodies: [&[u8]; 4] = [b"", b"{\"entry\": [", b"\xff\xfe", b"[1, 2]"];
    for body in bodies {
        let post = SignedPost::new(APP_SECRET, body);
        numbers.post(SHARED, &post).await.expect(200);
    }
    let own = format!("{SHARED}/{}", numbers.bank);
    let post = SignedPost::new(BANK_SECRET, &b"no JSON"[..]);
    numbers.post(&own, &post).await.expect(200);
    let kept = numbers.raw_items("unreadable").await;
    assert_eq!(kept.len(), bodies.len() + 1, "{kept:?}");
    assert!(
        kept.iter().all(|item| item["error"].is_string()),
        "{kept:?}"
    );
    assert_eq!(kept[0]["channel_id"], numbers.bank.as_str());
    let bytes: Vec<Option<Vec<u8>>> = sqlx::query_scalar("SELECT body FROM raw_items ORDER BY id")
        .fetch_all(numbers.server.database.pool())
        .await
        .unwrap();
    assert_eq!(bytes[2].as_deref(), Some(&b"\xff\xfe"[..]));
}

#[tokio::test]
async fn one_bad_item_harms_no_other() {
    let numbers = Numbers::connect().await;
    let status = testkit::standin::MessageStatusItem {
        wamid: "wamid.sent-before".to_owned(),
        status: "delivered".to_owned(),
        recipient: "15550002222".to_owned(),
        tag: None,
        error: None,
        at: message("").at,
    };
    let post = post_to(SHOP)
        .raw_message(json!({"type": "text"}))
        .raw_message(json!("hunter2"))
        .raw_message(json!({"id": "wamid.\u{0}", "from": 5, "timestamp": "soon"}))
        .status(&status)
        .change(SHOP)
        .text(&message("Anybody there?"))
        .entry("another-account", BANK)
        .status(&status)
        .entry("a-third", STRANGE)
        .text(&message("hi"))
        .sign(APP_SECRET);
    numbers.post(SHARED, &post).await.expect(200);
    let mut outcomes: Vec<String> = numbers
        .kept()
        .await
        .into_iter()
        .map(|kept| kept.1)
        .collect();
    outcomes.sort();
    let (pending, unreadable) = ("pending", "unreadable");
    assert_eq!(
        outcomes,
        [
            pending,
            pending,
            pending,
            pending,
            unreadable,
            unreadable,
            unreadable,
            "unroutable"
        ]
    );
    assert_eq!(numbers.jobs().await, 4);
}

#[tokio::test]
async fn without_the_database_meta_is_asked_to_come_again() {
    let folder = tempfile::tempdir().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let options = DbOptions {
        acquire_timeout: Duration::from_millis(200),
        ..DbOptions::new(format!("postgres://postgres@127.0.0.1:{port}/gone"))
    };
    let db = Db::connect_lazy(&options).unwrap();
    let state = state(db, &folder, Clock::system(), Limits::default());
    let post = post_to(SHOP).sign(APP_SECRET);
    for path in [
        SHARED.to_owned(),
        format!("{SHARED}/0198c000-0000-7000-8000-000000000000"),
    ] {
        let request = request(&path, &post.body, Some(post.signature.as_bytes()));
        let response = api::server(Arc::clone(&state)).get_response(request).await;
        assert_eq!(response.status().as_u16(), 503, "{path}");
        let seconds = response.header("retry-after").unwrap();
        assert!(seconds.parse::<u64>().unwrap() > 0, "{path}");
    }
}
