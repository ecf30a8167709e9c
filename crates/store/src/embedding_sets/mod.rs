//! Sets of vectors: all of a tenant's vectors by one model.
//!
//! A tenant has at most one live set, which searches read, and one that is being built to take its
//! place. Whoever adds vectors, or makes a version live, holds the live set's row against changes
//! ([`hold_active`]); whoever changes a set's standing locks it. So no version and no vector falls
//! between two sets.

mod tending;

use std::borrow::Cow;

use db::{Error, Result, TenantTx, Tx as _};

use crate::chunk_embeddings::has_index;

pub use tending::{count_live, delete_retired, list_untended, set_index_status};

/// Which model makes the vectors of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Maker<'a> {
    /// The provider's name.
    pub provider: &'a str,
    /// The provider's name of the model.
    pub model: &'a str,
    /// How many numbers a vector has.
    pub dimensions: i32,
    /// All that makes vectors comparable, the address of a server included that may serve anything
    /// under a well-known name.
    pub embedder: Cow<'a, str>,
    /// The address that the tenant set; `None`: the provider's own, or the platform's.
    pub base_url: Option<&'a str>,
}

/// All of a tenant's vectors by one model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbeddingSet {
    /// Its id.
    pub id: i64,
    /// The provider's name.
    pub provider: String,
    /// The provider's name of the model.
    pub model: String,
    /// How many numbers a vector has.
    pub dimensions: i32,
    /// As [`Maker::embedder`]; `None`: nobody has kept that yet.
    pub embedder: Option<String>,
    /// As [`Maker::base_url`].
    pub base_url: Option<String>,
    /// Where it stands.
    pub status: SetStatus,
    /// Chunks that searches see, as they were last counted.
    pub chunk_count: i64,
    /// Whether its vectors stand in the index of their dimension.
    pub index_status: IndexStatus,
}

impl EmbeddingSet {
    /// Whether `maker` makes its vectors. One that nobody kept it of is by whoever bears the name.
    pub fn is_by(&self, maker: &Maker<'_>) -> bool {
        let own = (&*self.provider, &*self.model, self.dimensions);
        let embedder = self.embedder.as_deref();
        own == (maker.provider, maker.model, maker.dimensions)
            && embedder.is_none_or(|embedder| embedder == maker.embedder)
    }
}

/// Where a set stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetStatus {
    /// It fills up beside the live one.
    Building,
    /// Searches read it.
    Live,
    /// It goes.
    Retired,
}

/// Whether a set's vectors stand in the index of their dimension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexStatus {
    /// Not: every one is measured.
    Absent,
    /// New ones do, the others are put in batch by batch; every one is measured until then.
    Filling,
    /// All do.
    Ready,
}

impl IndexStatus {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Filling => "filling",
            Self::Ready => "ready",
        }
    }
}

struct Row {
    id: i64,
    provider: String,
    model: String,
    dimensions: i32,
    embedder: Option<String>,
    base_url: Option<String>,
    status: String,
    chunk_count: i64,
    index_status: String,
}

impl TryFrom<Row> for EmbeddingSet {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        let unknown = |what: &str| Error::corrupt(format!("{what} of embedding set {}", row.id));
        let status = match row.status.as_str() {
            "building" => SetStatus::Building,
            "live" => SetStatus::Live,
            "retired" => SetStatus::Retired,
            _ => return Err(unknown("status")),
        };
        let index_status = match row.index_status.as_str() {
            "absent" => IndexStatus::Absent,
            "filling" => IndexStatus::Filling,
            "ready" => IndexStatus::Ready,
            _ => return Err(unknown("index status")),
        };
        Ok(Self {
            id: row.id,
            provider: row.provider,
            model: row.model,
            dimensions: row.dimensions,
            embedder: row.embedder,
            base_url: row.base_url,
            status,
            chunk_count: row.chunk_count,
            index_status,
        })
    }
}

