use std::str::FromStr;

use sha2::{Digest, Sha256};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection};
use url::Url;

/// Names the variable that `with-postgres` sets: the address of the server that tests share.
pub const URL_VARIABLE: &str = "METACHAT_TEST_DATABASE_URL";

/// How the databases of tests are named, before the number of the process.
const PREFIX: &str = "metachat_test_";

/// Names the variable with the folder of `psql`, `pg_dump` and `pgbench`.
pub const BIN_VARIABLE: &str = "METACHAT_TEST_PG_BIN";

/// A database of one test's own, with every migration applied. It goes when the test's process has
/// ended: the next test that makes one clears up.
///
/// Dropping it from within the test would block the test's runtime, and a connection that was just
/// being opened there would hold the drop up until Postgres gives up on it, a minute later.
///
/// It is a copy of a template that the first test makes and all later ones share.
#[derive(Debug)]
pub struct TestDb {
    url: Url,
    pool: PgPool,
}

impl TestDb {
    /// Creates the database.
    ///
    /// # Panics
    /// If there is no server to create it on, with a message that says how to get one.
    #[expect(
        clippy::panic,
        reason = "a test without its database has nothing to test"
    )]
    pub async fn new() -> Self {
        let server = variable(URL_VARIABLE)
            .unwrap_or_else(|| panic!("{URL_VARIABLE} is not set: run `make test`"));
        match Self::create_on(&server).await {
            Ok(database) => database,
            Err(error) => panic!("no database for the test: {error}"),
        }
    }

    /// Creates the database on the server of which `server_url` names any database.
    ///
    /// # Errors
    /// Whatever the server or a migration has against it.
    pub async fn create_on(
        server_url: &str,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let server = PgConnectOptions::from_str(server_url)?;
        let mut url = Url::parse(server_url)?;
        let mut connection = PgConnection::connect_with(&server).await?;
        let template = ensure_template(&mut connection, &server).await?;
        clear_up(&mut connection).await?;
        let random = hex::encode(rand::random::<[u8; 8]>());
        let name = format!("{PREFIX}{}_{random}", std::process::id());
        let statement = format!("CREATE DATABASE {name} TEMPLATE {template}");
        execute(&mut connection, statement).await?;
        connection.close().await?;
        url.set_path(&name);
        let pool = PgPoolOptions::new()
            .max_connections(10)
            .connect_lazy_with(server.clone().database(&name));
        Ok(Self { url, pool })
    }

    /// The database's address, with the rights of the owner of its schema.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// Connections with the rights of the schema's owner, past every policy: for a test's own look
    /// at the tables.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }
}

/// The folder of `psql`, `pg_dump` and `pgbench`, where the tests' server brought them.
pub fn postgres_programs() -> Option<std::path::PathBuf> {
    variable(BIN_VARIABLE).map(Into::into)
}

#[expect(
    clippy::disallowed_methods,
    reason = "tests learn of their server this way"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Drops a few databases of processes that have ended.
async fn clear_up(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    const AT_A_TIME: usize = 3;
    let names: Vec<String> =
        sqlx::query_scalar("SELECT datname::text FROM pg_database WHERE datname LIKE $1 || '%'")
            .bind(PREFIX)
            .fetch_all(&mut *connection)
            .await?;
    let ended = names.into_iter().filter(|name| {
        let process = name
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split('_').next());
        process.is_some_and(|id| !std::path::Path::new("/proc").join(id).exists())
    });
    for name in ended.take(AT_A_TIME) {
        // Somebody else may be dropping the same one.
        execute(connection, format!("DROP DATABASE IF EXISTS {name}"))
            .await
            .ok();
    }
    Ok(())
}

/// Makes sure of the migrated template; answers its name, which tells one set of migrations from
/// another.
async fn ensure_template(
    connection: &mut PgConnection,
    server: &PgConnectOptions,
) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
    let digest = db::MIGRATOR
        .iter()
        .fold(Sha256::new(), |hash, migration| {
            hash.chain_update(migration.version.to_be_bytes())
                .chain_update(&migration.checksum)
        })
        .finalize();
    let template = format!("metachat_template_{}", hex::encode(&digest[..8]));
    if exists(connection, &template).await? {
        return Ok(template);
    }
    let key = i64::from(u32::from_be_bytes([
        digest[0], digest[1], digest[2], digest[3],
    ]));
    sqlx::query("SELECT pg_advisory_lock($1)")
        .bind(key)
        .execute(&mut *connection)
        .await?;
    let made = if exists(connection, &template).await? {
        Ok(())
    } else {
        make_template(connection, server, &template).await
    };
    sqlx::query("SELECT pg_advisory_unlock($1)")
        .bind(key)
        .execute(&mut *connection)
        .await?;
    made.map(|()| template)
}

/// Migrates a database under another name and gives it its own when it is whole.
async fn make_template(
    connection: &mut PgConnection,
    server: &PgConnectOptions,
    template: &str,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let unfinished = format!("{template}_unfinished");
    let drop_it = format!("DROP DATABASE IF EXISTS {unfinished} WITH (FORCE)");
    execute(connection, drop_it).await?;
    execute(connection, format!("CREATE DATABASE {unfinished}")).await?;
    let mut migrated = PgConnection::connect_with(&server.clone().database(&unfinished)).await?;
    db::MIGRATOR.run(&mut migrated).await?;
    migrated.close().await?;
    let rename = format!("ALTER DATABASE {unfinished} RENAME TO {template}");
    execute(connection, rename).await?;
    let protect = format!("ALTER DATABASE {template} ALLOW_CONNECTIONS false");
    Ok(execute(connection, protect).await?)
}

async fn exists(connection: &mut PgConnection, name: &str) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(name)
        .fetch_one(connection)
        .await
}

async fn execute(connection: &mut PgConnection, statement: String) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(statement))
        .execute(connection)
        .await
        .map(|_| ())
}
