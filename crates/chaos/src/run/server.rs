use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use embedded::{Options, discard_leftovers, tell_slow_steps};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tempfile::TempDir;
use tokio::sync::Mutex;
use url::Url;

use super::ROOT;
use crate::output::say;

/// How the folders of temporary servers begin.
const PREFIX: &str = "chaos-";

/// Connections that the server accepts: few enough to use them all up.
const MAX_CONNECTIONS: u16 = 90;

/// The Postgres of a run: a durable one of its own that can be restarted, or somebody else's.
pub(crate) struct Server {
    url: Url,
    own: Option<Own>,
}

struct Own {
    running: Mutex<Option<embedded::Server>>,
    options: Options,
    dir: TempDir,
}

impl Server {
    /// The server at `url`, or one that goes when it is stopped.
    ///
    /// # Errors
    /// Those of starting it.
    pub(crate) async fn start(url: Option<&str>) -> anyhow::Result<Self> {
        if let Some(url) = url {
            let url = url.parse().context("the database's address")?;
            return Ok(Self { url, own: None });
        }
        // On the disk of the checkout: what is committed has to survive.
        let parent = Path::new(ROOT).join(".data");
        std::fs::create_dir_all(&parent)?;
        let leftovers = parent.clone();
        tokio::task::spawn_blocking(move || {
            discard_leftovers(&leftovers, PREFIX, &leftovers.join("install"));
        })
        .await?;
        let dir = tempfile::Builder::new()
            .prefix(PREFIX)
            // Root's Postgres runs as another user, who has to pass through.
            .permissions(Permissions::from_mode(0o755))
            .tempdir_in(&parent)?;
        let options = Options {
            max_connections: MAX_CONNECTIONS,
            ..Options::new(dir.path(), parent.join("install"))
        };
        let server = embedded::Server::start(options.clone(), tell_slow_steps(say)).await?;
        Ok(Self {
            url: server.url().parse()?,
            own: Some(Own {
                running: Mutex::new(Some(server)),
                options,
                dir,
            }),
        })
    }

    /// The database's address.
    pub(crate) const fn url(&self) -> &Url {
        &self.url
    }

    /// Whether it may be restarted.
    pub(crate) const fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// Stops the server, with a clean shutdown or as a crash would, and starts it after `pause`.
    ///
    /// # Errors
    /// When it does not start again.
    pub(crate) async fn restart(&self, is_crash: bool, pause: Duration) -> anyhow::Result<()> {
        let Some(own) = &self.own else {
            return Ok(());
        };
        let mut running = own.running.lock().await;
        if let Some(server) = running.take() {
            if is_crash {
                crash(server.dir()).await?;
            }
            server.stop().await?;
        }
        tokio::time::sleep(pause).await;
        *running = Some(embedded::Server::start(own.options.clone(), tell_slow_steps(say)).await?);
        Ok(())
    }

    /// Stops a server of our own and removes its data.
    ///
    /// # Errors
    /// Those of removing files.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        let Some(own) = self.own else {
            return Ok(());
        };
        if let Some(server) = own.running.into_inner() {
            server.stop().await?;
        }
        let install = own.options.install_dir;
        let discarded = tokio::task::spawn_blocking(move || {
            let path = own.dir.keep();
            embedded::discard(&path, &install)
        });
        Ok(discarded.await??)
    }
}

/// Ends a server without a word to anybody: it has to recover when it starts again.
async fn crash(dir: &Path) -> anyhow::Result<()> {
    let file: PathBuf = dir.join("cluster/postmaster.pid");
    let text = std::fs::read_to_string(&file).context("the server's process number")?;
    let number = text.lines().next().unwrap_or_default().trim().parse()?;
    let pid = Pid::from_raw(number).context("the server's process number")?;
    kill_process(pid, Signal::QUIT)?;
    let begun = Instant::now();
    // It stays a zombie until its handle is stopped, but removes its file.
    while file.exists() && test_kill_process(pid).is_ok() {
        if begun.elapsed() > Duration::from_secs(30) {
            bail!("the server did not crash");
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}
