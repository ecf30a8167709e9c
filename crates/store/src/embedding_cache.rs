//! Vectors by the text they were made of, one cache for each tenant.

use std::collections::HashMap;

use chrono::NaiveDate;
use db::{Result, SystemTx, TenantTx, Tx as _};
use pgvector::Vector;

/// SHA-256 of a text as the model gets it.
pub type TextHash = [u8; 32];

/// The most rows that one statement deletes.
const DELETE_BATCH: i64 = 1000;

/// The vectors that `model` made of these texts, as far as the tenant has them; they count as used
/// today. `model` tells provider, model and dimension.
///
/// # Errors
/// Those of the database.
pub async fn find_many(
    tx: &mut TenantTx,
    model: &str,
    texts: &[TextHash],
) -> Result<HashMap<TextHash, Vec<f32>>> {
    let tenant = tx.tenant();
    let hashes: Vec<Vec<u8>> = texts.iter().map(|hash| hash.to_vec()).collect();
    // A row is written at most once a day for being used, whoever waits for it is passed by.
    let rows = sqlx::query!(
        r#"
        WITH stale AS MATERIALIZED (
            SELECT text_hash
            FROM embedding_cache
            WHERE tenant_id = $1
              AND model = $2
              AND text_hash = ANY ($3)
              AND last_used_on < (now() AT TIME ZONE 'UTC')::date
            ORDER BY text_hash
            FOR UPDATE SKIP LOCKED
        ), used AS (
            UPDATE embedding_cache AS c
            SET last_used_on = (now() AT TIME ZONE 'UTC')::date
            FROM stale AS s
            WHERE c.tenant_id = $1
              AND c.model = $2
              AND c.text_hash = s.text_hash
        )
        SELECT text_hash, embedding AS "embedding: Vector"
        FROM embedding_cache
        WHERE tenant_id = $1
          AND model = $2
          AND text_hash = ANY ($3)
        "#,
        tenant.as_uuid(),
        model,
        &hashes,
    )
    .fetch_all(tx.conn())
    .await?;
    let found = rows.into_iter().filter_map(|row| {
        let hash = TextHash::try_from(row.text_hash).ok()?;
        Some((hash, row.embedding.into()))
    });
    Ok(found.collect())
}

/// Keeps what `model` made of texts; those the tenant has already stay as they are.
///
/// # Errors
/// Those of the database.
pub async fn insert_many(
    tx: &mut TenantTx,
    model: &str,
    vectors: &[(TextHash, Vec<f32>)],
) -> Result<()> {
    let tenant = tx.tenant();
    // In one order, so that two who keep the same texts do not wait for each other in a circle.
    let mut ordered: Vec<_> = vectors.iter().collect();
    ordered.sort_unstable_by_key(|(hash, _)| *hash);
    let (hashes, embeddings): (Vec<Vec<u8>>, Vec<Vector>) = ordered
        .into_iter()
        .map(|(hash, vector)| (hash.to_vec(), Vector::from(vector.clone())))
        .unzip();
    sqlx::query!(
        "
        INSERT INTO embedding_cache (tenant_id, model, text_hash, embedding)
        SELECT $1, $2, text_hash, embedding
        FROM unnest($3::bytea[], $4::vector[]) AS made (text_hash, embedding)
        ON CONFLICT (tenant_id, model, text_hash) DO NOTHING
        ",
        tenant.as_uuid(),
        model,
        &hashes,
        &embeddings as &[Vector],
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Deletes vectors of all tenants that were last used before a day, a thousand at most; returns how
/// many. Fewer than [`is_more`] says means that none is left.
///
/// # Errors
/// Those of the database.
pub async fn delete_unused(tx: &mut SystemTx, before: NaiveDate) -> Result<u64> {
    let deleted = sqlx::query!(
        "
        DELETE FROM embedding_cache AS c
        USING (
            SELECT tenant_id, model, text_hash
            FROM embedding_cache
            WHERE last_used_on < $1
            LIMIT $2
            FOR UPDATE SKIP LOCKED
        ) AS old
        WHERE c.tenant_id = old.tenant_id
          AND c.model = old.model
          AND c.text_hash = old.text_hash
        ",
        before,
        DELETE_BATCH,
    )
    .execute(tx.conn())
    .await?;
    Ok(deleted.rows_affected())
}

/// Whether a [`delete_unused`] that deleted so many may have left some.
pub const fn is_more(deleted: u64) -> bool {
    deleted >= DELETE_BATCH.unsigned_abs()
}
