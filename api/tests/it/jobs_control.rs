use serde_json::{Value, json};

use crate::server::{ADMIN_KEY, TestServer};

async fn sql(server: &TestServer, statement: String) {
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement))
        .execute(server.database.pool())
        .await
        .unwrap();
}

/// Inserts a job that no engine will claim; answers its path.
async fn job(server: &TestServer, columns: &str, values: &str) -> String {
    let id: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
        "INSERT INTO jobs (kind, lane, max_attempts, payload, {columns})
         VALUES ('send-reply', 0, 3, '{{\"message_id\": \"m\", \"text\": \"hello\"}}', {values})
         RETURNING id"
    )))
    .fetch_one(server.database.pool())
    .await
    .unwrap();
    format!("/api/jobs/{id}")
}

async fn bury(server: &TestServer, path: &str, reason: &str) {
    let id = path.rsplit('/').next().unwrap();
    sql(
        server,
        format!(
            "WITH gone AS (DELETE FROM jobs WHERE id = {id} RETURNING *)
             INSERT INTO dead_jobs (id, kind, lane, priority, reason, attempt, max_attempts,
                                    created_at, payload)
             SELECT id, kind, lane, priority, '{reason}', 3, 3, created_at, payload FROM gone"
        ),
    )
    .await;
}

async fn post(server: &TestServer, path: &str, verb: &str) -> crate::server::Reply {
    server
        .call(
            ADMIN_KEY,
            poem::http::Method::POST,
            &format!("{path}/{verb}"),
            Value::Null,
        )
        .await
}

#[tokio::test]
async fn a_job_is_shown_with_why_it_waits_and_without_what_people_wrote() {
    let server = TestServer::start().await;
    let path = job(&server, "state, limit_key_1", "0, 'endpoint:7'").await;
    let shown = server.get(ADMIN_KEY, &path).await.expect(200);
    assert_eq!(shown["waiting_code"], "no_worker");
    assert_eq!(shown["waiting_because"], "no worker for this kind");
    assert_eq!(
        shown["payload"],
        json!({"text": "redacted", "message_id": "m"})
    );
    assert_eq!(shown["limit_keys"], json!(["endpoint:7"]));
    assert_eq!(shown["timeline"][0]["event"], "enqueued");
    assert_eq!(shown["attempts"], json!([]));
}

#[tokio::test]
async fn a_job_is_cancelled_retried_and_redriven() {
    let server = TestServer::start().await;
    let path = job(&server, "state, run_at", "1, now() + interval '1 hour'").await;
    let retried = post(&server, &path, "retry").await.expect(200);
    assert_eq!(retried["state"], "ready");
    let again = post(&server, &path, "retry").await;
    assert_eq!(again.problem(409), "job_ready");
    bury(&server, &path, "hopeless").await;
    assert_eq!(
        post(&server, &path, "cancel").await.problem(409),
        "job_dead"
    );
    let redriven = post(&server, &path, "redrive").await.expect(200);
    assert_eq!(
        (&redriven["state"], &redriven["attempt"]),
        (&json!("ready"), &json!(0))
    );
    assert_eq!(
        post(&server, &path, "redrive").await.problem(409),
        "job_not_dead"
    );
    let cancelled = post(&server, &path, "cancel").await.expect(200);
    assert_eq!(cancelled["state"], "cancelled");
    assert_eq!(cancelled["error"], "cancelled by an operator");
    assert_eq!(
        post(&server, &path, "cancel").await.problem(409),
        "job_cancelled"
    );
    assert_eq!(
        post(&server, "/api/jobs/999", "cancel").await.problem(404),
        "not_found"
    );
}

#[tokio::test]
async fn a_running_job_shows_that_it_is_to_be_cancelled() {
    let server = TestServer::start().await;
    let path = job(&server, "state, session_id, lease_until", "3, 1, now()").await;
    let asked = post(&server, &path, "cancel").await.expect(200);
    assert_eq!(
        (&asked["state"], &asked["waiting_code"]),
        (&json!("running"), &json!("cancelling"))
    );
    assert!(asked["cancel_requested_at"].is_string());
}

