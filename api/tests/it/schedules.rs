use poem::http::Method;
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
    let path = "/api/schedules/upkeep";
    let refused = server.put(&key, path, valid()).await;
    assert_eq!(refused.problem(403), "operator_key_required");
    let refused = server.delete(&key, path).await;
    assert_eq!(refused.problem(403), "operator_key_required");
    let untouched = "SELECT count(*) FROM job_schedules WHERE NOT paused AND spec <> 'every 5s'";
    let untouched: i64 = sqlx::query_scalar(untouched)
        .fetch_one(server.database.pool())
        .await
        .unwrap();
    assert_eq!(untouched, 2);
}

fn valid() -> Value {
    json!({"kind": "upkeep", "spec": "every 5s", "catch_up": "all", "payload": {}})
}

#[tokio::test]
async fn an_operator_adds_a_schedule_sets_it_anew_and_deletes_it() {
    let server = server().await;
    let path = "/api/schedules/my-own";
    let added = server.put(ADMIN_KEY, path, valid()).await.expect(200);
    assert_eq!(
        (&added["name"], &added["spec"], &added["catch_up"]),
        (&json!("my-own"), &json!("every 5s"), &json!("all"))
    );
    assert_eq!(
        (&added["paused"], &added["last_at"]),
        (&json!(false), &Value::Null)
    );
    let pause = format!("{path}/pause");
    server
        .post(ADMIN_KEY, &pause, Value::Null)
        .await
        .expect(200);
    // What is missing is as if it had never been said; a pause stays.
    let anew = json!({"kind": "upkeep", "spec": "7  3 * * *"});
    let set = server.put(ADMIN_KEY, path, anew).await.expect(200);
    assert_eq!(
        (&set["spec"], &set["catch_up"], &set["paused"]),
        (&json!("7 3 * * *"), &json!("latest"), &json!(true))
    );
    assert_ne!(set["next_at"], added["next_at"]);
    assert_eq!(server.get(ADMIN_KEY, path).await.expect(200), set);
    server.delete(ADMIN_KEY, path).await.expect(204);
    assert_eq!(server.get(ADMIN_KEY, path).await.problem(404), "not_found");
    let again = server.delete(ADMIN_KEY, path).await;
    assert_eq!(again.problem(404), "not_found");
}

#[tokio::test]
async fn what_cannot_be_scheduled_is_refused_by_the_name_of_its_field() {
    let server = server().await;
    let with = |field: &str, value: Value| {
        let mut body = valid();
        body[field] = value;
        body
    };
    let tenant = uuid::Uuid::nil();
    let of_a_tenant = json!({
        "kind": "tend-index", "spec": "every 5s", "payload": {"tenant_id": tenant},
    });
    for (name, body, field) in [
        ("No-Such", valid(), "schedule_name"),
        ("a%00b", valid(), "schedule_name"),
        ("mine", with("kind", json!("no-such")), "kind"),
        ("mine", of_a_tenant, "kind"),
        ("mine", with("spec", json!("@daily")), "spec"),
        ("mine", with("spec", json!("0 0 30 2 *")), "spec"),
        ("mine", with("payload", json!("x")), "payload"),
        ("mine", with("catch_up", json!("some")), "catch_up"),
        ("mine", with("paused", json!(true)), "paused"),
        ("mine", json!({"kind": "upkeep"}), "spec"),
    ] {
        let path = format!("/api/schedules/{name}");
        let refused = server.put(ADMIN_KEY, &path, body.clone()).await;
        assert_eq!(refused.problem(422), "invalid_request", "{name} {body}");
        assert_eq!(refused.json()["errors"][0]["field"], field, "{body}");
    }
    let listed = server.get(ADMIN_KEY, "/api/schedules").await.expect(200);
    assert_eq!(listed["data"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_schedule_that_is_set_twice_with_one_key_is_set_once() {
    let server = server().await;
    let path = "/api/schedules/my-own";
    let mut answers = Vec::new();
    for _ in 0..2 {
        let headers = [("idempotency-key", "one")];
        let put = server.call_with(ADMIN_KEY, Method::PUT, path, valid(), &headers);
        answers.push(put.await);
        server.delete(ADMIN_KEY, path).await;
    }
    assert_eq!(answers[0].expect(200), answers[1].expect(200));
    assert_eq!(answers[1].header("idempotent-replayed"), "true");
    assert_eq!(server.get(ADMIN_KEY, path).await.problem(404), "not_found");
}