/// Finds the set that searches read; `None` until the first document is indexed.
///
/// # Errors
/// Those of the database.
pub async fn find_live(tx: &mut TenantTx) -> Result<Option<EmbeddingSet>> {
    let tenant = tx.tenant();
    sqlx::query_as!(
        Row,
        "
        SELECT id, provider, model, dimensions, embedder, base_url, status, chunk_count,
               index_status
        FROM embedding_sets
        WHERE tenant_id = $1
          AND status = 'live'
        ",
        tenant.as_uuid(),
    )
    .fetch_optional(tx.conn())
    .await?
    .map(EmbeddingSet::try_from)
    .transpose()
}

/// Lists the live set and the one being built, the live one first.
///
/// # Errors
/// Those of the database.
pub async fn list_active(tx: &mut TenantTx) -> Result<Vec<EmbeddingSet>> {
    let tenant = tx.tenant();
    sqlx::query_as!(
        Row,
        "
        SELECT id, provider, model, dimensions, embedder, base_url, status, chunk_count,
               index_status
        FROM embedding_sets
        WHERE tenant_id = $1
          AND status IN ('live', 'building')
        ORDER BY status DESC
        ",
        tenant.as_uuid(),
    )
    .fetch_all(tx.conn())
    .await?
    .into_iter()
    .map(EmbeddingSet::try_from)
    .collect()
}

/// Lists the live set and the one being built, the live one first, and keeps both as they stand
/// until the end of the transaction. Any number of transactions may hold them at the same time.
///
/// # Errors
/// Those of the database.
pub async fn hold_active(tx: &mut TenantTx) -> Result<Vec<EmbeddingSet>> {
    let tenant = tx.tenant();
    sqlx::query_as!(
        Row,
        "
        SELECT id, provider, model, dimensions, embedder, base_url, status, chunk_count,
               index_status
        FROM embedding_sets
        WHERE tenant_id = $1
          AND status IN ('live', 'building')
        ORDER BY status DESC
        FOR SHARE
        ",
        tenant.as_uuid(),
    )
    .fetch_all(tx.conn())
    .await?
    .into_iter()
    .map(EmbeddingSet::try_from)
    .collect()
}

/// Makes sure that the tenant has a live set, by `maker` if it has none, and holds what is active
/// as [`hold_active`] does.
///
/// # Errors
/// Those of the database.
pub async fn ensure_live(tx: &mut TenantTx, maker: &Maker<'_>) -> Result<Vec<EmbeddingSet>> {
    let tenant = tx.tenant();
    sqlx::query!(
        "
        INSERT INTO embedding_sets (tenant_id, provider, model, dimensions, embedder, base_url,
                                    status)
        VALUES ($1, $2, $3, $4, $5, $6, 'live')
        ON CONFLICT (tenant_id) WHERE status = 'live' DO NOTHING
        ",
        tenant.as_uuid(),
        maker.provider,
        maker.model,
        maker.dimensions,
        &*maker.embedder,
        maker.base_url,
    )
    .execute(tx.conn())
    .await?;
    hold_active(tx).await
}

/// Begins a set by `maker` beside the live one; `None` if the live one or the one being built is by
/// that maker already, or there is no live one. Another one that was being built is retired.
///
/// The caller enqueues the embedding of every version that is there, in the same transaction.
///
/// # Errors
/// Those of the database.
pub async fn begin_building(tx: &mut TenantTx, maker: &Maker<'_>) -> Result<Option<EmbeddingSet>> {
    let active = lock_active(tx).await?;
    let Some(live) = active.iter().find(|set| set.status == SetStatus::Live) else {
        return Ok(None);
    };
    for set in active.iter().filter(|set| set.is_by(maker)) {
        keep_maker(tx, set, maker).await?;
    }
    let building = active.iter().find(|set| set.status == SetStatus::Building);
    if let Some(building) = building {
        if building.is_by(maker) {
            return Ok(None);
        }
        set_status(tx, building.id, "retired").await?;
    }
    if live.is_by(maker) {
        return Ok(None);
    }
    // What is large stays large: its vectors are indexed as they come.
    let index_status = match live.index_status {
        IndexStatus::Filling | IndexStatus::Ready if has_index(maker.dimensions) => {
            IndexStatus::Filling
        }
        _ => IndexStatus::Absent,
    };
    let tenant = tx.tenant();
    let row = sqlx::query_as!(
        Row,
        "
        INSERT INTO embedding_sets (tenant_id, provider, model, dimensions, embedder, base_url,
                                    index_status)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        RETURNING id, provider, model, dimensions, embedder, base_url, status, chunk_count,
                  index_status
        ",
        tenant.as_uuid(),
        maker.provider,
        maker.model,
        maker.dimensions,
        &*maker.embedder,
        maker.base_url,
        index_status.as_str(),
    )
    .fetch_one(tx.conn())
    .await?;
    row.try_into().map(Some)
}

