use poem::http::Method;
use serde_json::{Value, json};

use crate::server::{ADMIN_KEY, TestServer};

/// Operations that a tenant may call without meeting anything of another's. May only shrink.
/// What types of channels there are is the same for everybody.
/// A web chat's session is opened by anybody: that is what it is for.
/// Lists over all tenants show a tenant its own; tests of their own say so.
const OPEN: [&str; 5] = [
    "get_health",
    "list_channel_types",
    "list_jobs",
    "list_queues",
    "create_webchat_session",
];

/// What exists of a tenant, by the name of the path parameter.
async fn things(server: &TestServer, tenant: &str) -> Vec<(&'static str, String)> {
    let id = |body: &Value| body["id"].as_str().unwrap().to_owned();
    let channel = json!({"type": "webchat", "name": "Chat"});
    let channel = server
        .post(ADMIN_KEY, &format!("{tenant}/channels"), channel)
        .await
        .expect(201);
    let hook = json!({"url": "https://hooks.example.com/"});
    let hook = server
        .post(ADMIN_KEY, &format!("{tenant}/webhooks"), hook)
        .await
        .expect(201);
    let key = server
        .post(ADMIN_KEY, &format!("{tenant}/api-keys"), json!({}))
        .await
        .expect(201);
    let file = server
        .upload(
            ADMIN_KEY,
            &format!("{tenant}/documents"),
            "a.txt",
            b"Words.",
        )
        .await;
    let job = server.get(ADMIN_KEY, "/api/jobs").await.expect(200)["data"][0]["id"].to_string();
    let [contact, conversation, message, erasure, lost] =
        conversation(server, tenant, &id(&channel)).await;
    let question = server
        .post(
            ADMIN_KEY,
            &format!("{tenant}/evals/questions"),
            json!({"question": "When?", "expected_phrases": ["soon"]}),
        )
        .await
        .expect(201);
    vec![
        ("{tenant_id}", tenant.rsplit('/').next().unwrap().to_owned()),
        ("{channel_id}", id(&channel)),
        ("{webhook_id}", id(&hook)),
        ("{api_key_id}", id(&key)),
        ("{document_id}", id(&file.expect(202))),
        ("{conversation_id}", conversation),
        ("{job_id}", job),
        ("{kind}", "ingest-document".to_owned()),
        ("{limit_key}", "endpoint:7".to_owned()),
        ("{schedule_name}", "upkeep".to_owned()),
        ("{question_id}", id(&question)),
        ("{run_id}", run(server, tenant).await),
        ("{contact_id}", contact),
        ("{message_id}", message),
        ("{erasure_id}", erasure),
        ("{file_id}", lost),
        (
            "{attachment_id}",
            attachment(server, tenant, &id(&channel)).await,
        ),
    ]
}

/// An evaluation that is over: its job is not to be met among the others.
async fn run(server: &TestServer, tenant: &str) -> String {
    let tenant = tenant.rsplit('/').next().unwrap();
    let run = domain::EvalRunId::new().to_string();
    let statement = format!(
        "INSERT INTO eval_runs (id, tenant_id, name, retrieval, answers, status, hit_rate, mrr, ndcg)
         VALUES ('{run}', '{tenant}', '', '{{}}', false, 'done', 1, 1, 1)"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement))
        .execute(server.database.pool())
        .await
        .unwrap();
    run
}

/// A visitor's file, whose content nobody reads.
async fn attachment(server: &TestServer, tenant: &str, channel: &str) -> String {
    let tenant = tenant.rsplit('/').next().unwrap();
    let id = domain::AttachmentId::new().to_string();
    let statement = format!(
        "INSERT INTO webchat_attachments (id, tenant_id, channel_id, session_id, visitor_id, file_key,
                                          name, media_type, size_bytes, sha256, created_at)
         VALUES ('{id}', '{tenant}', '{channel}', '{id}', 'visitor', '', 'a.txt', 'text/plain', 1,
                 sha256('a'), now())"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement))
        .execute(server.database.pool())
        .await
        .unwrap();
    id
}

/// A contact, a conversation with them, a message of it that failed, an erasure that is over, and a
/// file that was lost.
async fn conversation(server: &TestServer, tenant: &str, channel: &str) -> [String; 5] {
    let tenant = tenant.rsplit('/').next().unwrap();
    let contact = domain::ContactId::new().to_string();
    let conversation = domain::ConversationId::new().to_string();
    let message = domain::MessageId::new().to_string();
    let erasure = domain::ErasureId::new().to_string();
    let file = domain::MessageFileId::new().to_string();
    for statement in [
        format!(
            "INSERT INTO contacts (id, tenant_id, channel_id, external_id)
             VALUES ('{contact}', '{tenant}', '{channel}', 'visitor')"
        ),
        format!(
            "INSERT INTO conversations (id, tenant_id, channel_id, contact_id)
             VALUES ('{conversation}', '{tenant}', '{channel}', '{contact}')"
        ),
        format!(
            "INSERT INTO messages (id, tenant_id, conversation_id, channel_id, seq, direction,
                                   author, text, status)
             VALUES ('{message}', '{tenant}', '{conversation}', '{channel}', 1, 'outbound',
                     'agent', 'Words', 'failed')"
        ),
        format!(
            "INSERT INTO contact_erasures (id, tenant_id, contact_id, finished_at)
             VALUES ('{erasure}', '{tenant}', '{contact}', now())"
        ),
        format!(
            "INSERT INTO message_files (id, tenant_id, message_id, nth, media_kind, state)
             VALUES ('{file}', '{tenant}', '{message}', 0, 'image', 'failed')"
        ),
    ] {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement))
            .execute(server.database.pool())
            .await
            .unwrap();
    }
    [contact, conversation, message, erasure, file]
}

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
            let foreign = if id == "create_document" {
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

fn valid_body(operation: &str, victim: &str) -> Value {
    match operation {
        "change_jobs" => json!({"action": "cancel", "filter": {"tenant_id": victim}}),
        "set_limit" => json!({"concurrency": 1}),
        "create_channel" => json!({"type": "webchat", "name": "Mine"}),
        "create_tenant" | "update_tenant" | "update_channel" => json!({"name": "Mine"}),
        "create_webhook" => json!({"url": "https://hooks.example.com/mine"}),
        "update_conversation" => json!({"status": "closed"}),
        "create_message" => json!({"text": "Mine"}),
        "update_contact" => json!({"opted_out": true}),
        "set_presence" => json!({"agent": "Mallory", "online": true}),
        "set_typing" => json!({"on": true}),
        "update_document" => json!({"enabled": false}),
        "search_documents" => json!({"query": "words"}),
        "create_eval_question" => json!({"question": "Mine?", "expected_phrases": ["x"]}),
        "import_eval_questions" => {
            json!({"questions": [{"question": "Mine?", "expected_phrases": ["x"]}]})
        }
        "update_eval_question" => json!({"question": "Mine?"}),
        _ => json!({}),
    }
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
    let run = run(&server, &victim).await;
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
