//! What Prometheus sees of each process.

use serde_json::json;
use testkit::exposition;

use crate::http::Http;
use crate::process::Process;
use crate::shop::Shop;
use crate::stage::{ADMIN_KEY, Stage};

/// The listener of metrics that a process says it opened.
async fn listener(process: &mut Process, key: &str) -> Http {
    let line = process.logged("metrics are served").await;
    Http::new(
        &format!("http://{}", line["address"].as_str().unwrap()),
        key,
    )
}

#[tokio::test]
async fn process_worker_serves_metrics_on_a_port_of_its_own() {
    let stage = Stage::new().await;
    let mut worker = stage.start_with("worker", &[("METACHAT_METRICS_LISTEN", "127.0.0.1:0")]);
    let scraper = listener(&mut worker, "").await;
    let alive = scraper.get("/livez").await;
    assert_eq!((alive.status.as_u16(), alive.text.as_str()), (200, "ok\n"));
    let scraped = scraper.get("/metrics").await;
    assert_eq!(scraped.status.as_u16(), 200);
    let families = exposition::parse(&scraped.text).unwrap();
    let resident = families
        .iter()
        .find(|family| family.name == "process_resident_memory_bytes");
    assert!(resident.unwrap().samples[0].value > 1e6, "{}", scraped.text);
    worker.logged("the worker runs").await;
    worker.drained().await;
}

#[tokio::test]
async fn process_api_counts_its_requests_on_both_listeners() {
    let stage = Stage::new().await;
    let mut process = stage.start_with("api", &[("METACHAT_METRICS_LISTEN", "127.0.0.1:0")]);
    let scraper = listener(&mut process, "").await;
    let line = process.logged("the API listens").await;
    let http = Http::new(
        &format!("http://{}", line["address"].as_str().unwrap()),
        ADMIN_KEY,
    );
    let shop = Shop::open(&http).await;
    let keys = format!("/api/tenants/{}/api-keys", shop.tenant);
    let own = http.post(&keys, &json!({})).await.expect(201);
    let own = http.with_key(own["key"].as_str().unwrap());
    assert_eq!(own.get("/metrics").await.status.as_u16(), 403);
    assert_eq!(
        http.with_key("nobody")
            .get("/metrics")
            .await
            .status
            .as_u16(),
        401
    );
    for scraped in [http.get("/metrics").await, scraper.get("/metrics").await] {
        assert_eq!(scraped.status.as_u16(), 200, "{scraped:?}");
        let families = exposition::parse(&scraped.text).unwrap();
        let counted = families
            .iter()
            .find(|family| family.name == "metachat_http_requests_total");
        let created = counted.unwrap().samples.iter().any(|sample| {
            sample.labels["operation"] == "create_tenant" && sample.labels["status"] == "201"
        });
        assert!(created, "{}", scraped.text);
    }
    process.drained().await;
}
