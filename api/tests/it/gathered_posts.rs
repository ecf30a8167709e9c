//! Posts that come at the same moment: they share a transaction, and nothing else.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use api::Limits;
use db::{Db, DbOptions};
use domain::Clock;
use futures::future::join_all;
use futures::poll;
use poem::Endpoint as _;
use sqlx::{AssertSqlSafe, PgPool, Postgres, Transaction};
use testkit::TestDb;
use testkit::standin::{MessageStatusItem, Sender, SignedPost, TextMessage, WhatsappPost};

use crate::app::state;
use crate::server::{APP_SECRET, Reply};
use crate::whatsapp::{BANK, Numbers, SHARED, SHOP, STRANGE, request};

/// How long something that has to come is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is kept of each post: the number in its marker, its items, and their jobs.
const KEPT: &str = "SELECT substring(r.payload::text FROM 'marker-(\\d+)')::bigint AS post,
        count(*), count(j.id)
    FROM raw_items AS r LEFT JOIN jobs AS j ON j.payload ->> 'raw_item_id' = r.id::text
    GROUP BY post ORDER BY post";

fn phone(customer: usize) -> String {
    format!("1555000{customer:04}")
}

fn message(customer: usize, text: &str) -> TextMessage {
    TextMessage::new(Sender::phone(&phone(customer), "Ana"), text)
}

/// A post of one message with a marker.
fn marked(number: &str, customer: usize, post: usize) -> SignedPost {
    let message = message(customer, &format!("marker-{post}"));
    WhatsappPost::to_number(number)
        .text(&message)
        .sign(APP_SECRET)
}

/// A post of two messages, of two customers, with the same marker.
fn marked_twice(post: usize) -> SignedPost {
    let text = format!("marker-{post}");
    WhatsappPost::to_number(SHOP)
        .text(&message(2 * post, &text))
        .text(&message(2 * post + 1, &text))
        .sign(APP_SECRET)
}

fn reported(post: usize) -> SignedPost {
    let status = MessageStatusItem {
        wamid: format!("wamid.marker-{post}"),
        status: "delivered".to_owned(),
        recipient: phone(0),
        tag: None,
        error: None,
        at: Clock::system().now(),
    };
    WhatsappPost::to_number(BANK)
        .status(&status)
        .sign(APP_SECRET)
}

/// Numbers whose channels are remembered, so that a post waits for others as soon as it has come.
async fn numbers() -> Numbers {
    let numbers = Numbers::connect().await;
    for number in [SHOP, BANK] {
        let post = marked(number, 9999, 9999);
        numbers.post(SHARED, &post).await.expect(200);
    }
    for table in ["raw_items", "jobs", "job_keys"] {
        sql(pool(&numbers), format!("DELETE FROM {table}")).await;
    }
    numbers
}

fn pool(numbers: &Numbers) -> &PgPool {
    numbers.server.database.pool()
}

async fn sql(pool: &PgPool, statement: impl Into<String>) {
    sqlx::raw_sql(AssertSqlSafe(statement.into()))
        .execute(pool)
        .await
        .unwrap();
}

async fn number(pool: &PgPool, query: &'static str) -> i64 {
    sqlx::query_scalar(query).fetch_one(pool).await.unwrap()
}

async fn post_at_once(numbers: &Numbers, posts: &[SignedPost]) -> Vec<Reply> {
    join_all(posts.iter().map(|post| numbers.post(SHARED, post))).await
}

async fn kept(pool: &PgPool) -> Vec<(i64, i64, i64)> {
    sqlx::query_as(KEPT).fetch_all(pool).await.unwrap()
}

/// Holds the ordering key of a customer of the shop's, as one does who is about to finish a job of it.
async fn hold_key(numbers: &Numbers, customer: usize) -> Transaction<'static, Postgres> {
    let mut holder = pool(numbers).begin().await.unwrap();
    sqlx::query("INSERT INTO job_keys (kind, key, last_seq) VALUES ('inbound-message', $1, 1)")
        .bind(format!("{}:{}", numbers.shop, phone(customer)))
        .execute(&mut *holder)
        .await
        .unwrap();
    holder
}

