use serde_json::{Value, json};

use crate::search::add_ready;
use crate::server::TestServer;

fn question(words: &str) -> Value {
    json!({
        "question": words,
        "expected_sources": [{"text": "fourteen days"}],
        "tags": ["returns"],
    })
}

#[tokio::test]
async fn questions_are_kept_changed_and_deleted() {
    let server = TestServer::start().await;
    let (tenant, key) = server.tenant("Shop").await;
    let path = format!("{tenant}/evals/questions");
    let document = add_ready(&server, &tenant, "Returns", "returns are free").await;
    let body = json!({
        "question": "Are returns free?",
        "expected_sources": [{"document_id": document, "text": "free"}],
        "expected_phrases": ["free of charge"],
        "tags": ["returns"],
    });
    let created = server.post(&key, &path, body.clone()).await.expect(201);
    for field in ["question", "expected_sources", "expected_phrases", "tags"] {
        assert_eq!(created[field], body[field], "{created}");
    }
    let one = format!("{path}/{}", created["id"].as_str().unwrap());
    let change = json!({"expected_sources": [], "tags": []});
    let changed = server.put(&key, &one, change).await.expect(200);
    assert_eq!(changed["question"], body["question"]);
    assert_eq!(changed["expected_sources"], json!([]));
    assert_eq!(server.get(&key, &one).await.expect(200), changed);
    // Nothing would be expected any more.
    let empty = json!({"expected_phrases": []});
    let refused = server.put(&key, &one, empty).await;
    assert_eq!(refused.problem(422), "invalid_request");
    server.delete(&key, &one).await.expect(204);
    assert_eq!(server.get(&key, &one).await.problem(404), "not_found");
    assert_eq!(server.delete(&key, &one).await.problem(404), "not_found");
}

#[tokio::test]
async fn many_questions_come_together_or_not_at_all() {
    let server = TestServer::start().await;
    let (tenant, key) = server.tenant("Shop").await;
    let path = format!("{tenant}/evals/questions");
    let import = format!("{path}/import");
    let bad = json!({"questions": [question("One?"), {"question": "Two?"}]});
    let refused = server.post(&key, &import, bad).await;
    assert_eq!(refused.problem(422), "invalid_request");
    assert_eq!(
        refused.json()["errors"][0]["field"],
        "questions[1].expected_sources"
    );
    let foreign = json!({
        "question": "Three?",
        "expected_sources": [{"document_id": uuid::Uuid::nil()}],
    });
    let refused = server
        .post(&key, &import, json!({"questions": [foreign]}))
        .await;
    assert_eq!(refused.problem(422), "invalid_request");
    let listed = server.get(&key, &path).await.expect(200);
    assert_eq!(listed["data"], json!([]));
    let good = json!({"questions": [question("One?"), question("Two?")]});
    let imported = server.post(&key, &import, good).await.expect(201);
    let listed = server
        .get(&key, &format!("{path}?tag=returns"))
        .await
        .expect(200);
    let ids: Vec<&Value> = listed["data"].as_array().unwrap().iter().collect();
    let ids: Vec<&Value> = ids.iter().map(|one| &one["id"]).collect();
    assert_eq!(json!(ids), imported["ids"]);
    let other = server.get(&key, &format!("{path}?tag=other")).await;
    assert_eq!(other.expect(200)["data"], json!([]));
}

#[tokio::test]
async fn a_run_is_queued_with_the_questions_there_are() {
    let server = TestServer::start().await;
    let (tenant, key) = server.tenant("Shop").await;
    let path = format!("{tenant}/evals/runs");
    let refused = server.post(&key, &path, json!({})).await;
    assert_eq!(refused.problem(422), "refused");
    let questions = json!({"questions": [question("One?"), question("Two?")]});
    server
        .post(&key, &format!("{tenant}/evals/questions/import"), questions)
        .await
        .expect(201);
    let body = json!({"name": "Words alone", "retrieval": {"vector_weight": 0.0, "top_k": 3}});
    let run = server.post(&key, &path, body).await.expect(202);
    assert_eq!(
        (&run["status"], &run["question_count"], &run["done_count"]),
        (&json!("queued"), &json!(2), &json!(0))
    );
    let retrieval = &run["retrieval"];
    assert_eq!(
        (&retrieval["vector_weight"], &retrieval["top_k"]),
        (&json!(0.0), &json!(3))
    );
    assert_eq!(retrieval["keyword_weight"], 0.3);
    let one = format!("{path}/{}", run["id"].as_str().unwrap());
    let shown = server.get(&key, &one).await.expect(200);
    assert_eq!((&shown["run"], &shown["comparison"]), (&run, &Value::Null));
    let results = server.get(&key, &format!("{one}/results")).await;
    let results = results.expect(200);
    assert_eq!(results["data"][1]["question"], "Two?");
    assert_eq!(results["data"][1]["done"], false);
    let jobs = server.get(&key, "/api/jobs?kind=run-eval").await;
    assert_eq!(jobs.expect(200)["data"][0]["payload"]["run_id"], run["id"]);
    let unknown = json!({"compare_with": uuid::Uuid::nil()});
    let refused = server.post(&key, &path, unknown).await;
    assert_eq!(refused.problem(404), "not_found");
    for (body, field) in [
        (json!({"name": ""}), "name"),
        (json!({"retrieval": {"top_k": 21}}), "retrieval.top_k"),
        (
            json!({"retrieval": {"chunking": "fixed"}}),
            "retrieval.chunking",
        ),
    ] {
        let refused = server.post(&key, &path, body).await;
        assert_eq!(refused.problem(422), "invalid_request");
        assert_eq!(refused.json()["errors"][0]["field"], field);
    }
    server.delete(&key, &one).await.expect(204);
    let listed = server.get(&key, &path).await.expect(200);
    assert_eq!(listed["data"], json!([]));
}
