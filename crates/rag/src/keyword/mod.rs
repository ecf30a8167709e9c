//! The keyword index: which term stands how often in which chunk, packed in segments.
//!
//! [`index`] writes the segments of one version, [`search`] ranks by BM25 over all segments that
//! searches see, [`merge`] makes few large segments of many small ones. `form` is what stands in the
//! columns of bytes, `docs/retrieval.md` tells why.

mod form;
mod merging;
mod question;
mod ranking;
mod segment;
#[cfg(test)]
mod tests;
mod vocabulary;

use db::TenantTx;
use domain::DocumentId;
use store::keyword_index::{self, Bucket, NewSegment};

use crate::terms;
use segment::SegmentBuilder;

pub use merging::merge;
pub use ranking::{Place, PlaceHit};
pub use vocabulary::Vocabulary;

/// The most chunks of a segment as it is first written: what is held in memory at a time.
const SEGMENT_CHUNKS: usize = 1024;
/// How many chunks one statement takes apart.
const LEXEME_CHUNKS: usize = 128;
/// How many bytes of postings one statement writes, about.
const WRITE_BYTES: usize = 4 * 1024 * 1024;

/// A chunk to be found by its words.
#[derive(Clone, Copy, Debug)]
pub struct Indexable<'a> {
    /// Its place in the document.
    pub ordinal: i32,
    /// The headings it stands under, whose words count as its own.
    pub heading: Option<&'a str>,
    /// Its words.
    pub text: &'a str,
}

/// Writes the keyword index of chunks of one version, in the language of `vocabulary`, which no search reads before
/// [`documents::switch_version`](store::documents::switch_version).
///
/// Not idempotent: a second try of the same version starts with
/// [`chunks::delete_version`](store::chunks::delete_version).
///
/// # Errors
/// Those of the database, among them a text search configuration that it does not know.
pub async fn index(
    tx: &mut TenantTx,
    document: DocumentId,
    version: i32,
    vocabulary: &mut Vocabulary,
    chunks: &[Indexable<'_>],
) -> db::Result<()> {
    for part in chunks.chunks(SEGMENT_CHUNKS) {
        let mut builder = SegmentBuilder::default();
        for batch in part.chunks(LEXEME_CHUNKS) {
            let counted = count_terms(tx, vocabulary, batch).await?;
            for (chunk, terms) in batch.iter().zip(counted) {
                builder.add_chunk(document, version, chunk.ordinal, terms);
            }
        }
        let packed = builder.pack();
        let segment = NewSegment {
            version: Some((document, version)),
            chunk_count: packed.chunk_count,
            term_count: packed.term_count,
            text_configs: vec![vocabulary.text_config().to_owned()],
            bucket_bits: packed.bucket_bits,
            directory: packed.directory,
            lengths: packed.lengths,
        };
        let id = keyword_index::insert_segment(tx, &segment).await?;
        write_buckets(tx, id, packed.buckets).await?;
    }
    Ok(())
}

/// The terms of each chunk with how often they stand there: lexemes, and pairs of chars of scripts
/// without spaces.
async fn count_terms(
    tx: &mut TenantTx,
    vocabulary: &mut Vocabulary,
    chunks: &[Indexable<'_>],
) -> db::Result<Vec<Vec<(String, u32)>>> {
    let words: Vec<String> = chunks
        .iter()
        .map(|chunk| match chunk.heading {
            Some(heading) => format!("{heading}\n{}", chunk.text),
            None => chunk.text.to_owned(),
        })
        .collect();
    let spaced: Vec<String> = words.iter().map(|words| terms::spaced(words)).collect();
    let mut counted: Vec<Vec<(String, u32)>> =
        words.iter().map(|words| terms::counted(words)).collect();
    let lexemes = vocabulary.lexemes(tx, &spaced).await?;
    for (terms, lexemes) in counted.iter_mut().zip(lexemes) {
        terms.extend(lexemes);
    }
    Ok(counted)
}

async fn write_buckets(tx: &mut TenantTx, segment: i64, buckets: Vec<Bucket>) -> db::Result<()> {
    let mut batch = Vec::new();
    let mut bytes = 0;
    for bucket in buckets {
        bytes += bucket.terms.len();
        batch.push(bucket);
        if bytes >= WRITE_BYTES {
            keyword_index::insert_postings(tx, segment, &batch).await?;
            batch.clear();
            bytes = 0;
        }
    }
    keyword_index::insert_postings(tx, segment, &batch).await
}

/// What a keyword search found.
#[derive(Clone, Debug, Default)]
pub struct KeywordHits {
    /// The best places, best first.
    pub hits: Vec<PlaceHit>,
    /// The languages of the tenant's documents, in the order of their names.
    pub languages: Vec<Language>,
}

/// What a language of the tenant's documents makes of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Language {
    /// Its text search configuration.
    pub text_config: String,
    /// How many words of the question are left once those are passed over that count for nothing in
    /// this language: least in the language that the question is in.
    pub words: usize,
}

/// Ranks the chunks that share a term with `question` by BM25 (k1 1.2, b 0.75), over the documents
/// given or all. A term that the question repeats counts as often. In collections over 10,000 chunks
/// a term that more than half of them have does not count beside rarer ones.
///
/// # Errors
/// Those of the database; `Corrupt` if a segment cannot be read.
pub async fn search(
    tx: &mut TenantTx,
    question: &str,
    documents: Option<&[DocumentId]>,
    limit: usize,
) -> db::Result<KeywordHits> {
    let lexemes = keyword_index::list_question_lexemes(tx, &terms::spaced(question)).await?;
    let languages = question::languages(&lexemes);
    let asked = question::terms(lexemes, terms::counted(question));
    if asked.is_empty() || limit == 0 {
        return Ok(KeywordHits {
            hits: Vec::new(),
            languages,
        });
    }
    let hashes: Vec<i64> = asked
        .iter()
        .map(|term| form::hash(&term.text).into())
        .collect();
    let snapshot = keyword_index::read(tx, &hashes).await?;
    let documents = documents.map(|documents| documents.iter().copied().collect());
    // Some milliseconds of pure computing in a large collection.
    let ranked = tokio::task::spawn_blocking(move || {
        ranking::rank(&snapshot, &asked, documents.as_ref(), limit)
    });
    let hits = ranked
        .await
        .map_err(|_| db::Error::corrupt("keyword index"))?
        .ok_or_else(|| db::Error::corrupt("keyword index"))?;
    Ok(KeywordHits { hits, languages })
}
