use serde_json::{Value, json};

use crate::server::{ADMIN_KEY, TestServer};

/// A server with two schedules; the next tick of one is long overdue, as nobody looks at it.
async fn server() -> TestServer {
    let server = TestServer::start().await;
    sqlx::raw_sql(
        "INSERT INTO job_schedules (name, kind, spec, catch_up, payload, next_at)
         VALUES ('upkeep', 'upkeep', '7 * * * *', 'latest', '{}', now() - interval '1 hour'),
                ('of-tomorrow', 'of-tomorrow', 'every 90s', 'skip', '{}', now() + interval '1 hour')",
    )
    .execute(server.database.pool())
    .await
    .unwrap();
    server
}

#[tokio::test]
async fn schedules_are_listed_with_why_nothing_comes_of_them() {
    let server = server().await;
    let listed = server.get(ADMIN_KEY, "/api/schedules").await.expect(200);
    let names: Vec<&Value> = listed["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|schedule| &schedule["name"])
        .collect();
    assert_eq!(names, ["of-tomorrow", "upkeep"]);
    let upkeep = server
        .get(ADMIN_KEY, "/api/schedules/upkeep")
        .await
        .expect(200);
    assert_eq!(listed["data"][1], upkeep);
    assert_eq!(
        (&upkeep["kind"], &upkeep["spec"], &upkeep["catch_up"]),
        (&json!("upkeep"), &json!("7 * * * *"), &json!("latest"))
    );
    assert_eq!(
        upkeep["waiting_because"],
        "no worker that knows its kind and its spec looks at it"
    );
    for name in ["no-such", "no%00such"] {
        let path = format!("/api/schedules/{name}");
        let none = server.get(ADMIN_KEY, &path).await;
        assert_eq!(none.problem(404), "not_found");
    }
}

#[tokio::test]
async fn a_schedule_is_paused_and_goes_on_with_its_next_tick() {
    let server = server().await;
    let to = |what: &str| format!("/api/schedules/upkeep/{what}");
    let paused = server
        .post(ADMIN_KEY, &to("pause"), Value::Null)
        .await
        .expect(200);
    assert_eq!(
        (&paused["paused"], &paused["waiting_because"]),
        (&json!(true), &json!("paused"))
    );
    let resumed = server
        .post(ADMIN_KEY, &to("resume"), Value::Null)
        .await
        .expect(200);
    assert_eq!(
        (&resumed["paused"], &resumed["waiting_because"]),
        (&json!(false), &Value::Null)
    );
    assert_ne!(paused["next_at"], resumed["next_at"]);
    for what in ["pause", "resume", "run"] {
        let path = format!("/api/schedules/no-such/{what}");
        let none = server.post(ADMIN_KEY, &path, Value::Null).await;
        assert_eq!(none.problem(404), "not_found", "{what}");
    }
}

#[tokio::test]
async fn a_schedule_is_run_now_once_however_often_it_is_asked_for() {
    let server = server().await;
    let path = "/api/schedules/upkeep/run";
    let first = server.post(ADMIN_KEY, path, Value::Null).await.expect(202);
    assert_eq!(first["duplicate"], false);
    let again = server.post(ADMIN_KEY, path, Value::Null).await.expect(202);
    assert_eq!(
        (&again["job_id"], &again["duplicate"]),
        (&first["job_id"], &json!(true))
    );
    let job = server
        .get(ADMIN_KEY, &format!("/api/jobs/{}", first["job_id"]))
        .await
        .expect(200);
    assert_eq!(
        (&job["kind"], &job["state"]),
        (&json!("upkeep"), &json!("ready"))
    );
    let unknown = "/api/schedules/of-tomorrow/run";
    let refused = server.post(ADMIN_KEY, unknown, Value::Null).await;
    assert_eq!(refused.problem(422), "invalid_request");
    assert_eq!(refused.json()["errors"][0]["field"], "kind");
}

#[tokio::test]
async fn schedules_are_for_operators_alone() {
    let server = server().await;
    let (_, key) = server.tenant("Shop").await;
    let listed = server.get(&key, "/api/schedules").await;
    assert_eq!(listed.problem(403), "operator_key_required");
    for what in ["pause", "resume", "run"] {
        let path = format!("/api/schedules/upkeep/{what}");
        let refused = server.post(&key, &path, Value::Null).await;
        assert_eq!(refused.problem(403), "operator_key_required", "{what}");
    }
    let untouched = "SELECT count(*) FROM job_schedules WHERE paused";
    let paused: i64 = sqlx::query_scalar(untouched)
        .fetch_one(server.database.pool())
        .await
        .unwrap();
    assert_eq!(paused, 0);
}
