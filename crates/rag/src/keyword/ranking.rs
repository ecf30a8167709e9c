//! BM25 over the segments that a search read.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashSet};

use domain::DocumentId;
use store::keyword_index::Snapshot;

use super::form::{self, Entries, Posting, Run};
use super::question::Term;

const K1: f64 = 1.2;
const B: f64 = 0.75;
/// From how many chunks on a term that most of them have is left out.
const COMMON_FROM: f64 = 10_000.0;

/// Where a chunk stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The document.
    pub document_id: DocumentId,
    /// Its version.
    pub version: i32,
    /// The chunk's place in it.
    pub ordinal: i32,
}

/// A chunk that a keyword search found, by its place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlaceHit {
    /// Where it stands.
    pub place: Place,
    /// Its BM25 score, above 0.
    pub score: f64,
}

/// The `limit` best places, best first; `None` if the snapshot cannot be read.
pub(super) fn rank(
    snapshot: &Snapshot,
    asked: &[Term],
    documents: Option<&HashSet<DocumentId>>,
    limit: usize,
) -> Option<Vec<PlaceHit>> {
    let collection = Collection::of(snapshot, documents)?;
    let mut found: Vec<Found> = Vec::new();
    for term in asked {
        found.push(collection.find(snapshot, term)?);
    }
    drop_common(&mut found, collection.chunks);
    let mut scores = vec![0.0_f64; collection.chunk_count()];
    for term in &found {
        collection.add_scores(term, &mut scores)?;
    }
    collection.best(&scores, limit)
}

/// A term's postings in the whole collection.
struct Found {
    /// Weight of each occurrence: inverse document frequency times how often it is asked for.
    weight: f64,
    /// How many chunks have it.
    document_frequency: f64,
    /// Numbers count over all segments.
    postings: Vec<Posting>,
}

/// Leaves out what more than half of a large collection has. Each such term would have added at most
/// `2.2 * ln 2` to a score, where one that a thousandth has adds up to 15.
fn drop_common(found: &mut Vec<Found>, chunks: f64) {
    let is_rare = |term: &Found| term.document_frequency * 2.0 <= chunks;
    let has_rare = found
        .iter()
        .any(|term| is_rare(term) && !term.postings.is_empty());
    if chunks >= COMMON_FROM && has_rare {
        found.retain(is_rare);
    }
}

/// What counts of a chunk.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Nothing: its version was removed.
    Removed,
    /// It is of the collection, and not of the documents asked for.
    Passed,
    /// It may be found.
    Wanted,
}

struct Collection {
    runs: Vec<Run>,
    /// The number of each run's first chunk, over all segments.
    starts: Vec<u32>,
    /// The number of each segment's first chunk.
    bases: Vec<u32>,
    standings: Vec<Standing>,
    /// By which term frequencies are dampened, for each chunk.
    norms: Vec<f64>,
    /// Chunks of the collection.
    chunks: f64,
}

impl Collection {
    fn of(snapshot: &Snapshot, documents: Option<&HashSet<DocumentId>>) -> Option<Self> {
        let removed: HashSet<(DocumentId, i32)> = snapshot
            .removals
            .iter()
            .map(|(document, version, ..)| (*document, *version))
            .collect();
        let sum = |all: i64, gone: i64| as_f64((all - gone).max(1));
        let segments = &snapshot.segments;
        let chunks = sum(
            segments
                .iter()
                .map(|segment| i64::from(segment.chunk_count))
                .sum(),
            snapshot
                .removals
                .iter()
                .map(|removal| i64::from(removal.2))
                .sum(),
        );
        let terms = sum(
            segments.iter().map(|segment| segment.term_count).sum(),
            snapshot.removals.iter().map(|removal| removal.3).sum(),
        );
        let average = terms / chunks;
        let mut collection = Self {
            runs: Vec::new(),
            starts: Vec::new(),
            bases: Vec::new(),
            standings: Vec::new(),
            norms: Vec::new(),
            chunks,
        };
        for segment in segments {
            collection.bases.push(form::as_u32(collection.norms.len()));
            for run in form::read_directory(&segment.directory)? {
                let standing = if removed.contains(&(run.document_id, run.version)) {
                    Standing::Removed
                } else if documents.is_some_and(|wanted| !wanted.contains(&run.document_id)) {
                    Standing::Passed
                } else {
                    Standing::Wanted
                };
                collection
                    .starts
                    .push(form::as_u32(collection.standings.len()));
                let end = collection.standings.len() + run.count as usize;
                collection.standings.resize(end, standing);
                collection.runs.push(run);
            }
            let norm = |length| K1 * (1.0 - B + B * f64::from(length) / average);
            collection
                .norms
                .extend(form::read_lengths(&segment.lengths).map(norm));
        }
        (collection.norms.len() == collection.standings.len()).then_some(collection)
    }

