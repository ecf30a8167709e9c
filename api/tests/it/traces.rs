use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use poem::http::Method;
use serde_json::{Value, json};
use telemetry::Format;
use telemetry::trace::TraceContext;

use crate::server::{ADMIN_KEY, Reply, TestServer};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    /// Begins to collect what this thread, which is the whole of a test's runtime, logs.
    fn collect(&self) -> tracing::dispatcher::DefaultGuard {
        let writer = self.clone();
        let log = telemetry::dispatch("info,sqlx=warn", Format::Json, move || writer.clone());
        tracing::dispatcher::set_default(&log.unwrap())
    }

    fn read(&self) -> Vec<Value> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

fn answered(reply: &Reply) -> TraceContext {
    reply.header("traceresponse").parse().unwrap()
}

async fn with(server: &TestServer, headers: &[(&str, &str)]) -> Reply {
    server
        .call_with(ADMIN_KEY, Method::GET, "/api/tenants", Value::Null, headers)
        .await
}

#[tokio::test]
async fn a_request_goes_on_with_its_callers_trace() {
    let server = TestServer::start().await;
    let reply = with(&server, &[("traceparent", CALLER)]).await;
    let context = answered(&reply);
    assert_eq!(context.trace_id.to_string(), TRACE);
    assert_ne!(
        context.span_id.to_string(),
        "00f067aa0ba902b7",
        "ours, not the caller's"
    );
    assert!(context.sampled);
}

#[tokio::test]
async fn a_request_without_one_valid_trace_begins_its_own() {
    let server = TestServer::start().await;
    for headers in [
        &[][..],
        &[("traceparent", "nonsense")],
        &[("traceparent", CALLER), ("traceparent", CALLER)],
    ] {
        let context = answered(&with(&server, headers).await);
        assert_ne!(context.trace_id.to_string(), TRACE, "{headers:?}");
    }
    let refused = server.get("", "/api/tenants").await;
    refused.problem(401);
    answered(&refused);
}

#[tokio::test]
async fn every_line_of_a_request_carries_its_trace() {
    let server = TestServer::start().await;
    let lines = Lines::default();
    let collecting = lines.collect();
    // Its database is away: the problem is logged where it is made, the request where it ends.
    server.state.db.close().await;
    let headers = [("traceparent", CALLER), ("x-request-id", "r-1")];
    with(&server, &headers).await.problem(503);
    drop(collecting);
    let lines = lines.read();
    let messages: Vec<_> = lines
        .iter()
        .map(|line| line["message"].as_str().unwrap())
        .collect();
    assert!(
        messages.contains(&"the request could not be served"),
        "{messages:?}"
    );
    assert!(
        messages.contains(&"request served with an error of ours"),
        "{messages:?}"
    );
    for line in lines {
        assert_eq!(line["trace.id"], TRACE, "{line}");
        assert_eq!(line["request.id"], "r-1", "{line}");
    }
}

#[tokio::test]
async fn a_write_that_runs_on_a_task_of_its_own_keeps_its_trace() {
    let server = TestServer::start().await;
    let lines = Lines::default();
    let collecting = lines.collect();
    let headers = [("traceparent", CALLER), ("idempotency-key", "k-1")];
    let body = json!({"name": "Shop"});
    server
        .call_with(ADMIN_KEY, Method::POST, "/api/tenants", body, &headers)
        .await
        .expect(201);
    drop(collecting);
    let served = lines.read();
    assert!(!served.is_empty());
    assert!(
        served.iter().all(|line| line["trace.id"] == TRACE),
        "{served:?}"
    );
}
