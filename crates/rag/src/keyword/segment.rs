//! Packs a segment.

use std::collections::{BTreeMap, HashMap};

use domain::DocumentId;
use store::keyword_index::Bucket;

use super::form::{self, BucketWriter, Posting, Run};

/// Bytes of postings that share a row: few enough to be read for one of its terms, enough to make
/// little of what every row costs.
const BUCKET_BYTES: u64 = 1500;
/// The most buckets, as a power of 2.
const MAX_BITS: i16 = 20;

/// How many buckets, as a power of 2, postings of this size want.
pub(super) fn bits_for(bytes: u64) -> i16 {
    let buckets = bytes.div_ceil(BUCKET_BYTES).max(1).next_power_of_two();
    i16::try_from(buckets.trailing_zeros()).map_or(MAX_BITS, |bits| bits.min(MAX_BITS))
}

/// Gathers chunks in their order.
#[derive(Debug, Default)]
pub(super) struct SegmentBuilder {
    runs: Vec<Run>,
    lengths: Vec<u32>,
    postings: HashMap<String, Vec<Posting>>,
}

/// A segment in the form it is stored in.
#[derive(Debug)]
pub(super) struct Packed {
    pub(super) chunk_count: i32,
    pub(super) term_count: i64,
    pub(super) bucket_bits: i16,
    pub(super) directory: Vec<u8>,
    pub(super) lengths: Vec<u8>,
    pub(super) buckets: Vec<Bucket>,
}

impl SegmentBuilder {
    /// Adds a chunk with its terms, each once.
    pub(super) fn add_chunk(
        &mut self,
        document: DocumentId,
        version: i32,
        ordinal: i32,
        terms: Vec<(String, u32)>,
    ) {
        let number = form::as_u32(self.lengths.len());
        add_to_runs(&mut self.runs, document, version, ordinal);
        let mut length = 0;
        for (term, count) in terms {
            let frequency = count.clamp(1, u16::MAX.into());
            length += frequency;
            let posting = Posting { number, frequency };
            self.postings.entry(term).or_default().push(posting);
        }
        self.lengths.push(length);
    }

    pub(super) fn pack(self) -> Packed {
        let packed: Vec<(String, usize, Vec<u8>)> = self
            .postings
            .into_iter()
            .map(|(term, postings)| (term, postings.len(), form::pack(&postings)))
            .collect();
        let size = |(term, _, postings): &(String, usize, Vec<u8>)| term.len() + postings.len() + 4;
        let bytes: usize = packed.iter().map(size).sum();
        let bucket_bits = bits_for(bytes as u64);
        Packed {
            chunk_count: form::as_u32(self.lengths.len()).cast_signed(),
            // As they are stored: a sum over the lengths is this number.
            term_count: stored_terms(&self.lengths),
            bucket_bits,
            directory: form::write_directory(&self.runs),
            lengths: form::write_lengths(&self.lengths),
            buckets: into_buckets(packed, bucket_bits),
        }
    }
}

/// Adds a chunk to the runs: to the last one if it follows it.
pub(super) fn add_to_runs(runs: &mut Vec<Run>, document: DocumentId, version: i32, ordinal: i32) {
    if let Some(run) = runs.last_mut()
        && run.document_id == document
        && run.version == version
        && i64::from(run.first_ordinal) + i64::from(run.count) == i64::from(ordinal)
    {
        run.count += 1;
        return;
    }
    runs.push(Run {
        document_id: document,
        version,
        first_ordinal: ordinal,
        count: 1,
    });
}

/// The sum of lengths as [`form::write_lengths`] keeps them.
pub(super) fn stored_terms(lengths: &[u32]) -> i64 {
    let stored = |length: &u32| i64::from(*length.min(&u16::MAX.into()));
    lengths.iter().map(stored).sum()
}

/// Sorts terms with their packed postings into buckets.
pub(super) fn into_buckets(packed: Vec<(String, usize, Vec<u8>)>, bits: i16) -> Vec<Bucket> {
    let mut sorted = packed;
    sorted.sort_unstable_by(|one, other| one.0.cmp(&other.0));
    let mut writers: BTreeMap<i32, BucketWriter> = BTreeMap::new();
    for (term, count, postings) in sorted {
        let bucket = form::bucket(form::hash(&term), bits);
        writers
            .entry(bucket)
            .or_default()
            .push(&term, count, &postings);
    }
    let finished = |(bucket, writer): (i32, BucketWriter)| Bucket {
        bucket,
        terms: writer.finish(),
    };
    writers.into_iter().map(finished).collect()
}