    fn chunk_count(&self) -> usize {
        self.norms.len()
    }

    /// The postings of a term that count, from all segments.
    fn find(&self, snapshot: &Snapshot, term: &Term) -> Option<Found> {
        let mut postings: Vec<Posting> = Vec::new();
        for (segment, base) in snapshot.segments.iter().zip(&self.bases) {
            for bucket in &segment.buckets {
                let mut entries = Entries::of(bucket)?;
                while let Some(entry) = entries.next()? {
                    match entry.term.as_slice().cmp(term.text.as_bytes()) {
                        Ordering::Less => {}
                        Ordering::Greater => break,
                        Ordering::Equal => {
                            let first = postings.len();
                            entry.read_into(&mut postings)?;
                            for posting in postings.get_mut(first..)? {
                                posting.number = posting.number.checked_add(*base)?;
                            }
                            break;
                        }
                    }
                }
            }
        }
        let standing = |posting: &Posting| self.standings.get(posting.number as usize).copied();
        postings.retain(|posting| standing(posting) != Some(Standing::Removed));
        let frequency = as_f64(i64::try_from(postings.len()).ok()?);
        let rest = (self.chunks - frequency).max(0.0);
        let weight = (1.0 + (rest + 0.5) / (frequency + 0.5)).ln() * f64::from(term.count);
        Some(Found {
            weight,
            document_frequency: frequency,
            postings,
        })
    }

    fn add_scores(&self, term: &Found, scores: &mut [f64]) -> Option<()> {
        for posting in &term.postings {
            let number = posting.number as usize;
            let frequency = f64::from(posting.frequency);
            let norm = self.norms.get(number)?;
            *scores.get_mut(number)? += term.weight * frequency * (K1 + 1.0) / (frequency + norm);
        }
        Some(())
    }

    /// The best chunks that are wanted; equal ones in the order of their places.
    fn best(&self, scores: &[f64], limit: usize) -> Option<Vec<PlaceHit>> {
        let mut heap: BinaryHeap<Candidate> = BinaryHeap::with_capacity(limit + 1);
        for (number, (score, standing)) in scores.iter().zip(&self.standings).enumerate() {
            let worst = heap.peek().map_or(0.0, |worst| worst.0.score);
            let is_full = heap.len() >= limit;
            if *standing != Standing::Wanted || *score <= 0.0 || (is_full && *score < worst) {
                continue;
            }
            heap.push(Candidate(PlaceHit {
                place: self.place(number)?,
                score: *score,
            }));
            if heap.len() > limit {
                heap.pop();
            }
        }
        Some(
            heap.into_sorted_vec()
                .into_iter()
                .map(|candidate| candidate.0)
                .collect(),
        )
    }

    fn place(&self, number: usize) -> Option<Place> {
        let number = form::as_u32(number);
        let after = self.starts.partition_point(|start| *start <= number);
        let at = after.checked_sub(1)?;
        let (run, start) = (self.runs.get(at)?, self.starts.get(at)?);
        Some(Place {
            document_id: run.document_id,
            version: run.version,
            ordinal: run.first_ordinal + (number - start).cast_signed(),
        })
    }
}

/// The worst one is the greatest, so that a heap gives it away first.
struct Candidate(PlaceHit);

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_score = other.0.score.total_cmp(&self.0.score);
        by_score.then_with(|| self.0.place.cmp(&other.0.place))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Candidate {}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of chunks and terms stay below 2^52"
)]
fn as_f64(count: i64) -> f64 {
    count as f64
}
