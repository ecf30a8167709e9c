//! The keyword index: rows of `keyword_segments`, `keyword_postings` and `keyword_removals`.
//!
//! A segment never changes but for `live`, which the switch of its version sets. What leaves the
//! collection is noted as a removal, and is dropped from the segments when they are merged. The
//! columns of bytes are `rag::keyword`'s.

use db::{Result, TenantTx, Tx as _};
use domain::DocumentId;

/// A segment to store.
#[derive(Clone, Debug)]
pub struct NewSegment {
    /// The version it is made of, which searches do not see yet; `None`: it is merged from several
    /// that they see.
    pub version: Option<(DocumentId, i32)>,
    /// Its chunks, at least 1.
    pub chunk_count: i32,
    /// Terms of all its chunks, with repeats.
    pub term_count: i64,
    /// Text search configurations of its documents.
    pub text_configs: Vec<String>,
    /// Its postings stand in 2^n rows at most.
    pub bucket_bits: i16,
    /// Which chunks it has.
    pub directory: Vec<u8>,
    /// How many terms each has.
    pub lengths: Vec<u8>,
}

/// A segment without its postings.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Its id; a later one is greater.
    pub id: i64,
    /// Its chunks.
    pub chunk_count: i32,
    /// Terms of all its chunks, with repeats.
    pub term_count: i64,
    /// Text search configurations of its documents.
    pub text_configs: Vec<String>,
    /// Its postings stand in 2^n rows at most.
    pub bucket_bits: i16,
    /// Which chunks it has.
    pub directory: Vec<u8>,
    /// How many terms each has.
    pub lengths: Vec<u8>,
}

/// Postings of the terms whose hashes fall into one bucket.
#[derive(Clone, Debug)]
pub struct Bucket {
    /// The first `bucket_bits` bits of those hashes.
    pub bucket: i32,
    /// The terms with their postings.
    pub terms: Vec<u8>,
}

/// A version whose postings count no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Removal {
    /// Its document, which may be gone.
    pub document_id: DocumentId,
    /// The version.
    pub version: i32,
    /// Its chunks that are still in segments.
    pub chunk_count: i32,
    /// Their terms, with repeats.
    pub term_count: i64,
    /// Whether it never comes back: a disabled document's may.
    pub is_final: bool,
}

/// A lexeme of one of several texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lexeme {
    /// Which text, from 0.
    pub text: i64,
    /// The lexeme.
    pub lexeme: String,
    /// How often it stands there, 255 at most.
    pub count: i32,
}

/// A lexeme of a question, by one of the configurations of the tenant's documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuestionLexeme {
    /// The text search configuration.
    pub text_config: String,
    /// The lexeme; `None`: the configuration makes nothing of the question.
    pub lexeme: Option<String>,
    /// Where it stands, from 1, words that count for nothing included.
    pub positions: Vec<i16>,
}

/// What a search reads of one segment.
#[derive(Clone, Debug)]
pub struct Read {
    /// Its chunks.
    pub chunk_count: i32,
    /// Terms of all its chunks, with repeats.
    pub term_count: i64,
    /// Which chunks it has.
    pub directory: Vec<u8>,
    /// How many terms each has.
    pub lengths: Vec<u8>,
    /// The buckets asked for.
    pub buckets: Vec<Vec<u8>>,
}

/// What a search reads: one state of the index.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Every live segment.
    pub segments: Vec<Read>,
    /// What in them counts no more: document, version, chunks and terms.
    pub removals: Vec<(DocumentId, i32, i32, i64)>,
}

/// Takes texts apart as the text search configuration does.
///
/// # Errors
/// Those of the database, among them a configuration that it does not know.
pub async fn list_lexemes(
    tx: &mut TenantTx,
    text_config: &str,
    texts: &[String],
) -> Result<Vec<Lexeme>> {
    Ok(sqlx::query_as!(
        Lexeme,
        r#"
        SELECT texts.number - 1 AS "text!", lexemes.lexeme AS "lexeme!",
               cardinality(lexemes.positions) AS "count!"
        FROM unnest($2::text[]) WITH ORDINALITY AS texts (words, number)
        CROSS JOIN LATERAL unnest(to_tsvector($1::text::regconfig, texts.words)) AS lexemes
        "#,
        text_config,
        texts,
    )
    .fetch_all(tx.conn())
    .await?)
}

/// Takes a question apart by every configuration that the tenant's documents have.
///
/// # Errors
/// Those of the database.
pub async fn list_question_lexemes(
    tx: &mut TenantTx,
    question: &str,
) -> Result<Vec<QuestionLexeme>> {
    let tenant = tx.tenant();
    Ok(sqlx::query_as!(
        QuestionLexeme,
        r#"
        SELECT configs.name AS "text_config!", lexemes.lexeme AS "lexeme?",
               coalesce(lexemes.positions, '{}') AS "positions!"
        FROM (
            SELECT DISTINCT unnest(text_configs) AS name
            FROM keyword_segments
            WHERE tenant_id = $1
              AND live
        ) AS configs
        LEFT JOIN LATERAL unnest(to_tsvector(configs.name::regconfig, $2)) AS lexemes ON true
        ORDER BY 1, 2
        "#,
        tenant.as_uuid(),
        question,
    )
    .fetch_all(tx.conn())
    .await?)
}

