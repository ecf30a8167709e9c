use poem::http::Method;
use serde_json::{Value, json};
use telemetry::metrics::Registry;
use testkit::exposition::{self, MetricFamily};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::server::{ADMIN_KEY, TestServer};

const REQUESTS: &str = "metachat_http_requests_total";
const DURATIONS: &str = "metachat_http_request_duration_seconds";

async fn scrape(server: &TestServer) -> Vec<MetricFamily> {
    let shown = server.get(ADMIN_KEY, "/metrics").await;
    assert_eq!(shown.status.as_u16(), 200, "{shown:?}");
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    assert_eq!(shown.header("content-type"), kind);
    exposition::parse(&shown.text).unwrap()
}

fn family<'a>(families: &'a [MetricFamily], name: &str) -> &'a MetricFamily {
    let found = families.iter().find(|family| family.name == name);
    found.unwrap_or_else(|| panic!("no {name}"))
}

/// The value of the one sample with these labels.
fn value(family: &MetricFamily, labels: &[(&str, &str)]) -> Option<f64> {
    let matches = family.samples.iter().filter(|sample| {
        let is = |name: &str| sample.labels.get(name).map(String::as_str);
        labels.iter().all(|(name, value)| is(name) == Some(*value))
    });
    let values: Vec<f64> = matches.map(|sample| sample.value).collect();
    assert!(values.len() <= 1, "{labels:?}: {values:?}");
    values.first().copied()
}

#[tokio::test]
async fn metrics_need_an_operators_key() {
    let server = TestServer::start().await;
    let (_, key) = server.tenant("Shop").await;
    let get = |key| server.get(key, "/metrics");
    assert_eq!(get("").await.problem(401), "unauthorized");
    assert_eq!(get("mck_nonsense").await.problem(401), "unauthorized");
    assert_eq!(get(&key).await.problem(403), "operator_key_required");
    let families = scrape(&server).await;
    family(&families, "process_start_time_seconds");
    family(&families, "metachat_build_info");
}

#[tokio::test]
async fn requests_are_counted_by_operation_and_never_by_path() {
    let server = TestServer::start().await;
    let (tenant, key) = server.tenant("Shop").await;
    server.get(&key, &tenant).await.expect(200);
    for nth in 0..20 {
        server
            .get(ADMIN_KEY, &format!("/made/up/{nth}"))
            .await
            .problem(404);
        server
            .get(ADMIN_KEY, &format!("/api/{nth}"))
            .await
            .problem(404);
        let nobody = format!("/api/tenants/0198c0de-0000-7000-8000-{nth:012}");
        server.get(ADMIN_KEY, &nobody).await.problem(404);
        let hook = format!("/webhooks/whatsapp/{nth}");
        server.get("", &hook).await;
        let method = Method::from_bytes(format!("MADE{nth}").as_bytes()).unwrap();
        server.call(ADMIN_KEY, method, &tenant, Value::Null).await;
    }
    let families = scrape(&server).await;
    let requests = family(&families, REQUESTS);
    let count = |method, operation, status| {
        let labels = [
            ("method", method),
            ("operation", operation),
            ("status", status),
        ];
        value(requests, &labels)
    };
    assert_eq!(count("GET", "get_tenant", "200"), Some(1.0));
    assert_eq!(count("GET", "get_tenant", "404"), Some(20.0));
    assert_eq!(count("POST", "create_tenant", "201"), Some(1.0));
    let mut operations: Vec<&str> = requests
        .samples
        .iter()
        .map(|sample| sample.labels["operation"].as_str())
        .collect();
    operations.sort_unstable();
    operations.dedup();
    let known = [
        "/api/tenants/:param0",
        "/webhooks/whatsapp/:channel_id",
        "create_api_key",
        "create_tenant",
        "get_tenant",
        "unmatched",
    ];
    assert_eq!(operations, known);
    let methods = requests
        .samples
        .iter()
        .map(|sample| sample.labels["method"].as_str());
    assert!(
        methods
            .into_iter()
            .all(|method| ["GET", "POST", "other"].contains(&method))
    );
}

#[tokio::test]
async fn how_long_requests_take_is_measured() {
    let server = TestServer::start().await;
    server.get("", "/api/health").await.expect(200);
    let families = scrape(&server).await;
    let durations = family(&families, DURATIONS);
    let health = |suffix: &str, le: Option<&str>| {
        let name = format!("{DURATIONS}{suffix}");
        let found = durations.samples.iter().find(|sample| {
            sample.name == name
                && sample.labels["operation"] == "get_health"
                && sample.labels.get("le").map(String::as_str) == le
        });
        found.map(|sample| sample.value)
    };
    assert_eq!(health("_count", None), Some(1.0));
    assert_eq!(health("_bucket", Some("+Inf")), Some(1.0));
    assert!(health("_sum", None) > Some(0.0));
    let text = server.get(ADMIN_KEY, "/metrics").await.text;
    assert!(
        text.contains("operation=\"/metrics\""),
        "a scrape counts as well"
    );
}

/// What a listener of metrics answers, head and body.
async fn asked(address: std::net::SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_listener_of_its_own_serves_metrics_and_nothing_else_without_a_key() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let end = CancellationToken::new();
    let registry = Registry::of_process("1.2.3");
    let serving = tokio::spawn(api::serve_metrics(
        listener,
        registry,
        end.clone().cancelled_owned(),
    ));
    let metrics = asked(address, "/metrics").await;
    assert!(metrics.starts_with("HTTP/1.1 200"), "{metrics}");
    assert!(
        metrics.contains("metachat_build_info{version=\"1.2.3\"} 1"),
        "{metrics}"
    );
    let alive = asked(address, "/livez").await;
    assert!(
        alive.starts_with("HTTP/1.1 200") && alive.ends_with("ok\n"),
        "{alive}"
    );
    let other = asked(address, "/api/tenants").await;
    assert!(other.starts_with("HTTP/1.1 404"), "{other}");
    end.cancel();
    serving.await.unwrap().unwrap();
}

#[test]
fn the_specification_does_not_name_the_metrics() {
    let spec: Value = serde_json::from_str(&api::openapi_json()).unwrap();
    assert_eq!(
        spec["paths"].get("/metrics"),
        None,
        "{}",
        json!("not ours to shape")
    );
}