#[tokio::test]
async fn jobs_that_match_are_counted_then_changed() {
    let server = TestServer::start().await;
    for _ in 0..3 {
        let path = job(&server, "state", "0").await;
        bury(&server, &path, "the provider was down").await;
    }
    let mut body = json!({
        "action": "redrive", "filter": {"error": "provider"}, "dry_run": true
    });
    let counted = server
        .post(ADMIN_KEY, "/api/jobs/bulk", body.clone())
        .await
        .expect(200);
    let expected = json!({"dry_run": true, "count": 3, "more": false, "remaining": false});
    assert_eq!(counted, expected);
    body["dry_run"] = json!(false);
    let done = server
        .post(ADMIN_KEY, "/api/jobs/bulk", body)
        .await
        .expect(200);
    assert_eq!(
        (&done["count"], &done["remaining"]),
        (&json!(3), &json!(false))
    );
}

#[tokio::test]
async fn to_change_everything_takes_its_count() {
    let server = TestServer::start().await;
    job(&server, "state", "0").await;
    job(&server, "state", "0").await;
    let all = json!({"action": "cancel"});
    let asked = server.post(ADMIN_KEY, "/api/jobs/bulk", all).await;
    assert_eq!(asked.problem(409), "confirmation_required");
    let error = &asked.json()["errors"][0];
    assert_eq!(
        error,
        &json!({"field": "confirm_count", "detail": "must be 2"})
    );
    let confirmed = json!({"action": "cancel", "confirm_count": 2});
    let done = server
        .post(ADMIN_KEY, "/api/jobs/bulk", confirmed)
        .await
        .expect(200);
    assert_eq!(done["count"], 2);
}

#[tokio::test]
async fn wrong_filters_are_named() {
    let server = TestServer::start().await;
    for (query, field) in [
        ("state=hunter2", "state"),
        ("lane=hunter2", "lane"),
        ("created_before=hunter2", "created_before"),
        ("created_after=%2B12026-01-01T00:00:00Z", "created_after"),
        ("limit_key=hunter2", "limit_key"),
        ("tenant_id=hunter2", "tenant_id"),
        ("error=", "error"),
        ("ordering_key=a%00b", "ordering_key"),
        ("cursor=hunter2", "cursor"),
        ("limit=0", "limit"),
        ("tenant=hunter2", "tenant"),
        ("state=dead&Kind=hunter2", "Kind"),
    ] {
        let wrong = server.get(ADMIN_KEY, &format!("/api/jobs?{query}")).await;
        assert_eq!(wrong.problem(422), "invalid_request", "{query}");
        assert_eq!(wrong.json()["errors"][0]["field"], field, "{}", wrong.text);
        assert!(!wrong.text.contains("hunter2"), "{}", wrong.text);
    }
    for (filter, field) in [
        (json!({"state": "hunter2"}), "filter.state"),
        (json!({"state": "dead"}), "filter.state"),
        (json!({"limit_key": "hunter2"}), "filter.limit_key"),
        (
            json!({"created_before": "hunter2"}),
            "filter.created_before",
        ),
        (json!({"hunter": 1}), "filter.hunter"),
    ] {
        let body = json!({"action": "cancel", "filter": filter});
        let wrong = server.post(ADMIN_KEY, "/api/jobs/bulk", body).await;
        assert_eq!(wrong.problem(422), "invalid_request", "{filter}");
        assert_eq!(wrong.json()["errors"][0]["field"], field, "{}", wrong.text);
    }
}

#[tokio::test]
async fn jobs_are_filtered_by_what_the_query_names() {
    let server = TestServer::start().await;
    let path = job(
        &server,
        "state, ordering_key, ordering_seq, unique_key, limit_key_1, last_error, created_at",
        "0, 'a key', 1, 'u', 'endpoint:7', 'No Answer', '2026-01-02T00:00:00Z'",
    )
    .await;
    let id: i64 = path.rsplit('/').next().unwrap().parse().unwrap();
    job(&server, "state", "0").await;
    for query in [
        "ordering_key=a%20key",
        "unique_key=u",
        "limit_key=endpoint:7",
        "error=no%20answer",
        "created_before=2026-01-03T00:00:00Z",
        "lane=interactive&created_after=2026-01-01T00:00:00Z&state=ready&kind=send-reply&error=no",
    ] {
        let found = server
            .get(ADMIN_KEY, &format!("/api/jobs?{query}"))
            .await
            .expect(200);
        let ids: Vec<i64> = found["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|job| job["id"].as_i64().unwrap())
            .collect();
        assert_eq!(ids, [id], "{query}");
    }
}