/// Puts the set that is being built in the place of the live one, which is retired, once it has a
/// vector for every chunk that searches see; tells whether it did.
///
/// # Errors
/// Those of the database.
pub async fn switch_set(tx: &mut TenantTx) -> Result<bool> {
    let active = lock_active(tx).await?;
    let of = |status| active.iter().find(|set| set.status == status);
    let (Some(live), Some(building)) = (of(SetStatus::Live), of(SetStatus::Building)) else {
        return Ok(false);
    };
    if !covers_every_document(tx, building.id).await? {
        return Ok(false);
    }
    set_status(tx, live.id, "retired").await?;
    set_status(tx, building.id, "live").await?;
    Ok(true)
}

/// Whether a set has a vector for every chunk of every document's live version.
async fn covers_every_document(tx: &mut TenantTx, set: i64) -> Result<bool> {
    let tenant = tx.tenant();
    Ok(sqlx::query_scalar!(
        r#"
        SELECT NOT EXISTS (
            SELECT
            FROM documents
            WHERE documents.tenant_id = $1
              AND documents.live_version IS NOT NULL
              AND documents.chunk_count > (
                  SELECT count(*)
                  FROM chunk_embeddings
                  WHERE chunk_embeddings.tenant_id = $1
                    AND chunk_embeddings.set_id = $2
                    AND chunk_embeddings.document_id = documents.id
                    AND chunk_embeddings.version = documents.live_version
              )
        ) AS "covers!"
        "#,
        tenant.as_uuid(),
        set,
    )
    .fetch_one(tx.conn())
    .await?)
}

/// Keeps who makes the vectors of a set, if nobody has.
async fn keep_maker(tx: &mut TenantTx, set: &EmbeddingSet, maker: &Maker<'_>) -> Result<()> {
    if set.embedder.is_some() {
        return Ok(());
    }
    let tenant = tx.tenant();
    sqlx::query!(
        "
        UPDATE embedding_sets
        SET embedder = $3,
            base_url = $4
        WHERE tenant_id = $1
          AND id = $2
        ",
        tenant.as_uuid(),
        set.id,
        &*maker.embedder,
        maker.base_url,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

async fn lock_active(tx: &mut TenantTx) -> Result<Vec<EmbeddingSet>> {
    let tenant = tx.tenant();
    sqlx::query_as!(
        Row,
        "
        SELECT id, provider, model, dimensions, embedder, base_url, status, chunk_count,
               index_status
        FROM embedding_sets
        WHERE tenant_id = $1
          AND status IN ('live', 'building')
        ORDER BY status DESC
        FOR UPDATE
        ",
        tenant.as_uuid(),
    )
    .fetch_all(tx.conn())
    .await?
    .into_iter()
    .map(EmbeddingSet::try_from)
    .collect()
}

async fn set_status(tx: &mut TenantTx, set: i64, status: &str) -> Result<()> {
    let tenant = tx.tenant();
    sqlx::query!(
        "
        UPDATE embedding_sets
        SET status = $3,
            updated_at = now()
        WHERE tenant_id = $1
          AND id = $2
        ",
        tenant.as_uuid(),
        set,
        status,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
