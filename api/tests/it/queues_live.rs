//! The queues as they change, for operators and for tenants.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use poem::{Endpoint as _, Request, Response};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::{TcpListener, TcpStream};

use crate::queues::queue;
use crate::server::{ADMIN_KEY, TestServer};

async fn open(server: &TestServer, key: &str) -> Response {
    let request = Request::builder()
        .uri_str("/api/queues/live")
        .header("authorization", format!("Bearer {key}"))
        .finish();
    server.endpoint.get_response(request).await
}

type Events = Lines<BufReader<std::pin::Pin<Box<dyn tokio::io::AsyncRead + Send>>>>;

fn events(response: Response) -> Events {
    let reader: std::pin::Pin<Box<dyn tokio::io::AsyncRead + Send>> =
        Box::pin(response.into_body().into_async_read());
    BufReader::new(reader).lines()
}

async fn next(events: &mut Events) -> Value {
    let line = async {
        loop {
            let line = events.next_line().await.unwrap().unwrap();
            if let Some(data) = line.strip_prefix("data: ") {
                return serde_json::from_str(data).unwrap();
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), line)
        .await
        .unwrap()
}

#[tokio::test]
async fn who_watches_sees_the_overview_at_once_and_whenever_it_changes() {
    let server = TestServer::start().await;
    let response = open(&server, ADMIN_KEY).await;
    assert_eq!(response.status().as_u16(), 200);
    assert_eq!(response.content_type(), Some("text/event-stream"));
    let mut events = events(response);
    assert_eq!(
        queue(&next(&mut events).await, "send-reply")["paused"],
        false
    );
    server
        .post(ADMIN_KEY, "/api/queues/send-reply/pause", json!({}))
        .await
        .expect(200);
    assert_eq!(
        queue(&next(&mut events).await, "send-reply")["paused"],
        true
    );
    // Nothing changes any more: nothing is said.
    let quiet = tokio::time::timeout(Duration::from_millis(2500), next(&mut events)).await;
    assert!(quiet.is_err(), "{quiet:?}");
}

#[tokio::test]
async fn only_so_many_may_watch_at_a_time() {
    let server = TestServer::start().await;
    let mut watchers: Vec<Response> = futures::stream::iter(0..32)
        .then(|_| open(&server, ADMIN_KEY))
        .collect()
        .await;
    assert!(watchers.iter().all(|watcher| watcher.status().is_success()));
    let refused = open(&server, ADMIN_KEY).await;
    assert_eq!(refused.status().as_u16(), 429);
    drop(watchers.pop());
    assert!(open(&server, ADMIN_KEY).await.status().is_success());
}

/// A job of a tenant's that no engine will claim.
async fn add_job(server: &TestServer, tenant: &str, kind: &str, state: i16) {
    sqlx::query(
        "INSERT INTO jobs (kind, lane, state, max_attempts, payload, tenant_id)
         VALUES ($1, 1, $2, 3, '{}', $3::uuid)",
    )
    .bind(kind)
    .bind(state)
    .bind(tenant.rsplit('/').next().unwrap())
    .execute(server.database.pool())
    .await
    .unwrap();
}

fn kinds(overview: &Value) -> Vec<&str> {
    let queues = overview["queues"].as_array().unwrap().iter();
    queues
        .map(|queue| queue["kind"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_tenant_watches_its_own_jobs_and_nothing_of_another() {
    let server = TestServer::start().await;
    let (one, one_key) = server.tenant("One").await;
    let (other, other_key) = server.tenant("Other").await;
    add_job(&server, &one, "ingest-document", 0).await;
    for kind in ["send-reply", "ingest-document", "run-eval"] {
        add_job(&server, &other, kind, 1).await;
    }
    let (mut ones, mut others) = (
        events(open(&server, &one_key).await),
        events(open(&server, &other_key).await),
    );
    let seen = next(&mut ones).await;
    assert_eq!(kinds(&seen), ["ingest-document"]);
    let own = queue(&seen, "ingest-document");
    assert_eq!((&own["ready"], &own["scheduled"]), (&json!(1), &json!(0)));
    assert_eq!(seen["lanes"], json!([]));
    assert_eq!(
        kinds(&next(&mut others).await),
        ["ingest-document", "run-eval", "send-reply"]
    );
    // What happens to another is no news; what happens to oneself is.
    add_job(&server, &other, "deliver-webhook", 0).await;
    assert_eq!(
        next(&mut others).await["queues"].as_array().unwrap().len(),
        4
    );
    add_job(&server, &one, "embed-chunk", 0).await;
    let seen = next(&mut ones).await;
    assert_eq!(kinds(&seen), ["embed-chunk", "ingest-document"]);
    assert_eq!(queue(&seen, "ingest-document")["ready"], 1);
}

#[tokio::test]
async fn one_tenant_takes_no_more_than_its_places_and_none_of_others() {
    let server = TestServer::start().await;
    let (_, key) = server.tenant("Shop").await;
    let (_, other) = server.tenant("Other").await;
    let mut watchers = Vec::new();
    for _ in 0..4 {
        let watcher = open(&server, &key).await;
        assert!(watcher.status().is_success());
        watchers.push(watcher);
    }
    assert_eq!(open(&server, &key).await.status().as_u16(), 429);
    assert!(open(&server, &other).await.status().is_success());
    assert!(open(&server, ADMIN_KEY).await.status().is_success());
    drop(watchers.pop());
    assert!(open(&server, &key).await.status().is_success());
}

#[tokio::test]
async fn a_stream_does_not_keep_the_process_from_ending() {
    let server = TestServer::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let shutdown = async move {
        ended.await.ok();
    };
    let serving = tokio::spawn(api::serve(listener, Arc::clone(&server.state), shutdown));
    let mut socket = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "GET /api/queues/live HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN_KEY}\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut lines = BufReader::new(socket).lines();
    while !lines
        .next_line()
        .await
        .unwrap()
        .unwrap()
        .starts_with("data: ")
    {}
    end.send(()).unwrap();
    // Well under the time that open requests are given.
    tokio::time::timeout(Duration::from_secs(10), serving)
        .await
        .expect("an end within 10 seconds")
        .unwrap()
        .unwrap();
}
