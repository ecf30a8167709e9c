use serde_json::Value;

use crate::server::TestServer;

const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../openapi/openapi.json");

#[test]
fn the_committed_specification_is_the_one_that_is_served() {
    let committed = std::fs::read_to_string(COMMITTED).unwrap_or_default();
    assert!(
        committed == api::openapi_json(),
        "openapi/openapi.json is out of date: run `make generate` and commit what it writes"
    );
}

#[test]
fn every_operation_and_field_is_described() {
    let spec: Value = serde_json::from_str(&api::openapi_json()).unwrap();
    for (path, methods) in spec["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap_or_default();
            assert!(
                id.contains('_'),
                "{method} {path} has no id such as get_thing: {id:?}"
            );
            assert!(operation["summary"].is_string(), "{id} has no summary");
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            for parameter in parameters {
                assert!(parameter["description"].is_string(), "{id}: {parameter}");
            }
        }
    }
    for (name, schema) in spec["components"]["schemas"].as_object().unwrap() {
        let described_elsewhere =
            |field: &Value| field["allOf"].is_array() || field["$ref"].is_string();
        for (field, schema) in schema["properties"].as_object().into_iter().flatten() {
            let described = schema["description"].is_string() || described_elsewhere(schema);
            assert!(described, "{name}.{field} is not described");
        }
    }
}

#[tokio::test]
async fn the_specification_and_its_page_need_no_key() {
    let server = TestServer::start().await;
    let spec = server.get("", "/api/openapi.json").await.expect(200);
    assert_eq!(spec["openapi"], "3.0.0");
    let page = server.get("", "/api/docs").await;
    assert_eq!(page.status.as_u16(), 200);
    assert!(page.text.contains("swagger"), "{}", &page.text[..200]);
}
