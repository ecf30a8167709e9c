use std::sync::Arc;

use anyhow::Context as _;
use config::Config;
use db::Db;
use embedded::{Options, Server};
use secrecy::ExposeSecret as _;

use super::demo::{self, Demo};
use super::scrape::Scrape;
use super::serve;
use crate::setup::{self, AdminKey};
use crate::{local_model, output};

/// Runs the database, the API and a worker on this machine, until it is told to end.
pub(crate) async fn run() -> anyhow::Result<()> {
    let config = setup::configure()?;
    let end = serve::told_to_end()?;
    // Before the database starts: a taken port is told in a moment.
    let listener = serve::listen(&config).await?;
    let scrape = Scrape::start(&config).await?;
    let ran = run_with(&config, &scrape, listener, end).await;
    scrape.stop().await;
    ran
}

async fn run_with(
    config: &Config,
    scrape: &Scrape,
    listener: tokio::net::TcpListener,
    end: tokio_util::sync::CancellationToken,
) -> anyhow::Result<()> {
    let (server, db) = match end.run_until_cancelled(database(config)).await {
        Some(started) => started?,
        None => return Ok(()),
    };
    let ran = run_on(config, db.clone(), scrape, listener, end).await;
    db.close().await;
    if let Some(server) = server {
        server
            .stop()
            .await
            .context("the embedded database did not stop")?;
    }
    ran
}

async fn run_on(
    config: &Config,
    db: Db,
    scrape: &Scrape,
    listener: tokio::net::TcpListener,
    end: tokio_util::sync::CancellationToken,
) -> anyhow::Result<()> {
    db.migrate().await?;
    if end
        .run_until_cancelled(local_model::ensure(config))
        .await
        .transpose()?
        .is_none()
    {
        return Ok(());
    }
    let assistant = setup::assistant(config, db)?;
    serve::model_metrics(&scrape.registry, &assistant);
    let admin_key = setup::admin_key(config)?;
    let demo = demo::ensure(&assistant).await?;
    let workers = serve::start_workers(config, assistant.clone(), &scrape.registry).await?;
    let address = listener.local_addr()?;
    output::print(&welcome(config, &address.to_string(), &admin_key, &demo))?;
    let registry = scrape.registry.clone();
    let served = serve::serve(config, assistant, registry, listener, end).await;
    workers.shut_down().await;
    served
}

/// The configured database, or the embedded one.
async fn database(config: &Config) -> anyhow::Result<(Option<Server>, Db)> {
    if config.database.url.is_some() {
        return Ok((None, setup::database(config)?));
    }
    let folder = std::path::absolute(&config.server.data_dir)?;
    let options = Options::new(folder.join("postgres"), folder.join("install"));
    let progress = Arc::new(|step: embedded::Progress| {
        output::print(&format!("  {step}")).ok();
    });
    let server = Server::start(options, progress).await?;
    let db = setup::connect(config, &server.url())?;
    Ok((Some(server), db))
}

/// What to open and what to type.
fn welcome(config: &Config, address: &str, admin: &AdminKey, demo: &Demo) -> String {
    let key_file = config.server.data_dir.join("admin.key");
    let key = if admin.is_new {
        format!(
            "{}\n              (shown this once, kept in {})",
            admin.key.expose_secret(),
            key_file.display()
        )
    } else {
        format!("in {}", key_file.display())
    };
    let (tenant, channel) = (demo.tenant, demo.channel);
    format!(
        "
Meta Chat Platform is running. Ctrl-C stops it.

  API docs    http://{address}/api/docs
  admin key   {key}
  tenant      {tenant} (Demo)
  web chat    {channel}

Type this in another terminal, with a PDF of yours:

  export API=http://{address} KEY=$(cat {key_path}) TENANT={tenant} CHANNEL={channel}
  curl -H \"Authorization: Bearer $KEY\" -F file=@handbook.pdf $API/api/tenants/$TENANT/documents
  TOKEN=$(curl -s -X POST $API/api/webchat/$CHANNEL/sessions | python3 -c 'import json,sys; print(json.load(sys.stdin)[\"token\"])')
  curl -H \"Authorization: Bearer $TOKEN\" -H 'Content-Type: application/json' \\
       -d '{{\"text\":\"What does it say about returns?\",\"client_id\":\"1\"}}' $API/api/webchat/messages
  curl -H \"Authorization: Bearer $TOKEN\" \"$API/api/webchat/messages?after=1&wait=20\"
",
        key_path = key_file.display(),
    )
}
