//! Rows of `chunks` and of their keyword index, `chunk_terms`.
//!
//! A version of a document is written whole, chunks, then terms, then embeddings, before
//! [`documents::switch_version`](crate::documents::switch_version) shows it to searches.

use db::{Result, TenantTx, Tx as _};
use domain::{ChunkId, DocumentId};
use pgvector::Vector;
use uuid::Uuid;

/// A chunk to store.
#[derive(Clone, Debug)]
pub struct NewChunk {
    /// Its id, made by the caller.
    pub id: ChunkId,
    /// Its place in the document, from 0.
    pub ordinal: i32,
    /// Its words.
    pub text: String,
    /// Its tokens, at least 1.
    pub token_count: i32,
    /// The page it starts on, from 1.
    pub page: Option<i32>,
    /// The headings it stands under.
    pub heading: Option<String>,
    /// Position of its first char in the extracted text.
    pub char_start: i32,
    /// Position after its last char.
    pub char_end: i32,
}

/// A term of a chunk that Postgres cannot find: a pair of chars of a script without spaces.
#[derive(Clone, Debug)]
pub struct NewTerm {
    /// The chunk it stands in.
    pub chunk_id: ChunkId,
    /// The term.
    pub term: String,
}

/// A chunk that waits for its embedding.
#[derive(Clone, Debug)]
pub struct Unembedded {
    /// Its id.
    pub id: ChunkId,
    /// The headings it stands under.
    pub heading: Option<String>,
    /// Its words.
    pub text: String,
}

/// What one version of a document holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionCounts {
    /// Its chunks.
    pub chunk_count: i32,
    /// Terms of all its chunks, with repeats.
    pub term_count: i64,
}

/// How far the embedding of a version has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EmbeddingProgress {
    /// Chunks that have their vector.
    pub embedded: i64,
    /// All chunks; 0 until the file is read and cut.
    pub total: i64,
}

