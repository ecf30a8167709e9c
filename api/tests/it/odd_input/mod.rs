//! Input that no program should send: texts with NUL, the ends of numbers and of time, bodies of other
//! types, things of others. It may be refused, and no operation fails by it.

mod calls;
mod values;

use std::collections::BTreeMap;
use std::time::Duration;

use poem::http::Method;
use poem::{Endpoint as _, Request};
use serde_json::{Value, json};

use crate::server::{ADMIN_KEY, TestServer};
use crate::things::{things, valid_body};
use calls::{Call, Operation};

const PATIENCE: Duration = Duration::from_secs(10);

/// What the calls of a tenant are made with.
struct Tenant {
    things: Vec<(&'static str, String)>,
    /// The key of a visitor of its web chat.
    visitor: String,
}

impl Tenant {
    async fn new(server: &TestServer) -> Self {
        let (path, _) = server.tenant("Odd").await;
        let things = things(server, &path).await;
        let channel = things.iter().find(|(name, _)| *name == "{channel_id}");
        let path = format!("/api/webchat/{}/sessions", channel.unwrap().1);
        let session = server.post("", &path, json!({})).await.expect(201);
        Self {
            things,
            visitor: session["token"].as_str().unwrap().to_owned(),
        }
    }

    fn fill(&self, path: &str) -> String {
        let things = self.things.iter();
        let path = things.fold(path.to_owned(), |path, (name, id)| path.replace(name, id));
        assert!(!path.contains('{'), "nothing of the tenant's is in {path}");
        path
    }

    fn ids(&self) -> Vec<String> {
        let ids = self.things.iter().map(|(_, id)| id.clone());
        ids.filter(|id| id.len() == 36).collect()
    }
}

/// The status that a call is answered with; 0: not in time.
async fn status(server: &TestServer, key: &str, method: &Method, call: Call) -> u16 {
    let mut request = Request::builder()
        .method(method.clone())
        .uri_str(&call.path)
        .header("authorization", format!("Bearer {key}"));
    if let Some(kind) = call.content_type {
        request = request.header("content-type", kind);
    }
    if let Some(key) = call.idempotency_key {
        request = request.header("idempotency-key", key);
    }
    let answer = server.endpoint.get_response(request.body(call.body));
    // Of an answer without an end the head is enough.
    let answer = tokio::time::timeout(PATIENCE, answer).await;
    answer.map_or(0, |answer| answer.status().as_u16())
}

/// What came of all calls: how many had each status, and those that failed.
#[derive(Default)]
struct Outcome {
    statuses: BTreeMap<u16, usize>,
    failed: Vec<String>,
}

impl Outcome {
    fn note(&mut self, id: &str, call: &Call, status: u16) {
        *self.statuses.entry(status).or_default() += 1;
        if status == 0 || status >= 500 {
            let body = String::from_utf8_lossy(&call.body);
            let path = &call.path;
            self.failed
                .push(format!("{status} {id} {path:.200} {body:.300}"));
        }
    }

    fn count(&self, of: std::ops::Range<u16>) -> usize {
        self.statuses.range(of).map(|(_, count)| count).sum()
    }
}

/// Calls one operation in every odd way, and at last in a plain one; `reader` is whose things are read,
/// since a write may leave its tenant with others than there were.
async fn call(
    server: &TestServer,
    reader: &Tenant,
    spec: &Value,
    (pattern, method, described): (&str, &str, &Value),
    foreign: &[String],
    outcome: &mut Outcome,
) {
    let writer = match method {
        "get" => None,
        _ => Some(Tenant::new(server).await),
    };
    let tenant = writer.as_ref().unwrap_or(reader);
    let body = match method {
        "put" | "post" => valid_body(
            described["operationId"].as_str().unwrap(),
            &tenant.things[0].1,
        ),
        _ => Value::Null,
    };
    let operation = Operation {
        spec,
        described,
        pattern,
        path: tenant.fill(pattern),
        body,
    };
    let security = &described["security"][0];
    let key = if security["webchat_token"].is_array() {
        tenant.visitor.as_str()
    } else {
        ADMIN_KEY
    };
    let method: Method = method.to_uppercase().parse().unwrap();
    let mut calls = operation.odd(|path| tenant.fill(path), foreign);
    calls.push(operation.plain());
    for call in calls {
        let status = status(server, key, &method, call.clone()).await;
        outcome.note(operation.id(), &call, status);
    }
}

#[tokio::test]
async fn no_operation_fails_by_odd_input() {
    let server = TestServer::without_limits().await;
    let foreign = Tenant::new(&server).await.ids();
    let reader = Tenant::new(&server).await;
    let spec: Value = serde_json::from_str(&api::openapi_json()).unwrap();
    let mut outcome = Outcome::default();
    for (pattern, methods) in spec["paths"].as_object().unwrap() {
        for (method, described) in methods.as_object().unwrap() {
            let operation = (pattern.as_str(), method.as_str(), described);
            call(&server, &reader, &spec, operation, &foreign, &mut outcome).await;
        }
    }
    let statuses = &outcome.statuses;
    assert!(
        outcome.failed.is_empty(),
        "{statuses:?}\n{}",
        outcome.failed.join("\n")
    );
    // Most is refused, but much is in its form.
    let (done, refused) = (outcome.count(200..300), outcome.count(400..500));
    assert!(done > 500 && refused > 2_000, "{statuses:?}");
}
