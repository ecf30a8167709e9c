use poem::http::Method;
use serde_json::{Value, json};

use crate::server::{ADMIN_KEY, TestServer};
use crate::things::{add_run, things, valid_body};

/// Operations that a tenant may call without meeting anything of another's. May only shrink.
/// What types of channels there are is the same for everybody.
/// A web chat's session is opened by anybody: that is what it is for.
/// Lists over all tenants show a tenant its own; tests of their own say so.
const OPEN: [&str; 6] = [
    "get_health",
    "list_channel_types",
    "list_jobs",
    "list_queues",
    "watch_queues",
    "create_webchat_session",
];

fn fill(path: &str, things: &[(&str, String)]) -> String {
    let path = things
        .iter()
        .fold(path.to_owned(), |path, (name, id)| path.replace(name, id));
    assert!(
        !path.contains('{'),
        "give {path} something to look for in this test"
    );
    if path.ends_with("raw-items") {
        format!("{path}?outcome=failed")
    } else {
        path
    }
}

#[tokio::test]
async fn no_operation_meets_another_tenants_things() {
    let server = TestServer::start().await;
    let (victim, _) = server.tenant("Victim").await;
    let (_, key) = server.tenant("Intruder").await;
    let things = things(&server, &victim).await;
    let before = server.get(ADMIN_KEY, &victim).await.expect(200);
    let spec: Value = serde_json::from_str(&api::openapi_json()).unwrap();
    let mut called = 0;
    for (path, methods) in spec["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            if OPEN.contains(&id) {
                continue;
            }
            let method: Method = method.to_uppercase().parse().unwrap();
            let path = fill(path, &things);
            let body = match method {
                Method::POST | Method::PUT => valid_body(id, &things[0].1),
                _ => Value::Null,
            };
            let foreign = if takes_form(operation) {
                server.upload(&key, &path, "a.txt", b"Words.").await
            } else {
                server.call(&key, method.clone(), &path, body.clone()).await
            };
            // A visitor's operations take a session's token; a key is none.
            if operation["security"][0]["webchat_token"].is_array() {
                assert_eq!(foreign.problem(401), "unauthorized", "{id}");
                continue;
            }
            let status = foreign.status.as_u16();
            assert!(
                matches!(status, 403 | 404),
                "{id} answers {status}: {}",
                foreign.text
            );
            assert!(
                status == 404 || foreign.problem(403) == "operator_key_required",
                "{id}"
            );
            let nobody = server.call("", method, &path, body).await;
            assert_eq!(nobody.problem(401), "unauthorized", "{id}");
            called += 1;
        }
    }
    assert!(called > 61, "only {called} operations were called");
    let jobs = server.get(ADMIN_KEY, "/api/jobs?state=ready").await;
    assert_eq!(jobs.expect(200)["data"][0]["id"].to_string(), things[6].1);
    assert_eq!(server.get(ADMIN_KEY, &victim).await.expect(200), before);
}

/// Whether an operation takes a file.
fn takes_form(operation: &Value) -> bool {
    operation["requestBody"]["content"]["multipart/form-data"].is_object()
}

/// Ids of things inside of a tenant, by the name of the path parameter.
const INSIDE: [&str; 12] = [
    "{channel_id}",
    "{webhook_id}",
    "{api_key_id}",
    "{document_id}",
    "{conversation_id}",
    "{question_id}",
    "{run_id}",
    "{contact_id}",
    "{message_id}",
    "{erasure_id}",
    "{file_id}",
    "{attachment_id}",
];

#[tokio::test]
async fn a_tenants_own_path_leads_to_nothing_of_another_tenant() {
    let server = TestServer::start().await;
    let (victim, _) = server.tenant("Victim").await;
    let (own, key) = server.tenant("Intruder").await;
    let mut things = things(&server, &victim).await;
    things[0].1 = own.rsplit('/').next().unwrap().to_owned();
    let spec: Value = serde_json::from_str(&api::openapi_json()).unwrap();
    let mut called = 0;
    for (path, methods) in spec["paths"].as_object().unwrap() {
        let is_inside = INSIDE.iter().any(|name| path.contains(name));
        if !path.contains("{tenant_id}") || !is_inside {
            continue;
        }
        for (method, operation) in methods.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            let method: Method = method.to_uppercase().parse().unwrap();
            let body = match method {
                Method::POST | Method::PUT => valid_body(id, &things[0].1),
                _ => Value::Null,
            };
            let path = fill(path, &things);
            let found = if takes_form(operation) {
                server.upload(&key, &path, "a.txt", b"Words.").await
            } else {
                server.call(&key, method, &path, body).await
            };
            assert_eq!(found.problem(404), "not_found", "{id}");
            called += 1;
        }
    }
    assert!(called > 40, "only {called} operations were called");
}

