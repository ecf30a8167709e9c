//! The suite `http`: the real binary, from the webhook to the send, and its memory.

mod bare;
mod caller;
mod intake;
mod latency;
pub(crate) mod process;
mod shop;
mod steady;

use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use testkit::standin::{GraphOptions, GraphServer, OpenAiOptions, OpenAiServer};

use crate::HttpArguments;
use crate::report::{Aim, Report, Row, say};
use crate::server::{Database, Server};
use crate::stats::percentile_ms;
use latency::Customers;
use process::Setting;
use shop::{Operator, Shop};

/// How long a process idles before its memory is read.
const IDLE: Duration = Duration::from_secs(10);

/// Messages before a measure, for connections, plans and caches.
const WARM_UP: usize = 30;

/// Messages of a second while all that follows is timed.
const MESSAGES_A_SECOND: u32 = 100;

/// Webhooks of a second while no worker runs.
const POSTS_A_SECOND: u32 = 1000;

/// How often webhooks and bare inserts take turns.
const ROUNDS: usize = 5;

/// What the suite measures, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Measure {
    /// From a webhook to its send, one and four at a time.
    Latency,
    /// Resident memory.
    Memory,
    /// From a webhook to its send at a steady rate.
    Sustained,
    /// Webhooks while no worker runs.
    Intake,
}

/// What all measures share.
struct Scene {
    setting: Setting,
    client: reqwest::Client,
    base: String,
    graph: GraphServer,
    customers: Customers,
}

/// What answers.
#[derive(Clone, Copy)]
enum Processes {
    /// API and worker in one, as `metachat up` is.
    One,
    /// One each.
    Two,
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
    let wanted = |measure| arguments.only.is_empty() || arguments.only.contains(&measure);
    let messages = wanted(Measure::Latency).then_some(arguments.messages);
    let shops = scene.latencies(&key, messages, report).await?;
    if wanted(Measure::Memory) {
        scene.memory(&shops, report).await?;
    }
    let shops: Vec<Arc<Shop>> = shops.into_iter().map(Arc::new).collect();
    let seconds = arguments.seconds();
    if wanted(Measure::Sustained) {
        scene
            .sustained(&shops, seconds, Processes::One, report)
            .await?;
        scene
            .sustained(&shops, seconds, Processes::Two, report)
            .await?;
    }
    if wanted(Measure::Intake) {
        scene.intake(&shops[0], &database, seconds, report).await?;
    }
    server.drop_database(database).await
}

impl Scene {
    /// API and worker as processes of their own; a tenant for each provider. `messages` of each are
    /// timed, if any are.
    async fn latencies(
        &mut self,
        key: &str,
        messages: Option<usize>,
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
                let Some(messages) = messages else {
                    continue;
                };
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

    /// Messages at a steady rate, answered by a model that takes no time.
    async fn sustained(
        &mut self,
        shops: &[Arc<Shop>],
        seconds: u64,
        processes: Processes,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        say("messages at a steady rate …");
        let (first, second) = match processes {
            Processes::One => ("up", None),
            Processes::Two => ("api", Some(self.setting.start("worker")?)),
        };
        let mut api = self.setting.start(first)?;
        api.wait_ready(&self.client, &self.base).await?;
        for (shop, name) in shops.iter().zip(["openai", "builtin"]) {
            let warm = self.customers.take(WARM_UP);
            latency::measure(shop, &self.graph, &warm, 1).await?;
            let count = usize::try_from(u64::from(MESSAGES_A_SECOND) * seconds)?;
            let customers = self.customers.take(count);
            let before = self.graph.received().len();
            let steady = steady::post(shop, &customers, MESSAGES_A_SECOND).await?;
            let times = steady::answered(&self.graph, &steady, before).await?;
            let measure = format!("200_to_send_{name}_100_a_second");
            for (percent, most) in [(50, 15.0), (99, 60.0)] {
                let took = percentile_ms(&times, percent);
                if second.is_none() {
                    report.under(format!("{measure}_p{percent}"), took, "ms", most);
                } else {
                    let measure = format!("{measure}_two_processes_p{percent}");
                    report.note(measure, took, "ms");
                }
            }
        }
        if let Some(worker) = second {
            worker.stop().await?;
        }
        api.stop().await
    }

    /// Webhooks while no worker runs: how many, beside bare inserts, and how soon at a steady rate.
    async fn intake(
        &mut self,
        shop: &Arc<Shop>,
        database: &Database,
        seconds: u64,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        say("intake …");
        let mut api = self.setting.start("api")?;
        api.wait_ready(&self.client, &self.base).await?;
        let warm = self.customers.take(WARM_UP);
        steady::post(shop, &warm, MESSAGES_A_SECOND).await?;
        let bare = bare::Bare::prepare(database.url.as_str()).await?;
        let (mut posts, mut inserts) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            posts.push(intake::measure(shop, &mut self.customers, seconds.min(5)).await?);
            inserts.push(bare.measure(seconds.min(5)).await?);
        }
        let row = Row::new("intake_16_clients", "posts/s", &posts).beside(&inserts);
        let note = "beside: bare inserts of the same two rows, by 16 clients";
        report.push(row.aim(Aim::RatioAtLeast(0.6)).note(note));
        let count = usize::try_from(u64::from(POSTS_A_SECOND) * seconds)?;
        let customers = self.customers.take(count);
        let answered = intake::steady(shop, &customers, POSTS_A_SECOND).await?;
        let name = |what: &str| format!("intake_1000_a_second_{what}");
        report.note(name("p50"), percentile_ms(&answered.times, 50), "ms");
        report.under(name("p99"), percentile_ms(&answered.times, 99), "ms", 25.0);
        let lost = intake::lost(database.url.as_str(), &answered.messages).await?;
        let row = Row::new(name("lost"), "posts", &[f64::from(lost)]).aim(Aim::AtMost(0.0));
        let posts = answered.messages.len();
        report.push(row.note(format!("of {posts} that were answered by 200")));
        api.stop().await
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
