//! A tenant with one of everything that paths may name.

use serde_json::{Value, json};

use crate::server::{ADMIN_KEY, TestServer};

/// What exists of a tenant, by the name of the path parameter.
pub(crate) async fn things(server: &TestServer, tenant: &str) -> Vec<(&'static str, String)> {
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
    let jobs = format!("/api/jobs?tenant_id={}", tenant.rsplit('/').next().unwrap());
    let job = server.get(ADMIN_KEY, &jobs).await.expect(200)["data"][0]["id"].to_string();
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
        ("{run_id}", add_run(server, tenant).await),
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
pub(crate) async fn add_run(server: &TestServer, tenant: &str) -> String {
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

/// A visitor's file.
async fn attachment(server: &TestServer, tenant: &str, channel: &str) -> String {
    let tenant = tenant.rsplit('/').next().unwrap();
    let id = domain::AttachmentId::new().to_string();
    let content = futures::stream::iter([Ok::<_, std::io::Error>("a".into())]);
    let files = &server.state.files;
    let kept = files.put_stream(tenant.parse().unwrap(), content, 10).await;
    let key = kept.unwrap().key;
    let statement = format!(
        "INSERT INTO webchat_attachments (id, tenant_id, channel_id, session_id, visitor_id, file_key,
                                          name, media_type, size_bytes, sha256, created_at)
         VALUES ('{id}', '{tenant}', '{channel}', '{id}', 'visitor', '{key}', 'a.txt', 'text/plain',
                 1, sha256('a'), now())"
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
            "INSERT INTO conversations (id, tenant_id, channel_id, contact_id, message_seq)
             VALUES ('{conversation}', '{tenant}', '{channel}', '{contact}', 1)"
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

/// A body that the operation takes.
pub(crate) fn valid_body(operation: &str, victim: &str) -> Value {
    match operation {
        "change_jobs" => json!({"action": "cancel", "filter": {"tenant_id": victim}}),
        "set_schedule" => json!({"kind": "upkeep", "spec": "7 * * * *"}),
        "set_limit" => json!({"concurrency": 1}),
        "create_channel" => json!({"type": "webchat", "name": "Mine"}),
        "create_tenant" | "update_tenant" | "update_channel" => json!({"name": "Mine"}),
        "create_webhook" => json!({"url": "https://hooks.example.com/mine"}),
        "update_conversation" => json!({"status": "closed"}),
        "create_message" => json!({"text": "Mine"}),
        "update_contact" => json!({"opted_out": true}),
        "set_presence" => json!({"agent": "Mallory", "online": true}),
        "set_typing" => json!({"on": true}),
        "create_document" => json!({"url": "https://docs.example.com/mine"}),
        "create_webchat_message" => json!({"client_id": "c-1", "text": "Mine"}),
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
