use serde_json::{Value, json};

use crate::server::{ADMIN_KEY, TestServer};

async fn sql(server: &TestServer, statement: &'static str) {
    sqlx::raw_sql(statement)
        .execute(server.database.pool())
        .await
        .unwrap();
}

pub(crate) fn queue<'a>(overview: &'a Value, kind: &str) -> &'a Value {
    let queues = overview["queues"].as_array().unwrap();
    queues.iter().find(|queue| queue["kind"] == kind).unwrap()
}

#[tokio::test]
async fn the_overview_tells_how_every_kind_stands() {
    let server = TestServer::start().await;
    sql(
        &server,
        "INSERT INTO job_depths VALUES ('send-reply', 0, 1), ('send-reply', 4, 3);
         INSERT INTO jobs (kind, lane, state, max_attempts, payload, run_at)
         VALUES ('send-reply', 0, 0, 3, '{}', now() - interval '90 seconds');
         INSERT INTO worker_sessions (host, process_id, kinds, interactive_slots, interactive_busy)
         VALUES ('here', 7, ARRAY['send-reply'], 8, 2)",
    )
    .await;
    let overview = server.get(ADMIN_KEY, "/api/queues").await.expect(200);
    let replies = queue(&overview, "send-reply");
    assert_eq!(
        (&replies["ready"], &replies["dead"]),
        (&json!(1), &json!(3))
    );
    let wait = replies["oldest_wait_seconds"].as_f64().unwrap();
    assert!((90.0..150.0).contains(&wait), "{wait}");
    assert_eq!(replies["workers"], 1);
    assert_eq!(queue(&overview, "ingest-document")["workers"], 0);
    let lane = json!({"lane": "interactive", "workers": 1, "slots": 8, "busy": 2});
    assert_eq!(overview["lanes"][0], lane);
    let one = server
        .get(ADMIN_KEY, "/api/queues/send-reply")
        .await
        .expect(200);
    assert_eq!(one["ready"], 1);
    let none = server.get(ADMIN_KEY, "/api/queues/no-such-kind").await;
    assert_eq!(none.problem(404), "not_found");
    let workers = server
        .get(ADMIN_KEY, "/api/queues/workers")
        .await
        .expect(200);
    assert_eq!(workers["data"][0]["host"], "here");
    assert_eq!(workers["data"][0]["live"], true);
}

#[tokio::test]
async fn a_kind_is_paused_and_resumed() {
    let server = TestServer::start().await;
    let until = json!({"until": "2126-01-02T03:04:05Z"});
    let paused = server
        .post(ADMIN_KEY, "/api/queues/send-reply/pause", until)
        .await
        .expect(200);
    assert_eq!(paused["key"], "kind:send-reply");
    assert_eq!(paused["paused_until"], "2126-01-02T03:04:05+00:00");
    let overview = server.get(ADMIN_KEY, "/api/queues").await.expect(200);
    assert_eq!(queue(&overview, "send-reply")["paused"], true);
    let resumed = server
        .post(ADMIN_KEY, "/api/queues/send-reply/resume", Value::Null)
        .await;
    resumed.expect(204);
    let overview = server.get(ADMIN_KEY, "/api/queues").await.expect(200);
    assert_eq!(queue(&overview, "send-reply")["paused"], false);
}

#[tokio::test]
async fn a_tenant_is_paused_and_resumed() {
    let server = TestServer::start().await;
    let (tenant, _) = server.tenant("Shop").await;
    let pause = format!("{tenant}/jobs/pause");
    let paused = server.post(ADMIN_KEY, &pause, json!({})).await.expect(200);
    assert_eq!(
        (&paused["paused"], &paused["paused_until"]),
        (&json!(true), &Value::Null)
    );
    let of_kind = format!("{pause}?kind=send-reply");
    let paused = server
        .post(ADMIN_KEY, &of_kind, json!({}))
        .await
        .expect(200);
    let id = tenant.rsplit('/').next().unwrap();
    assert_eq!(paused["key"], format!("tenant:{id}/send-reply"));
    let resume = format!("{tenant}/jobs/resume");
    server
        .post(ADMIN_KEY, &resume, Value::Null)
        .await
        .expect(204);
    let left = server
        .get(ADMIN_KEY, "/api/queues/limits")
        .await
        .expect(200);
    assert_eq!(left["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_pause_that_cannot_be_is_refused() {
    let server = TestServer::start().await;
    let (tenant, _) = server.tenant("Shop").await;
    let pause = format!("{tenant}/jobs/pause");
    for (path, body, field) in [
        (
            "/api/queues/send-reply/pause",
            json!({"until": "2020-01-01T00:00:00Z"}),
            "until",
        ),
        (
            "/api/queues/send-reply/pause",
            json!({"until": "+12026-01-01T00:00:00Z"}),
            "until",
        ),
        (&format!("{pause}?kind=A%20b"), json!({}), "kind"),
    ] {
        let wrong = server.post(ADMIN_KEY, path, body).await;
        assert_eq!(wrong.problem(422), "invalid_request", "{path}");
        assert_eq!(wrong.json()["errors"][0]["field"], field);
    }
    let nobody = "/api/tenants/0198c0de-0000-7000-8000-000000000001/jobs/pause";
    assert_eq!(
        server.post(ADMIN_KEY, nobody, json!({})).await.problem(404),
        "not_found"
    );
    let kind = server
        .post(ADMIN_KEY, "/api/queues/no-such-kind/pause", json!({}))
        .await;
    assert_eq!(kind.problem(404), "not_found");
}

#[tokio::test]
async fn limits_are_set_shown_and_lifted() {
    let server = TestServer::start().await;
    let tenant = "tenant:0198c0de-0000-7000-8000-000000000001";
    let path = format!("/api/queues/limits/{tenant}%2Fsend-reply");
    let values = json!({"rate_per_second": 2.5, "concurrency": 4});
    let set = server.put(ADMIN_KEY, &path, values).await.expect(200);
    assert_eq!(set["key"], format!("{tenant}/send-reply"));
    assert_eq!((&set["burst"], &set["tokens"]), (&json!(3), &json!(3.0)));
    let shown = server.get(ADMIN_KEY, &path).await.expect(200);
    assert_eq!(shown["concurrency"], 4);
    let weight = format!("/api/queues/limits/{tenant}");
    let set = server
        .put(ADMIN_KEY, &weight, json!({"weight": 3.0}))
        .await
        .expect(200);
    assert_eq!(set["weight"], 3.0);
    let first = server
        .get(ADMIN_KEY, "/api/queues/limits?limit=1")
        .await
        .expect(200);
    let cursor = first["next_cursor"].as_str().unwrap();
    let next = format!("/api/queues/limits?limit=1&cursor={cursor}");
    let second = server.get(ADMIN_KEY, &next).await.expect(200);
    assert_eq!(second["data"][0]["key"], tenant);
    server.delete(ADMIN_KEY, &path).await.expect(204);
    assert_eq!(server.get(ADMIN_KEY, &path).await.problem(404), "not_found");
    for (key, body, field) in [
        ("hunter2", json!({"concurrency": 1}), "limit_key"),
        ("endpoint:7", json!({}), "rate_per_second"),
        ("endpoint:7", json!({"weight": 2}), "weight"),
        (
            "endpoint:7",
            json!({"rate_per_second": -1}),
            "rate_per_second",
        ),
    ] {
        let path = format!("/api/queues/limits/{key}");
        let wrong = server.put(ADMIN_KEY, &path, body).await;
        assert_eq!(wrong.problem(422), "invalid_request", "{key}");
        assert_eq!(wrong.json()["errors"][0]["field"], field);
    }
}