/// Looks until some session waits for a lock, and does something to it in the same statement.
async fn once_at_a_lock(pool: &PgPool, done_to_each: &str) {
    let query = format!(
        "SELECT count({done_to_each}) FROM pg_stat_activity
         WHERE wait_event_type = 'Lock' AND datname = current_database()"
    );
    let looking = async {
        loop {
            let query = AssertSqlSafe(query.clone());
            let waiting: i64 = sqlx::query_scalar(query).fetch_one(pool).await.unwrap();
            if waiting > 0 {
                return;
            }
            // Another session's wait: there is nothing to be notified by.
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.unwrap();
}

#[tokio::test]
async fn posts_that_come_at_once_share_a_transaction_and_each_keeps_its_own_trace() {
    const POSTS: usize = 40;
    let numbers = numbers().await;
    let trace = |nth: usize| format!("{:032x}", nth + 1);
    let requests = (0..POSTS).map(|nth| {
        let post = match nth % 4 {
            0 => reported(nth),
            1 => marked(BANK, nth, nth),
            _ => marked(SHOP, nth, nth),
        };
        let signature = post.signature.as_bytes();
        let mut request = request(SHARED, &post.body, Some(signature));
        let traceparent = format!("00-{}-00f067aa0ba902b7-01", trace(nth));
        let headers = request.headers_mut();
        headers.insert("traceparent", traceparent.parse().unwrap());
        numbers.server.send(request)
    });
    for reply in join_all(requests).await {
        reply.expect(200);
    }
    let jobs: Vec<(i64, String, String, bool)> = sqlx::query_as(
        "SELECT substring(r.payload::text FROM 'marker-(\\d+)')::bigint AS post, j.kind,
                substring(j.traceparent FROM 4 FOR 32), j.tenant_id = r.tenant_id
         FROM raw_items AS r JOIN jobs AS j ON j.payload ->> 'raw_item_id' = r.id::text
         WHERE r.outcome = 'pending' ORDER BY post",
    )
    .fetch_all(pool(&numbers))
    .await
    .unwrap();
    let expected = (0..POSTS).map(|nth| {
        let kind = match nth % 4 {
            0 => "channel-status",
            _ => "inbound-message",
        };
        let post = i64::try_from(nth).unwrap();
        (post, kind.to_owned(), trace(nth), true)
    });
    assert_eq!(jobs, expected.collect::<Vec<_>>());
    let query = "SELECT count(DISTINCT xmin::text) FROM jobs";
    let transactions = number(pool(&numbers), query).await;
    assert!(transactions <= 3, "{transactions} for {POSTS} posts");
}

#[tokio::test]
async fn a_post_that_the_database_refuses_fails_whole_and_alone() {
    let numbers = numbers().await;
    let constraint = "CHECK (payload::text NOT LIKE '%poison%')";
    sql(
        pool(&numbers),
        format!("ALTER TABLE raw_items ADD {constraint}"),
    )
    .await;
    let poisoned = WhatsappPost::to_number(SHOP)
        .text(&message(4, "marker-4"))
        .text(&message(5, "marker-4 poison"))
        .sign(APP_SECRET);
    let mut posts: Vec<SignedPost> = (0..10).map(marked_twice).collect();
    posts[4] = poisoned;
    for (nth, reply) in post_at_once(&numbers, &posts).await.iter().enumerate() {
        let expected = if nth == 4 { 500 } else { 200 };
        assert_eq!(reply.status.as_u16(), expected, "{nth}: {}", reply.text);
    }
    let expected = (0..10).filter(|post| *post != 4).map(|post| (post, 2, 2));
    assert_eq!(kept(pool(&numbers)).await, expected.collect::<Vec<_>>());
}

#[tokio::test]
async fn what_one_customer_writes_keeps_its_order_though_many_write() {
    let numbers = numbers().await;
    let posts: Vec<SignedPost> = (0..30).map(|nth| marked(SHOP, nth % 3, nth)).collect();
    for reply in post_at_once(&numbers, &posts).await {
        reply.expect(200);
    }
    let queued: Vec<(i64, i64, i16)> = sqlx::query_as(
        "SELECT substring(r.payload::text FROM 'marker-(\\d+)')::bigint AS post, j.ordering_seq,
                j.state
         FROM raw_items AS r JOIN jobs AS j ON j.payload ->> 'raw_item_id' = r.id::text
         ORDER BY post",
    )
    .fetch_all(pool(&numbers))
    .await
    .unwrap();
    let expected = (0..30).map(|post| (post, post / 3 + 1, if post < 3 { 0 } else { 2 }));
    assert_eq!(queued, expected.collect::<Vec<_>>());
}

#[tokio::test]
async fn callers_that_go_away_take_nobody_along_and_leave_no_half() {
    let numbers = numbers().await;
    let posts: Vec<SignedPost> = (0..12).map(marked_twice).collect();
    let mut waiting: Vec<_> = posts
        .iter()
        .map(|post| Box::pin(numbers.post(SHARED, post)))
        .collect();
    for one in &mut waiting {
        assert!(poll!(one.as_mut()).is_pending());
    }
    let mut nth = 0;
    waiting.retain(|_| {
        nth += 1;
        nth % 3 != 1
    });
    for reply in join_all(waiting).await {
        reply.expect(200);
    }
    let all = kept(pool(&numbers)).await;
    assert!(all.iter().all(|(_, items, jobs)| (*items, *jobs) == (2, 2)));
    let staying = |post: &i64| post % 3 != 0;
    let stayed = all.iter().map(|(post, ..)| *post).filter(staying);
    let expected: Vec<i64> = (0..12).filter(staying).collect();
    assert_eq!(stayed.collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn a_caller_that_goes_away_in_the_midst_leaves_no_half_and_holds_up_nobody() {
    let numbers = numbers().await;
    let posts: Vec<SignedPost> = (0..4).map(marked_twice).collect();
    // The second item of the first post.
    let holder = hold_key(&numbers, 1).await;
    {
        let mut leaving = Box::pin(numbers.post(SHARED, &posts[0]));
        assert!(poll!(leaving.as_mut()).is_pending());
        once_at_a_lock(pool(&numbers), "pid").await;
    }
    holder.rollback().await.unwrap();
    for reply in post_at_once(&numbers, &posts[1..]).await {
        reply.expect(200);
    }
    let mut all = kept(pool(&numbers)).await;
    // Whether the first one is kept nobody was told.
    all.retain(|row| *row != (0, 2, 2));
    assert_eq!(all, [(1, 2, 2), (2, 2, 2), (3, 2, 2)]);
}

#[tokio::test]
async fn whoever_waits_for_a_lock_holds_up_no_other() {
    let numbers = numbers().await;
    let holder = hold_key(&numbers, 0).await;
    let stuck = marked(SHOP, 0, 0);
    let mut stuck = pin!(numbers.post(SHARED, &stuck));
    assert!(poll!(stuck.as_mut()).is_pending());
    let others: Vec<SignedPost> = (1..10).map(|nth| marked(SHOP, nth, nth)).collect();
    // They come along with it, and one more while it waits.
    let answered = tokio::time::timeout(PATIENCE, post_at_once(&numbers, &others)).await;
    for reply in answered.unwrap() {
        reply.expect(200);
    }
    assert!(poll!(stuck.as_mut()).is_pending());
    let late = marked(SHOP, 10, 10);
    let late = tokio::time::timeout(PATIENCE, numbers.post(SHARED, &late)).await;
    late.unwrap().expect(200);
    let expected: Vec<_> = (1..=10).map(|post| (post, 1, 1)).collect();
    assert_eq!(kept(pool(&numbers)).await, expected);
    assert!(poll!(stuck.as_mut()).is_pending());
    holder.rollback().await.unwrap();
    stuck.await.expect(200);
    assert_eq!(kept(pool(&numbers)).await.len(), 11);
}

#[tokio::test]
async fn posts_whose_session_is_ended_are_kept_once_or_not_at_all() {
    let numbers = numbers().await;
    let holder = hold_key(&numbers, 0).await;
    let posts: Vec<SignedPost> = (0..8).map(|nth| marked(SHOP, nth, nth)).collect();
    let ending = async {
        once_at_a_lock(pool(&numbers), "pg_terminate_backend(pid)").await;
        holder.rollback().await.unwrap();
    };
    let (replies, ()) = tokio::join!(post_at_once(&numbers, &posts), ending);
    let mut expected = Vec::new();
    for (nth, reply) in (0..).zip(&replies) {
        match reply.status.as_u16() {
            200 => expected.push((nth, 1, 1)),
            // The one that needs the key, if it was alone at the lock by then.
            status => assert_eq!((nth, status), (0, 503), "{}", reply.text),
        }
    }
    assert_eq!(kept(pool(&numbers)).await, expected);
}

#[tokio::test]
async fn all_who_wait_are_asked_to_come_again_where_no_connection_comes_free() {
    let database = TestDb::new().await;
    let folder = tempfile::tempdir().unwrap();
    let options = DbOptions {
        max_connections: 2,
        acquire_timeout: Duration::from_millis(300),
        ..DbOptions::new(database.url())
    };
    let db = Db::connect_lazy(&options).unwrap();
    let state = state(db.clone(), &folder, Clock::system(), Limits::default());
    let post = |nth: usize| {
        let post = marked(STRANGE, nth, nth);
        let request = request(SHARED, &post.body, Some(post.signature.as_bytes()));
        let server = api::server(Arc::clone(&state));
        async move { server.get_response(request).await.status().as_u16() }
    };
    assert_eq!(post(0).await, 200);
    let taken = (db.system().await.unwrap(), db.system().await.unwrap());
    let refused = join_all((1..9).map(post)).await;
    assert_eq!(refused, [503; 8]);
    drop(taken);
    assert_eq!(join_all((9..12).map(post)).await, [200; 3]);
    let items = number(database.pool(), "SELECT count(*) FROM raw_items").await;
    assert_eq!(items, 4);
}