/// Reads the buckets of the given hashes, of 32 bits each, from every live segment, and what counts
/// no more: by one statement, so that a merge in between is seen whole or not at all.
///
/// # Errors
/// Those of the database.
pub async fn read(tx: &mut TenantTx, hashes: &[i64]) -> Result<Snapshot> {
    let tenant = tx.tenant();
    let rows = sqlx::query_file!("queries/search/keyword.sql", tenant.as_uuid(), hashes)
        .fetch_all(tx.conn())
        .await?;
    let mut snapshot = Snapshot::default();
    for row in rows {
        let (chunk_count, term_count) = (row.chunk_count, row.term_count);
        match (row.document_id, row.version) {
            (Some(document), Some(version)) => {
                let removal = (document, version, chunk_count, term_count);
                snapshot.removals.push(removal);
            }
            _ => snapshot.segments.push(Read {
                chunk_count,
                term_count,
                directory: row.directory.unwrap_or_default(),
                lengths: row.lengths.unwrap_or_default(),
                buckets: row.buckets.unwrap_or_default(),
            }),
        }
    }
    Ok(snapshot)
}

/// Stores a segment without its postings; returns its id.
///
/// # Errors
/// Those of the database.
pub async fn insert_segment(tx: &mut TenantTx, segment: &NewSegment) -> Result<i64> {
    let tenant = tx.tenant();
    let (document, version) = segment.version.unzip();
    Ok(sqlx::query_scalar!(
        "
        INSERT INTO keyword_segments (
            tenant_id, document_id, version, live, chunk_count, term_count, text_configs,
            bucket_bits, directory, lengths
        )
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        RETURNING id
        ",
        tenant.as_uuid(),
        document.map(DocumentId::as_uuid),
        version,
        segment.version.is_none(),
        segment.chunk_count,
        segment.term_count,
        &segment.text_configs,
        segment.bucket_bits,
        segment.directory,
        segment.lengths,
    )
    .fetch_one(tx.conn())
    .await?)
}

