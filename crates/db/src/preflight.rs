//! Checks at the start: better one clear sentence than a strange error later.

use sqlx::PgPool;
use sqlx::migrate::Migrator;

use crate::{Db, Error, Result, Tx};

/// The oldest server we run on, as `server_version_num` counts.
const MIN_SERVER: i32 = 160_000;
/// The oldest pgvector: 0.8 brought iterative scans.
const MIN_PGVECTOR: (u32, u32) = (0, 8);

pub(crate) async fn check_server(pool: &PgPool) -> Result<()> {
    let version: i32 = sqlx::query_scalar("SELECT current_setting('server_version_num')::int")
        .fetch_one(pool)
        .await?;
    if version < MIN_SERVER {
        return Err(Error::Unfit(format!(
            "PostgreSQL {} is too old: 16 or newer is needed",
            version / 10_000
        )));
    }
    let vector: Option<String> = sqlx::query_scalar(
        "SELECT default_version FROM pg_available_extensions WHERE name = 'vector'",
    )
    .fetch_optional(pool)
    .await?;
    let Some(vector) = vector else {
        return Err(Error::Unfit(
            "the server has no pgvector: install the extension (package postgresql-NN-pgvector)"
                .to_owned(),
        ));
    };
    let mut parts = vector.split('.').map(|part| part.parse().unwrap_or(0));
    if (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) < MIN_PGVECTOR {
        return Err(Error::Unfit(format!(
            "pgvector {vector} is too old: 0.8 or newer is needed"
        )));
    }
    Ok(())
}

pub(crate) async fn check_schema(pool: &PgPool, migrator: &Migrator) -> Result<()> {
    let migrated: bool = sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL")
        .fetch_one(pool)
        .await?;
    let applied: i64 = if migrated {
        sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM _sqlx_migrations WHERE success")
            .fetch_one(pool)
            .await?
    } else {
        0
    };
    let newest = migrator
        .iter()
        .map(|migration| migration.version)
        .max()
        .unwrap_or(0);
    if applied < newest {
        return Err(Error::Unfit(format!(
            "the schema is at version {applied}, this program needs {newest}: run `metachat migrate`"
        )));
    }
    Ok(())
}

/// Refuses to run where row-level security would not hold.
pub(crate) async fn check_roles(db: &Db) -> Result<()> {
    for role in ["metachat_app", "metachat_system"] {
        let mut tx = match role {
            "metachat_app" => RoleTx::Tenant(db.tenant(domain::TenantId::new()).await?),
            _ => RoleTx::System(db.system().await?),
        };
        let (name, bypasses): (String, bool) = sqlx::query_as(
            "SELECT current_user::text, rolsuper OR rolbypassrls
             FROM pg_roles WHERE rolname = current_user",
        )
        .fetch_one(tx.conn())
        .await?;
        if name != role || bypasses {
            return Err(Error::Unfit(format!(
                "the role {name} bypasses row-level security: \
                 run `ALTER ROLE {role} NOSUPERUSER NOBYPASSRLS`"
            )));
        }
    }
    Ok(())
}

enum RoleTx {
    Tenant(crate::TenantTx),
    System(crate::SystemTx),
}

impl RoleTx {
    fn conn(&mut self) -> &mut sqlx::PgConnection {
        match self {
            Self::Tenant(tx) => tx.conn(),
            Self::System(tx) => tx.conn(),
        }
    }
}
