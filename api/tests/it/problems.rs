use std::sync::Arc;
use std::time::Duration;

use api::Limits;
use db::{Db, DbOptions};
use domain::Clock;
use poem::http::Method;
use poem::{Endpoint as _, Request};
use serde_json::{Value, json};

use crate::app::state;
use crate::server::{ADMIN_KEY, TestServer};

const NOBODY: &str = "/api/tenants/0198c0de-0000-7000-8000-000000000001";

#[tokio::test]
async fn every_error_is_a_problem() {
    let server = TestServer::start().await;
    let get = |path: &'static str| server.get(ADMIN_KEY, path);
    assert_eq!(get("/api/nothing").await.problem(404), "not_found");
    assert_eq!(get("/nothing").await.problem(404), "not_found");
    assert_eq!(get(NOBODY).await.problem(404), "not_found");
    assert_eq!(
        get("/api/tenants?limit=x").await.problem(422),
        "invalid_request"
    );
    let patch = server
        .call(ADMIN_KEY, Method::PATCH, "/api/tenants", json!({}))
        .await;
    assert_eq!(patch.problem(405), "method_not_allowed");
    let channels = format!("{NOBODY}/channels");
    let orphan = json!({"type": "webchat", "name": "Chat"});
    assert_eq!(
        server.post(ADMIN_KEY, &channels, orphan).await.problem(404),
        "not_found"
    );
    let text = Request::builder()
        .method(Method::POST)
        .uri_str("/api/tenants")
        .header("authorization", format!("Bearer {ADMIN_KEY}"))
        .content_type("text/plain")
        .body("name");
    assert_eq!(
        server.send(text).await.problem(415),
        "unsupported_media_type"
    );
}

#[tokio::test]
async fn wrong_fields_are_named_and_values_kept_quiet() {
    let server = TestServer::start().await;
    let path = server.get(ADMIN_KEY, "/api/tenants/hunter2").await;
    assert_eq!(path.problem(422), "invalid_request");
    assert_eq!(path.json()["errors"][0]["field"], "tenant_id");
    let (tenant, _) = server.tenant("Shop").await;
    let second = server
        .get(ADMIN_KEY, &format!("{tenant}/channels/hunter2"))
        .await;
    assert_eq!(second.json()["errors"][0]["field"], "channel_id");
    for (body, field) in [
        (json!({}), "name"),
        (json!({"name": ""}), "name"),
        (json!({"name": {"hunter2": 1}}), "name"),
        (json!({"name": "x", "hunter": 1}), "hunter"),
        (
            json!({"name": "x", "settings": {"settle_ms": "hunter2"}}),
            "settings.settle_ms",
        ),
        (
            json!({"name": "x", "settings": {"llm": {"temperature": 9}}}),
            "settings.llm.temperature",
        ),
        (
            json!({"name": "x", "settings": {"rag": "hunter2"}}),
            "settings.rag",
        ),
    ] {
        let wrong = server.post(ADMIN_KEY, "/api/tenants", body.clone()).await;
        assert_eq!(wrong.problem(422), "invalid_request", "{body}");
        assert_eq!(wrong.json()["errors"][0]["field"], field, "{}", wrong.text);
        assert!(!wrong.text.contains("hunter2"), "{}", wrong.text);
    }
    let config = json!({"type": "whatsapp", "name": "x", "config": {"access_token": 5}});
    let wrong = server
        .post(ADMIN_KEY, &format!("{tenant}/channels"), config)
        .await;
    assert_eq!(wrong.problem(422), "invalid_request");
    assert_eq!(wrong.json()["errors"][0]["field"], "config.phone_number_id");
    let foreign = server.get(ADMIN_KEY, "/api/tenants?cursor=zz").await;
    assert_eq!(foreign.json()["errors"][0]["field"], "cursor");
}

#[tokio::test]
async fn parameters_that_an_operation_does_not_have_are_named_by_every_one_that_takes_a_key() {
    let server = TestServer::without_limits().await;
    let spec: Value = serde_json::from_str(&api::openapi_json()).unwrap();
    for (path, methods) in spec["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let takes_key = operation["security"][0]["api_key"].is_array();
            // Refused before anything else is read.
            let path = format!("{path}?no_such=hunter2&also=1&no_such=2").replace(['{', '}'], "");
            let method: Method = method.to_uppercase().parse().unwrap();
            let call = |key| server.call(key, method.clone(), &path, Value::Null);
            let answer = call(ADMIN_KEY).await;
            if !takes_key {
                assert!(!answer.text.contains("no_such"), "{method} {path}");
                continue;
            }
            assert_eq!(answer.problem(422), "invalid_request", "{method} {path}");
            let errors = answer.json()["errors"].as_array().unwrap().clone();
            let fields: Vec<&Value> = errors.iter().map(|error| &error["field"]).collect();
            assert_eq!(fields, ["also", "no_such"], "{method} {path}");
            assert!(!answer.text.contains("hunter2"), "{}", answer.text);
            assert_eq!(call("").await.problem(401), "unauthorized");
        }
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let server = TestServer::start().await;
    let name = "x".repeat(api::payload::MAX_JSON_BYTES);
    let long = server
        .post(ADMIN_KEY, "/api/tenants", json!({"name": name}))
        .await;
    assert_eq!(long.problem(413), "body_too_large");
}

#[tokio::test]
async fn a_callers_request_id_comes_back_if_it_is_harmless() {
    let server = TestServer::start().await;
    let with = |id: &'static str| {
        let headers = [("x-request-id", id)];
        let server = &server;
        async move {
            let answer = server
                .call_with("", Method::GET, "/api/health", Value::Null, &headers)
                .await;
            answer.header("x-request-id").to_owned()
        }
    };
    assert_eq!(with("abc-123_4.5").await, "abc-123_4.5");
    for id in [
        "",
        "a b",
        "a\"b",
        "0123456789012345678901234567890123456789012345678901234567890123456789",
    ] {
        let fresh = with(id).await;
        assert_eq!(fresh.len(), 32, "{fresh}");
    }
}

#[tokio::test]
async fn health_tells_that_the_service_is_ready() {
    let server = TestServer::start().await;
    let health = server.get("", "/api/health").await.expect(200);
    assert_eq!(health["status"], "ok");
    assert_eq!(health["checks"]["database"], "ok");
    assert!(health["version"].is_string());
}

#[tokio::test]
async fn without_the_database_callers_are_told_when_to_come_again() {
    let folder = tempfile::tempdir().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let options = DbOptions {
        acquire_timeout: Duration::from_millis(200),
        ..DbOptions::new(format!("postgres://postgres@127.0.0.1:{port}/gone"))
    };
    let db = Db::connect_lazy(&options).unwrap();
    let state = state(db, &folder, Clock::system(), Limits::default());
    for (key, path) in [
        ("", "/api/health"),
        (ADMIN_KEY, NOBODY),
        (ADMIN_KEY, "/api/jobs"),
    ] {
        let request = Request::builder()
            .uri_str(path)
            .header("authorization", format!("Bearer {key}"));
        let response = api::server(Arc::clone(&state))
            .get_response(request.finish())
            .await;
        assert_eq!(response.status().as_u16(), 503, "{path}");
        assert_eq!(response.headers()["retry-after"], "5");
        let body: Value = response.into_body().into_json().await.unwrap();
        assert_eq!(body["code"], "unavailable");
        assert!(!body.to_string().contains("127.0.0.1"), "{body}");
    }
}
