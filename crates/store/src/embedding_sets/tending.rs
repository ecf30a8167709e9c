//! What is done about sets once documents have changed.

use db::{Result, SystemTx, TenantTx, Tx as _};
use domain::TenantId;

use super::{EmbeddingSet, IndexStatus, Maker, Row};

/// Counts the chunks that searches see, keeps the number with the live set, and returns the set.
///
/// # Errors
/// Those of the database.
pub async fn count_live(tx: &mut TenantTx) -> Result<Option<EmbeddingSet>> {
    let tenant = tx.tenant();
    sqlx::query_as!(
        Row,
        "
        UPDATE embedding_sets
        SET chunk_count = (
                SELECT coalesce(sum(documents.chunk_count), 0)
                FROM documents
                WHERE documents.tenant_id = $1
                  AND documents.live_version IS NOT NULL
            ),
            updated_at = now()
        WHERE tenant_id = $1
          AND status = 'live'
        RETURNING id, provider, model, dimensions, embedder, base_url, status, chunk_count,
                  index_status
        ",
        tenant.as_uuid(),
    )
    .fetch_optional(tx.conn())
    .await?
    .map(EmbeddingSet::try_from)
    .transpose()
}

/// Notes how far a set's index is. Waits for everybody who is adding vectors: after the commit of
/// `Filling` no vector comes that is not indexed.
///
/// # Errors
/// Those of the database.
pub async fn set_index_status(tx: &mut TenantTx, set: i64, status: IndexStatus) -> Result<()> {
    let tenant = tx.tenant();
    sqlx::query!(
        "
        UPDATE embedding_sets
        SET index_status = $3,
            updated_at = now()
        WHERE tenant_id = $1
          AND id = $2
        ",
        tenant.as_uuid(),
        set,
        status.as_str(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Deletes up to `limit` vectors of retired sets, and retired sets that have none; returns how many
/// vectors went. Fewer than `limit` means that none is left.
///
/// # Errors
/// Those of the database.
pub async fn delete_retired(tx: &mut TenantTx, limit: i64) -> Result<u64> {
    let tenant = tx.tenant();
    let gone = sqlx::query!(
        "
        DELETE FROM chunk_embeddings
        WHERE tenant_id = $1
          AND (set_id, chunk_id) IN (
              SELECT chunk_embeddings.set_id, chunk_embeddings.chunk_id
              FROM embedding_sets
              JOIN chunk_embeddings ON chunk_embeddings.tenant_id = $1
                  AND chunk_embeddings.set_id = embedding_sets.id
              WHERE embedding_sets.tenant_id = $1
                AND embedding_sets.status = 'retired'
              LIMIT $2
          )
        ",
        tenant.as_uuid(),
        limit,
    )
    .execute(tx.conn())
    .await?
    .rows_affected();
    if gone < limit.unsigned_abs() {
        sqlx::query!(
            "DELETE FROM embedding_sets WHERE tenant_id = $1 AND status = 'retired'",
            tenant.as_uuid(),
        )
        .execute(tx.conn())
        .await?;
    }
    Ok(gone)
}

/// Lists up to `limit` tenants that set no embedder of their own and whose live set is not by `maker`,
/// whose live set nobody kept the maker of, or that have retired sets or removed versions: those
/// whose indexes want tending.
///
/// # Errors
/// Those of the database.
pub async fn list_untended(
    tx: &mut SystemTx,
    maker: &Maker<'_>,
    limit: i64,
) -> Result<Vec<TenantId>> {
    Ok(sqlx::query_scalar!(
        r#"
        SELECT tenant_id AS "tenant_id!: TenantId"
        FROM (
            SELECT tenant_id
            FROM embedding_sets
            WHERE status = 'retired'
               OR index_status = 'filling'
               OR (status = 'live' AND embedder IS NULL)
               OR (
                   status = 'live'
                   AND (provider, model, dimensions, embedder) <> ($1, $2, $3, $5)
                   AND NOT EXISTS (
                       SELECT FROM tenants
                       WHERE tenants.id = embedding_sets.tenant_id
                         AND jsonb_typeof(tenants.settings -> 'embedding') = 'object'
                   )
               )
            UNION
            SELECT tenant_id
            FROM keyword_removals
        ) AS untended
        LIMIT $4
        "#,
        maker.provider,
        maker.model,
        maker.dimensions,
        limit,
        &*maker.embedder,
    )
    .fetch_all(tx.conn())
    .await?)
}