/// Stores postings of a segment.
///
/// # Errors
/// Those of the database.
pub async fn insert_postings(tx: &mut TenantTx, segment: i64, buckets: &[Bucket]) -> Result<()> {
    let tenant = tx.tenant();
    let numbers: Vec<i32> = buckets.iter().map(|bucket| bucket.bucket).collect();
    let terms: Vec<&[u8]> = buckets.iter().map(|bucket| &bucket.terms[..]).collect();
    sqlx::query!(
        "
        INSERT INTO keyword_postings (segment_id, bucket, tenant_id, terms)
        SELECT $2, given.bucket, $1, given.terms
        FROM unnest($3::integer[], $4::bytea[]) AS given (bucket, terms)
        ",
        tenant.as_uuid(),
        segment,
        &numbers,
        &terms as &[&[u8]],
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Lets the segments of a version count.
///
/// # Errors
/// Those of the database.
pub(crate) async fn show_version(
    tx: &mut TenantTx,
    document: DocumentId,
    version: i32,
) -> Result<()> {
    let tenant = tx.tenant();
    sqlx::query!(
        "
        UPDATE keyword_segments
        SET live = true
        WHERE tenant_id = $1
          AND document_id = $2
          AND version = $3
        ",
        tenant.as_uuid(),
        document.as_uuid(),
        version,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Notes that a document's live version, if it has one, counts no more.
///
/// # Errors
/// Those of the database.
pub(crate) async fn remove_live_version(tx: &mut TenantTx, document: DocumentId) -> Result<()> {
    let tenant = tx.tenant();
    sqlx::query!(
        "
        INSERT INTO keyword_removals (tenant_id, document_id, version, chunk_count, term_count)
        SELECT $1, id, live_version, chunk_count, term_count
        FROM documents
        WHERE tenant_id = $1
          AND id = $2
          AND live_version IS NOT NULL
        ON CONFLICT DO NOTHING
        ",
        tenant.as_uuid(),
        document.as_uuid(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Lets a document's live version count again.
///
/// # Errors
/// Those of the database.
pub(crate) async fn restore_live_version(tx: &mut TenantTx, document: DocumentId) -> Result<()> {
    let tenant = tx.tenant();
    sqlx::query!(
        "
        DELETE FROM keyword_removals
        USING documents
        WHERE keyword_removals.tenant_id = $1
          AND keyword_removals.document_id = $2
          AND documents.tenant_id = $1
          AND documents.id = $2
          AND keyword_removals.version = documents.live_version
        ",
        tenant.as_uuid(),
        document.as_uuid(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Deletes the segments of a version that searches do not see.
///
/// # Errors
/// Those of the database.
pub(crate) async fn delete_unseen(
    tx: &mut TenantTx,
    document: DocumentId,
    version: i32,
) -> Result<()> {
    let tenant = tx.tenant();
    sqlx::query!(
        "
        DELETE FROM keyword_segments
        WHERE tenant_id = $1
          AND document_id = $2
          AND version = $3
          AND NOT live
        ",
        tenant.as_uuid(),
        document.as_uuid(),
        version,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Deletes the segments of every version of a document that searches do not see.
///
/// # Errors
/// Those of the database.
pub(crate) async fn delete_unseen_versions(tx: &mut TenantTx, document: DocumentId) -> Result<()> {
    let tenant = tx.tenant();
    sqlx::query!(
        "
        DELETE FROM keyword_segments
        WHERE tenant_id = $1
          AND document_id = $2
          AND NOT live
        ",
        tenant.as_uuid(),
        document.as_uuid(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Lists the live segments and locks them until the end of the transaction, in the order of their
/// ids; searches read on.
///
/// # Errors
/// Those of the database.
pub async fn lock_segments(tx: &mut TenantTx) -> Result<Vec<Segment>> {
    let tenant = tx.tenant();
    Ok(sqlx::query_as!(
        Segment,
        "
        SELECT id, chunk_count, term_count, text_configs, bucket_bits, directory, lengths
        FROM keyword_segments
        WHERE tenant_id = $1
          AND live
        ORDER BY id
        FOR UPDATE
        ",
        tenant.as_uuid(),
    )
    .fetch_all(tx.conn())
    .await?)
}

/// Lists the versions that count no more.
///
/// # Errors
/// Those of the database.
pub async fn list_removals(tx: &mut TenantTx) -> Result<Vec<Removal>> {
    let tenant = tx.tenant();
    Ok(sqlx::query_as!(
        Removal,
        r#"
        SELECT keyword_removals.document_id AS "document_id: DocumentId",
               keyword_removals.version, keyword_removals.chunk_count,
               keyword_removals.term_count, documents.id IS NULL AS "is_final!"
        FROM keyword_removals
        LEFT JOIN documents ON documents.tenant_id = $1
            AND documents.id = keyword_removals.document_id
            AND documents.live_version = keyword_removals.version
        WHERE keyword_removals.tenant_id = $1
        "#,
        tenant.as_uuid(),
    )
    .fetch_all(tx.conn())
    .await?)
}

/// Lists a segment's buckets from `first` to `last`.
///
/// # Errors
/// Those of the database.
pub async fn list_buckets(
    tx: &mut TenantTx,
    segment: i64,
    first: i32,
    last: i32,
) -> Result<Vec<Bucket>> {
    let tenant = tx.tenant();
    Ok(sqlx::query_as!(
        Bucket,
        "
        SELECT bucket, terms
        FROM keyword_postings
        WHERE tenant_id = $1
          AND segment_id = $2
          AND bucket BETWEEN $3 AND $4
        ",
        tenant.as_uuid(),
        segment,
        first,
        last,
    )
    .fetch_all(tx.conn())
    .await?)
}

/// How many bytes the postings of these segments have.
///
/// # Errors
/// Those of the database.
pub async fn count_bytes(tx: &mut TenantTx, segments: &[i64]) -> Result<i64> {
    let tenant = tx.tenant();
    Ok(sqlx::query_scalar!(
        r#"
        SELECT coalesce(sum(octet_length(terms)), 0)::bigint AS "bytes!"
        FROM keyword_postings
        WHERE tenant_id = $1
          AND segment_id = ANY ($2)
        "#,
        tenant.as_uuid(),
        segments,
    )
    .fetch_one(tx.conn())
    .await?)
}

/// Deletes segments with their postings.
///
/// # Errors
/// Those of the database.
pub async fn delete_segments(tx: &mut TenantTx, segments: &[i64]) -> Result<u64> {
    let tenant = tx.tenant();
    let done = sqlx::query!(
        "DELETE FROM keyword_segments WHERE tenant_id = $1 AND id = ANY ($2)",
        tenant.as_uuid(),
        segments,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected())
}

/// Notes that chunks of a removed version are in no segment any more; once none is left, the
/// removal is forgotten.
///
/// # Errors
/// Those of the database.
pub async fn shrink_removal(
    tx: &mut TenantTx,
    document: DocumentId,
    version: i32,
    chunk_count: i32,
    term_count: i64,
) -> Result<()> {
    let tenant = tx.tenant();
    sqlx::query!(
        "
        WITH shrunk AS (
            UPDATE keyword_removals
            SET chunk_count = chunk_count - $4,
                term_count = term_count - $5
            WHERE tenant_id = $1
              AND document_id = $2
              AND version = $3
              AND chunk_count > $4
            RETURNING version
        )
        DELETE FROM keyword_removals
        WHERE tenant_id = $1
          AND document_id = $2
          AND version = $3
          AND NOT EXISTS (SELECT FROM shrunk)
        ",
        tenant.as_uuid(),
        document.as_uuid(),
        version,
        chunk_count,
        term_count,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