#[tokio::test]
async fn a_tenant_sees_its_own_jobs_alone() {
    let server = TestServer::start().await;
    let (victim, victims_key) = server.tenant("Victim").await;
    let (_, key) = server.tenant("Intruder").await;
    things(&server, &victim).await;
    let own = server.get(&victims_key, "/api/jobs").await.expect(200);
    assert_eq!(own["data"].as_array().unwrap().len(), 1);
    let foreign = server.get(&key, "/api/jobs").await.expect(200);
    assert_eq!(foreign["data"], json!([]));
    let asked = format!("/api/jobs?tenant_id={}", victim.rsplit('/').next().unwrap());
    assert_eq!(server.get(&key, &asked).await.problem(404), "not_found");
    assert_eq!(server.get(ADMIN_KEY, &asked).await.expect(200), own);
}

#[tokio::test]
async fn a_tenant_sees_its_own_queues_and_changes_its_own_jobs_alone() {
    let server = TestServer::start().await;
    let (victim, victims_key) = server.tenant("Victim").await;
    let (_, key) = server.tenant("Intruder").await;
    things(&server, &victim).await;
    let own = server.get(&victims_key, "/api/queues").await.expect(200);
    assert_eq!(own["queues"][0]["kind"], "ingest-document");
    assert_eq!(own["queues"][0]["ready"], 1);
    assert_eq!(
        (&own["lanes"], &own["queues"][0]["workers"]),
        (&json!([]), &Value::Null)
    );
    let foreign = server.get(&key, "/api/queues").await.expect(200);
    assert_eq!(foreign["queues"], json!([]));
    let all = json!({"action": "cancel", "filter": {"kind": "ingest-document"}});
    let cancelled = server
        .post(&key, "/api/jobs/bulk", all.clone())
        .await
        .expect(200);
    assert_eq!(cancelled["count"], 0);
    let cancelled = server
        .post(&victims_key, "/api/jobs/bulk", all)
        .await
        .expect(200);
    assert_eq!(cancelled["count"], 1);
}

#[tokio::test]
async fn nothing_of_another_tenant_is_reached_by_ids_inside_a_request() {
    let server = TestServer::start().await;
    let (victim, _) = server.tenant("Victim").await;
    let (own, key) = server.tenant("Intruder").await;
    let text = "the secret price is 4711 euros";
    let theirs = crate::search::add_ready(&server, &victim, "Prices", text).await;
    let asked = json!({"query": "secret price", "document_ids": [theirs]});
    let found = server.post(&key, &format!("{own}/search"), asked).await;
    assert_eq!(found.expect(200)["results"], json!([]));
    let question = json!({"question": "?", "expected_sources": [{"document_id": theirs}]});
    let refused = server
        .post(&key, &format!("{own}/evals/questions"), question)
        .await;
    assert_eq!(refused.problem(422), "invalid_request");
    let run = add_run(&server, &victim).await;
    let question = json!({"question": "?", "expected_phrases": ["x"]});
    server
        .post(&key, &format!("{own}/evals/questions"), question)
        .await
        .expect(201);
    let compared = json!({"compare_with": run});
    let refused = server
        .post(&key, &format!("{own}/evals/runs"), compared)
        .await;
    assert_eq!(refused.problem(404), "not_found");
    let started = server
        .post(&key, &format!("{own}/evals/runs"), json!({}))
        .await
        .expect(202);
    let id = started["id"].as_str().unwrap();
    let shown = format!("{own}/evals/runs/{id}?compare_with={run}");
    assert_eq!(server.get(&key, &shown).await.problem(404), "not_found");
}
