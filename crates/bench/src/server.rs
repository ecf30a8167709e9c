use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use anyhow::Context as _;
use db::{Db, DbOptions};
use embedded::{Binaries, Options, discard_leftovers, tell_slow_steps};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection as _};
use tempfile::TempDir;
use url::Url;

use crate::report::{ROOT, say};

/// How the folders of temporary servers begin.
const PREFIX: &str = "bench-server-";

/// The server that is measured on.
pub(crate) struct Server {
    url: Url,
    binaries: Binaries,
    own: Option<(embedded::Server, TempDir)>,
}

/// A database with every migration applied, for one suite.
pub(crate) struct Database {
    /// Its address.
    pub(crate) url: Url,
    /// The handle.
    pub(crate) db: Db,
}

impl Server {
    /// The server at `url`, or a durable one that goes when it is stopped.
    ///
    /// # Errors
    /// Those of starting it.
    pub(crate) async fn start(url: Option<String>) -> anyhow::Result<Self> {
        let install_dir = Path::new(ROOT).join(".data/install");
        if let Some(url) = url.filter(|url| !url.is_empty()) {
            let install = move || embedded::install(&install_dir, &tell_slow_steps(say));
            return Ok(Self {
                url: url.parse().context("the database's address")?,
                binaries: tokio::task::spawn_blocking(install).await??,
                own: None,
            });
        }
        // On the disk of the checkout: a temporary folder in memory would make commits free.
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
        let server =
            embedded::Server::start(Options::new(dir.path(), install_dir), tell_slow_steps(say))
                .await?;
        Ok(Self {
            url: server.url().parse()?,
            binaries: server.binaries().clone(),
            own: Some((server, dir)),
        })
    }

    /// Stops a server of our own and removes its data.
    ///
    /// # Errors
    /// Those of removing files.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        let Some((server, dir)) = self.own else {
            return Ok(());
        };
        server.stop().await?;
        tokio::task::spawn_blocking(move || {
            let path = dir.keep();
            embedded::discard(&path, &Path::new(ROOT).join(".data/install"))
        })
        .await??;
        Ok(())
    }

    /// The benchmark program of Postgres.
    pub(crate) fn pgbench(&self) -> PathBuf {
        self.binaries.pgbench()
    }

    /// Another server, which somebody else runs.
    ///
    /// # Errors
    /// When `url` is no address.
    pub(crate) fn elsewhere(&self, url: &str) -> anyhow::Result<Self> {
        Ok(Self {
            url: url.parse().context("the other server's address")?,
            binaries: self.binaries.clone(),
            own: None,
        })
    }

    /// Whether the server has an extension's files.
    ///
    /// # Errors
    /// Those of the server.
    pub(crate) async fn has_extension(&self, name: &str) -> anyhow::Result<bool> {
        let mut connection = self.connect().await?;
        let found = "SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = $1)";
        let found = sqlx::query_scalar(found)
            .bind(name)
            .fetch_one(&mut connection)
            .await?;
        connection.close().await?;
        Ok(found)
    }

    /// Makes a database, or makes it anew, and migrates it.
    ///
    /// # Errors
    /// Whatever the server or a migration has against it.
    pub(crate) async fn database(&self, name: &str) -> anyhow::Result<Database> {
        let url = self.empty_database(name).await?;
        let db = Db::connect_lazy(&DbOptions::new(url.as_str()))?;
        db.migrate().await?;
        Ok(Database { url, db })
    }

    /// Makes a database with nothing in it, or makes it anew.
    ///
    /// # Errors
    /// Those of the server.
    pub(crate) async fn empty_database(&self, name: &str) -> anyhow::Result<Url> {
        let name = format!("metachat_bench_{name}");
        self.execute(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
            .await?;
        self.execute(format!("CREATE DATABASE {name}")).await?;
        let mut url = self.url.clone();
        url.set_path(&name);
        Ok(url)
    }

    /// Drops a database of [`Server::database`].
    ///
    /// # Errors
    /// Those of the server.
    pub(crate) async fn drop_database(&self, database: Database) -> anyhow::Result<()> {
        database.db.close().await;
        self.drop_database_at(&database.url).await
    }

    /// Drops a database of [`Server::empty_database`].
    ///
    /// # Errors
    /// Those of the server.
    pub(crate) async fn drop_database_at(&self, url: &Url) -> anyhow::Result<()> {
        let name = url.path().trim_start_matches('/');
        self.execute(format!("DROP DATABASE {name} WITH (FORCE)"))
            .await
    }

    async fn execute(&self, statement: String) -> anyhow::Result<()> {
        let mut connection = self.connect().await?;
        sqlx::raw_sql(AssertSqlSafe(statement))
            .execute(&mut connection)
            .await?;
        Ok(connection.close().await?)
    }

    /// What the figures depend on, in one line.
    ///
    /// # Errors
    /// Those of the server.
    pub(crate) async fn describe(&self) -> anyhow::Result<String> {
        let mut connection = self.connect().await?;
        let (version, fsync): (String, String) = sqlx::query_as(
            "SELECT current_setting('server_version'),
                    current_setting('fsync') || ', synchronous_commit '
                        || current_setting('synchronous_commit')",
        )
        .fetch_one(&mut connection)
        .await?;
        connection.close().await?;
        let cores = std::thread::available_parallelism()?;
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load = load.split(' ').next().unwrap_or("unknown").to_owned();
        Ok(format!(
            "Postgres {version}, fsync {fsync}; {cores} cores, load {load}"
        ))
    }

    async fn connect(&self) -> anyhow::Result<PgConnection> {
        let options = PgConnectOptions::from_str(self.url.as_str())?;
        Ok(PgConnection::connect_with(&options).await?)
    }
}
