//! The database goes away and comes back.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use embedded::{Options, Server};
use reqwest::StatusCode;
use tempfile::TempDir;
use testkit::standin::OpenAiBehaviour;

use crate::http::{Http, Reply};
use crate::process::until;
use crate::shop::Shop;
use crate::stage::Stage;

/// Where `make up` and `make test` unpack the programs too.
const INSTALL_DIR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.data/install");

/// Names the length of the outage in seconds; 5 if it is not set.
const OUTAGE_VARIABLE: &str = "METACHAT_TEST_OUTAGE_SECONDS";

#[expect(
    clippy::disallowed_methods,
    reason = "`make chaos` has the outage last longer this way"
)]
fn outage() -> Duration {
    let seconds = std::env::var(OUTAGE_VARIABLE).ok();
    Duration::from_secs(seconds.map_or(5, |seconds| seconds.parse().unwrap()))
}

fn folder() -> TempDir {
    tempfile::Builder::new()
        // Root's Postgres runs as another user, who has to pass through.
        .permissions(Permissions::from_mode(0o755))
        .tempdir()
        .unwrap()
}

async fn start(dir: &Path) -> Server {
    let options = Options {
        durable: false,
        max_connections: 60,
        ..Options::new(dir, INSTALL_DIR)
    };
    Server::start(options, Arc::new(|_| ())).await.unwrap()
}

#[tokio::test]
async fn process_database_gone_loses_nothing() {
    let folder = folder();
    let server = start(folder.path()).await;
    let url = server.url();
    let stage = Stage::on(&url).await;
    let migrated = stage.command("migrate").output().await.unwrap();
    assert!(migrated.status.success(), "{migrated:?}");
    let api = stage.api().await;
    let worker = stage.worker();
    let shop = Shop::open(&api.http).await;
    shop.report_to(&api.http, &stage);
    // The outage strikes while the model thinks.
    stage.model.script([OpenAiBehaviour {
        first_token_ms: 1000,
        ..OpenAiBehaviour::default()
    }]);
    shop.write(&api.http, "Before?").await;
    let patience = Duration::from_secs(30);
    stage.model.wait_for(1, patience).await.unwrap();
    server.stop().await.unwrap();

    let until_then = Instant::now() + outage();
    let refused = Shop::post("During?");
    loop {
        see_unavailable(&api.http).await;
        let status = shop.deliver(&api.http, &refused).await.unwrap();
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        if Instant::now() > until_then {
            break;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }

    let server = start(folder.path()).await;
    assert_eq!(server.url(), url);
    until("the API is ready again", || async {
        let health = api.http.get("/api/health").await;
        (health.status == StatusCode::OK).then_some(())
    })
    .await;
    shop.settled(&api.http, &stage, 1).await;
    // Meta posts what was refused again, and the customer goes on.
    let status = shop.deliver(&api.http, &refused).await.unwrap();
    assert_eq!(status, StatusCode::OK);
    shop.settled(&api.http, &stage, 2).await;
    shop.write(&api.http, "After?").await;
    let messages = shop.settled(&api.http, &stage, 3).await;
    worker.drained().await;

    assert_eq!(messages.len(), 6, "{messages:?}");
    let sent = stage.graph.received();
    let texts: Vec<&str> = sent.iter().map(|message| message.text.as_str()).collect();
    assert_eq!(
        texts,
        [
            "Answer to: Before?",
            "Answer to: During?",
            "Answer to: After?"
        ]
    );
    api.process.drained().await;
    stage.pool.close().await;
    server.stop().await.unwrap();
}

async fn see_unavailable(http: &Http) {
    for path in ["/api/health", "/api/tenants"] {
        let reply: Reply = http.get(path).await;
        let problem = reply.expect(503);
        assert_eq!(
            reply.header("content-type"),
            Some("application/problem+json")
        );
        let retry_after = reply.header("retry-after").unwrap();
        assert!(retry_after.parse::<u32>().unwrap() > 0);
        assert_eq!(problem["status"], 503, "{problem}");
    }
}