/// Stores chunks of one version, which searches do not see yet.
///
/// # Errors
/// The constraint `chunks_document_id_version_ordinal_key`, and those of the database. A second
/// try of the same version starts with [`delete_version`].
pub async fn insert_many(
    tx: &mut TenantTx,
    document: DocumentId,
    version: i32,
    chunks: &[NewChunk],
) -> Result<()> {
    let tenant = tx.tenant();
    sqlx::query!(
        "
        INSERT INTO chunks (
            id, tenant_id, document_id, version,
            ordinal, text, token_count, page, heading, char_start, char_end
        )
        SELECT id, $1, $2, $3, ordinal, text, token_count, page, heading, char_start, char_end
        FROM unnest(
            $4::uuid[], $5::integer[], $6::text[], $7::integer[],
            $8::integer[], $9::text[], $10::integer[], $11::integer[]
        ) AS found (id, ordinal, text, token_count, page, heading, char_start, char_end)
        ",
        tenant.as_uuid(),
        document.as_uuid(),
        version,
        &column(chunks, |chunk| chunk.id.as_uuid()),
        &column(chunks, |chunk| chunk.ordinal),
        &column(chunks, |chunk| chunk.text.clone()),
        &column(chunks, |chunk| chunk.token_count),
        &column(chunks, |chunk| chunk.page) as &[Option<i32>],
        &column(chunks, |chunk| chunk.heading.clone()) as &[Option<String>],
        &column(chunks, |chunk| chunk.char_start),
        &column(chunks, |chunk| chunk.char_end),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Fills the keyword index for these chunks, and their `term_count`: the lexemes of heading and
/// text by the text search configuration `text_config`, and the terms given. A chunk that has
/// terms already keeps them.
///
/// # Errors
/// Those of the database, among them a configuration that it does not know.
pub async fn index_terms(
    tx: &mut TenantTx,
    chunks: &[ChunkId],
    text_config: &str,
    terms: &[NewTerm],
) -> Result<()> {
    let tenant = tx.tenant();
    sqlx::query!(
        "
        WITH fresh AS MATERIALIZED (
            SELECT id, concat_ws(' ', heading, text) AS words
            FROM chunks
            WHERE tenant_id = $1 AND id = ANY ($2::uuid[]) AND term_count = 0
        ), found AS (
            SELECT fresh.id AS chunk_id, lexemes.lexeme AS term,
                cardinality(lexemes.positions)::bigint AS frequency
            FROM fresh
            CROSS JOIN LATERAL unnest(to_tsvector($3::text::regconfig, fresh.words)) AS lexemes
            UNION ALL
            SELECT given.chunk_id, given.term, count(*)
            FROM unnest($4::uuid[], $5::text[]) AS given (chunk_id, term)
            JOIN fresh ON fresh.id = given.chunk_id
            GROUP BY given.chunk_id, given.term
        ), inserted AS (
            INSERT INTO chunk_terms (tenant_id, term, chunk_id, frequency)
            SELECT $1, term, chunk_id, least(max(frequency), 32767)
            FROM found
            GROUP BY term, chunk_id
            RETURNING chunk_id, frequency
        )
        UPDATE chunks
        SET term_count = counts.terms
        FROM (
            SELECT chunk_id, sum(frequency) AS terms FROM inserted GROUP BY chunk_id
        ) AS counts
        WHERE chunks.tenant_id = $1 AND chunks.id = counts.chunk_id
        ",
        tenant.as_uuid(),
        &uuids(chunks),
        text_config,
        &column(terms, |term| term.chunk_id.as_uuid()),
        &column(terms, |term| term.term.clone()),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Stores embeddings made by `model`, a name that tells maker and dimension; returns how many
/// chunks were there to take one.
///
/// # Errors
/// Those of the database.
pub async fn set_embeddings(
    tx: &mut TenantTx,
    model: &str,
    embeddings: Vec<(ChunkId, Vec<f32>)>,
) -> Result<u64> {
    let tenant = tx.tenant();
    let (ids, vectors): (Vec<Uuid>, Vec<Vector>) = embeddings
        .into_iter()
        .map(|(id, embedding)| (id.as_uuid(), Vector::from(embedding)))
        .unzip();
    let done = sqlx::query!(
        "
        UPDATE chunks
        SET embedding = given.embedding, embedding_model = $2
        FROM unnest($3::uuid[], $4::vector[]) AS given (id, embedding)
        WHERE chunks.tenant_id = $1 AND chunks.id = given.id
        ",
        tenant.as_uuid(),
        model,
        &ids,
        &vectors as &[Vector],
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected())
}

/// The chunks of a run, `count` of them from ordinal `first`, that have no embedding by `model`, in
/// the order of the text.
///
/// # Errors
/// Those of the database.
pub async fn list_run(
    tx: &mut TenantTx,
    document: DocumentId,
    version: i32,
    model: &str,
    first: i32,
    count: i32,
) -> Result<Vec<Unembedded>> {
    let tenant = tx.tenant();
    Ok(sqlx::query_as!(
        Unembedded,
        r#"
        SELECT id AS "id: ChunkId", heading, text
        FROM chunks
        WHERE tenant_id = $1 AND document_id = $2 AND version = $3
            AND ordinal >= $5 AND ordinal < $5 + $6
            AND embedding_model IS DISTINCT FROM $4
        ORDER BY ordinal
        "#,
        tenant.as_uuid(),
        document.as_uuid(),
        version,
        model,
        first,
        count,
    )
    .fetch_all(tx.conn())
    .await?)
}

/// How many chunks of a version have no embedding by `model`.
///
/// # Errors
/// Those of the database.
pub async fn count_unembedded(
    tx: &mut TenantTx,
    document: DocumentId,
    version: i32,
    model: &str,
) -> Result<i64> {
    let tenant = tx.tenant();
    Ok(sqlx::query_scalar!(
        r#"
        SELECT count(*) AS "count!"
        FROM chunks
        WHERE tenant_id = $1 AND document_id = $2 AND version = $3
            AND embedding_model IS DISTINCT FROM $4
        "#,
        tenant.as_uuid(),
        document.as_uuid(),
        version,
        model,
    )
    .fetch_one(tx.conn())
    .await?)
}

/// How far the embedding of a version has come.
///
/// # Errors
/// Those of the database.
pub async fn embedding_progress(
    tx: &mut TenantTx,
    document: DocumentId,
    version: i32,
    model: &str,
) -> Result<EmbeddingProgress> {
    let tenant = tx.tenant();
    Ok(sqlx::query_as!(
        EmbeddingProgress,
        r#"
        SELECT count(*) FILTER (WHERE embedding_model = $4) AS "embedded!", count(*) AS "total!"
        FROM chunks
        WHERE tenant_id = $1 AND document_id = $2 AND version = $3
        "#,
        tenant.as_uuid(),
        document.as_uuid(),
        version,
        model,
    )
    .fetch_one(tx.conn())
    .await?)
}

/// Counts what a version holds, for [`documents::switch_version`](crate::documents::switch_version).
///
/// # Errors
/// Those of the database.
pub async fn count_version(
    tx: &mut TenantTx,
    document: DocumentId,
    version: i32,
) -> Result<VersionCounts> {
    let tenant = tx.tenant();
    Ok(sqlx::query_as!(
        VersionCounts,
        r#"
        SELECT count(*)::integer AS "chunk_count!",
            coalesce(sum(term_count), 0)::bigint AS "term_count!"
        FROM chunks
        WHERE tenant_id = $1 AND document_id = $2 AND version = $3
        "#,
        tenant.as_uuid(),
        document.as_uuid(),
        version,
    )
    .fetch_one(tx.conn())
    .await?)
}

/// Deletes up to `limit` chunks of versions older than the live one; returns how many. Fewer than
/// `limit` means that none is left.
///
/// # Errors
/// Those of the database.
pub async fn delete_outdated(tx: &mut TenantTx, document: DocumentId, limit: i64) -> Result<u64> {
    let tenant = tx.tenant();
    let done = sqlx::query!(
        "
        DELETE FROM chunks
        WHERE tenant_id = $1 AND id IN (
            SELECT chunks.id
            FROM chunks
            JOIN documents ON documents.tenant_id = $1 AND documents.id = chunks.document_id
            WHERE chunks.tenant_id = $1 AND chunks.document_id = $2
                AND chunks.version < documents.live_version
            LIMIT $3
        )
        ",
        tenant.as_uuid(),
        document.as_uuid(),
        limit,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected())
}

/// Deletes the chunks of a version that is not live, so that it can be written again; returns how
/// many.
///
/// # Errors
/// Those of the database.
pub async fn delete_version(tx: &mut TenantTx, document: DocumentId, version: i32) -> Result<u64> {
    let tenant = tx.tenant();
    let done = sqlx::query!(
        "
        DELETE FROM chunks
        USING documents
        WHERE chunks.tenant_id = $1 AND chunks.document_id = $2 AND chunks.version = $3
            AND documents.tenant_id = $1 AND documents.id = $2
            AND documents.live_version IS DISTINCT FROM $3
        ",
        tenant.as_uuid(),
        document.as_uuid(),
        version,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected())
}

fn uuids(ids: &[ChunkId]) -> Vec<Uuid> {
    column(ids, |id| id.as_uuid())
}

/// One column of rows that go to the database as arrays.
fn column<T, U>(rows: &[T], pick: impl Fn(&T) -> U) -> Vec<U> {
    rows.iter().map(pick).collect()
}
