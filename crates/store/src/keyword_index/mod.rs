//! The keyword index: rows of `keyword_segments`, `keyword_postings` and `keyword_removals`.
//!
//! A segment never changes but for `live`, which the switch of its version sets. What leaves the
//! collection is noted as a removal, and is dropped from the segments when they are merged. The
//! columns of bytes are `rag::keyword`'s.

mod merging;
mod segments;
mod words;

use domain::DocumentId;

pub use merging::{
    count_bytes, delete_segments, list_buckets, list_removals, lock_segments, shrink_removal,
};
pub(crate) use segments::{
    delete_unseen, delete_unseen_versions, remove_live_version, restore_live_version, show_version,
};
pub use segments::{insert_postings, insert_segment, read};
pub use words::{list_lexemes, list_question_lexemes};

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

/// The lexemes of a text, each once with how often it stands there, 255 at most.
pub type Lexemes = Vec<(String, u32)>;

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
