//! The suite `http`: the real binary, from the webhook to the send, and its memory.

mod intake;
mod latency;
pub(crate) mod process;
mod shop;

use std::time::Duration;

use testkit::standin::{GraphOptions, GraphServer, OpenAiOptions, OpenAiServer};

use crate::HttpArguments;
use crate::report::{Report, say};
use crate::server::{Database, Server};
use crate::stats::percentile_ms;
use latency::Customers;
use process::Setting;
use shop::{Operator, Shop};

/// How long a process idles before its memory is read.
const IDLE: Duration = Duration::from_secs(10);

/// Messages before a measure, for connections, plans and caches.
const WARM_UP: usize = 30;

/// What all measures share.
struct Scene {
    setting: Setting,
    client: reqwest::Client,
    base: String,
    graph: GraphServer,
    customers: Customers,
}

/// Measures all of it.
///
/// # Errors
/// When a process fails, an answer fails to come, and those of the database.
pub(crate) async fn measure(
    server: &Server,
    arguments: &HttpArguments,
    report: &mut Report,
) -> anyhow::Result<()> {
    let program = process::find_program(arguments.metachat.as_deref())?;
    let folder = process::folder()?;
    let database = server.database("http").await?;
    let graph = GraphServer::start(GraphOptions::default()).await?;
    let openai = OpenAiServer::start(OpenAiOptions::default()).await?;
    let port = process::free_port()?;
    let key = format!("{:032x}", rand::random::<u128>());
    let variables = variables(&database, port, &key, (&graph, &openai));
    let mut scene = Scene {
        setting: Setting {
            program,
            folder: folder.path().to_owned(),
            variables,
        },
        client: client()?,
        base: format!("http://127.0.0.1:{port}"),
        graph,
        customers: Customers::new(),
    };
    let shops = scene.latencies(&key, arguments.messages, report).await?;
    scene.memory(&shops, report).await?;
    say("intake …");
    let mut api = scene.setting.start("api")?;
    api.wait_ready(&scene.client, &scene.base).await?;
    let rate = intake::measure(&shops[0], &mut scene.customers, arguments.seconds).await?;
    report.note("intake_16_clients", rate, "posts/s");
    api.stop().await?;
    server.drop_database(database).await
}

impl Scene {
    /// API and worker as processes of their own; a tenant for each provider.
    async fn latencies(
        &mut self,
        key: &str,
        messages: usize,
        report: &mut Report,
    ) -> anyhow::Result<Vec<Shop>> {
        let mut api = self.setting.start("api")?;
        let worker = self.setting.start("worker")?;
        api.wait_ready(&self.client, &self.base).await?;
        let operator = Operator {
            client: &self.client,
            base: &self.base,
            key,
        };
        let mut shops = Vec::new();
        for (provider, number) in [
            ("openai", "100000000000001"),
            ("builtin", "100000000000002"),
        ] {
            say(&format!("from webhook to send, provider {provider} …"));
            let shop = operator.open_shop(provider, number).await?;
            let first = self.customers.take(WARM_UP);
            latency::measure(&shop, &self.graph, &first, 1).await?;
            for at_once in [1, 4] {
                let customers = self.customers.take(messages);
                let times = latency::measure(&shop, &self.graph, &customers, at_once).await?;
                let name = format!("webhook_to_send_{provider}_{at_once}_at_once");
                let p50 = percentile_ms(&times, 50);
                if at_once == 1 {
                    report.under(format!("{name}_p50"), p50, "ms", 30.0);
                } else {
                    report.note(format!("{name}_p50"), p50, "ms");
                }
                report.note(format!("{name}_p99"), percentile_ms(&times, 99), "ms");
            }
            shops.push(shop);
        }
        report.note("api_resident_memory", api.resident_mb()?, "MB");
        report.note("worker_resident_memory", worker.resident_mb()?, "MB");
        worker.stop().await?;
        api.stop().await?;
        Ok(shops)
    }

    /// API and worker in one process that has worked and then idles.
    async fn memory(&mut self, shops: &[Shop], report: &mut Report) -> anyhow::Result<()> {
        say("memory …");
        let mut both = self.setting.start("up")?;
        both.wait_ready(&self.client, &self.base).await?;
        let fresh = both.resident_mb()?;
        for shop in shops {
            let customers = self.customers.take(WARM_UP);
            latency::measure(shop, &self.graph, &customers, 1).await?;
        }
        tokio::time::sleep(IDLE).await;
        report.under("idle_resident_memory", both.resident_mb()?, "MB", 80.0);
        report.note("fresh_resident_memory", fresh, "MB");
        both.stop().await
    }
}

fn variables(
    database: &Database,
    port: u16,
    key: &str,
    (graph, openai): (&GraphServer, &OpenAiServer),
) -> Vec<(&'static str, String)> {
    vec![
        ("DATABASE_URL", database.url.to_string()),
        ("METACHAT_LISTEN", format!("127.0.0.1:{port}")),
        ("METACHAT_ADMIN_KEY", key.to_owned()),
        ("METACHAT_META_GRAPH_URL", graph.url().to_owned()),
        ("METACHAT_OPENAI_API_KEY", "key-of-the-stand-in".to_owned()),
        ("METACHAT_OPENAI_BASE_URL", openai.base_url()),
    ]
}

/// A client of the API; it calls loopback addresses, which the product's guarded client refuses.
#[expect(
    clippy::disallowed_methods,
    reason = "calls loopback addresses, which the product's guarded client refuses"
)]
pub(crate) fn client() -> anyhow::Result<reqwest::Client> {
    outbound::install_crypto();
    let builder = reqwest::Client::builder().no_proxy();
    Ok(builder.timeout(Duration::from_secs(30)).build()?)
}
