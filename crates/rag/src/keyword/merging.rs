//! Makes few large segments of many small ones, without what was removed for good.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use db::TenantTx;
use domain::DocumentId;
use store::keyword_index::{self, NewSegment, Removal, Segment};

use super::form::{self, Entries, Posting, Run};
use super::segment::{self, add_to_runs, bits_for, into_buckets};
use super::write_buckets;

/// Segments below this many chunks are of the lowest tier; each further one holds eight times as much.
const LOWEST_TIER: u32 = 512;
/// How many segments of a tier there may be before they are merged, at most.
const FAN_IN: usize = 8;
/// Bytes of postings that a merge holds at a time, about.
const PART_BYTES: u64 = 2 * 1024 * 1024;

/// Merges once if anything is to be merged; tells whether it was. A search sees the segments before
/// or the one after, and finds the same.
///
/// Each chunk is written once in each tier, so a collection of 100,000 has about 20 segments and was
/// written four times.
///
/// # Errors
/// Those of the database; `Corrupt` if a segment cannot be read.
pub async fn merge(tx: &mut TenantTx) -> db::Result<bool> {
    let segments = keyword_index::lock_segments(tx).await?;
    let removals = keyword_index::list_removals(tx).await?;
    let gone: BTreeSet<(DocumentId, i32)> = removals
        .iter()
        .filter(|removal| removal.is_final)
        .map(|removal| (removal.document_id, removal.version))
        .collect();
    let corrupt = || db::Error::corrupt("keyword index");
    let sources = sources(segments, &gone).ok_or_else(corrupt)?;
    let chosen = choose(&sources);
    let sources: Vec<Source> = sources
        .into_iter()
        .filter(|source| chosen.contains(&source.segment.id))
        .collect();
    if sources.is_empty() {
        return Ok(false);
    }
    let plan = Plan::of(&sources, &gone);
    write(tx, &sources, &plan).await?;
    forget(tx, &plan, &removals).await?;
    let ids: Vec<i64> = sources.iter().map(|source| source.segment.id).collect();
    keyword_index::delete_segments(tx, &ids).await?;
    Ok(true)
}

/// A segment, read as far as a plan needs.
struct Source {
    segment: Segment,
    runs: Vec<Run>,
    gone_chunks: i64,
}

fn sources(segments: Vec<Segment>, gone: &BTreeSet<(DocumentId, i32)>) -> Option<Vec<Source>> {
    let source = |segment: Segment| {
        let runs = form::read_directory(&segment.directory)?;
        let is_gone = |run: &&Run| gone.contains(&(run.document_id, run.version));
        let gone_chunks = runs
            .iter()
            .filter(is_gone)
            .map(|run| i64::from(run.count))
            .sum();
        Some(Source {
            segment,
            runs,
            gone_chunks,
        })
    };
    segments.into_iter().map(source).collect()
}

/// Which segments to merge: those of the lowest tier that has too many, or else one of which a
/// quarter is gone.
fn choose(sources: &[Source]) -> Vec<i64> {
    let mut tiers: BTreeMap<u32, Vec<i64>> = BTreeMap::new();
    for source in sources {
        let tier = tier(source.segment.chunk_count.unsigned_abs());
        tiers.entry(tier).or_default().push(source.segment.id);
    }
    if let Some(full) = tiers.into_values().find(|tier| tier.len() >= FAN_IN) {
        return full;
    }
    let is_hollow =
        |source: &&Source| source.gone_chunks * 4 > i64::from(source.segment.chunk_count);
    let hollow = sources.iter().find(is_hollow);
    hollow.map(|source| source.segment.id).into_iter().collect()
}

fn tier(chunk_count: u32) -> u32 {
    (chunk_count / LOWEST_TIER)
        .checked_ilog(8)
        .map_or(0, |tier| tier + 1)
}

/// What the merged segment will hold.
struct Plan {
    runs: Vec<Run>,
    lengths: Vec<u32>,
    /// For each source the numbers that its chunks get; `None`: the chunk is gone.
    numbers: Vec<Vec<Option<u32>>>,
    /// Chunks and terms that go, by version.
    gone: HashMap<(DocumentId, i32), (i32, i64)>,
}

impl Plan {
    fn of(sources: &[Source], gone: &BTreeSet<(DocumentId, i32)>) -> Self {
        let mut plan = Self {
            runs: Vec::new(),
            lengths: Vec::new(),
            numbers: Vec::new(),
            gone: HashMap::new(),
        };
        for source in sources {
            let mut lengths = form::read_lengths(&source.segment.lengths);
            let mut numbers = Vec::new();
            for run in &source.runs {
                let version = (run.document_id, run.version);
                let is_gone = gone.contains(&version);
                for (ordinal, length) in
                    (run.first_ordinal..).zip(lengths.by_ref().take(run.count as usize))
                {
                    if is_gone {
                        let sums = plan.gone.entry(version).or_default();
                        sums.0 += 1;
                        sums.1 += i64::from(length);
                        numbers.push(None);
                        continue;
                    }
                    numbers.push(Some(form::as_u32(plan.lengths.len())));
                    add_to_runs(&mut plan.runs, run.document_id, run.version, ordinal);
                    plan.lengths.push(length);
                }
            }
            plan.numbers.push(numbers);
        }
        plan
    }
}

/// Writes the merged segment part by part, each the terms of a range of hashes.
async fn write(tx: &mut TenantTx, sources: &[Source], plan: &Plan) -> db::Result<()> {
    if plan.lengths.is_empty() {
        return Ok(());
    }
    let ids: Vec<i64> = sources.iter().map(|source| source.segment.id).collect();
    let bytes = keyword_index::count_bytes(tx, &ids).await?.unsigned_abs();
    let bucket_bits = bits_for(bytes);
    let part_bits = i16::try_from(
        bytes
            .div_ceil(PART_BYTES)
            .max(1)
            .next_power_of_two()
            .trailing_zeros(),
    )
    .map_or(bucket_bits, |bits| bits.min(bucket_bits));
    let text_configs: BTreeSet<&String> = sources
        .iter()
        .flat_map(|source| &source.segment.text_configs)
        .collect();
    let merged = NewSegment {
        version: None,
        chunk_count: form::as_u32(plan.lengths.len()).cast_signed(),
        term_count: segment::stored_terms(&plan.lengths),
        text_configs: text_configs.into_iter().cloned().collect(),
        bucket_bits,
        directory: form::write_directory(&plan.runs),
        lengths: form::write_lengths(&plan.lengths),
    };
    let id = keyword_index::insert_segment(tx, &merged).await?;
    for part in 0..1_i32 << part_bits {
        let mut terms: HashMap<String, Vec<Posting>> = HashMap::new();
        for (source, numbers) in sources.iter().zip(&plan.numbers) {
            let (first, last) = range(part, part_bits, source.segment.bucket_bits);
            let buckets = keyword_index::list_buckets(tx, source.segment.id, first, last).await?;
            for bucket in buckets {
                gather(&bucket.terms, numbers, (part, part_bits), &mut terms).ok_or_else(|| {
                    db::Error::corrupt(format!("keyword segment {}", source.segment.id))
                })?;
            }
        }
        let packed = terms
            .into_iter()
            .map(|(term, postings)| (term, postings.len(), form::pack(&postings)))
            .collect();
        write_buckets(tx, id, into_buckets(packed, bucket_bits)).await?;
    }
    Ok(())
}

/// The buckets of a segment of `bits` bits in which terms of a part can stand.
fn range(part: i32, part_bits: i16, bits: i16) -> (i32, i32) {
    if bits >= part_bits {
        let width = bits - part_bits;
        (part << width, ((part + 1) << width) - 1)
    } else {
        let bucket = part >> (part_bits - bits);
        (bucket, bucket)
    }
}

/// Adds the postings of a bucket's terms that belong to the part, with the numbers they get.
fn gather(
    bucket: &[u8],
    numbers: &[Option<u32>],
    (part, part_bits): (i32, i16),
    terms: &mut HashMap<String, Vec<Posting>>,
) -> Option<()> {
    let mut entries = Entries::of(bucket)?;
    let mut postings = Vec::new();
    while let Some(entry) = entries.next()? {
        let term = str::from_utf8(&entry.term).ok()?;
        if form::bucket(form::hash(term), part_bits) != part {
            continue;
        }
        postings.clear();
        entry.read_into(&mut postings)?;
        let mut kept = Vec::with_capacity(postings.len());
        for posting in &postings {
            if let Some(number) = *numbers.get(posting.number as usize)? {
                kept.push(Posting { number, ..*posting });
            }
        }
        if !kept.is_empty() {
            terms.entry(term.to_owned()).or_default().append(&mut kept);
        }
    }
    Some(())
}

/// Takes what is gone off the removals.
async fn forget(tx: &mut TenantTx, plan: &Plan, removals: &[Removal]) -> db::Result<()> {
    for removal in removals {
        let version = (removal.document_id, removal.version);
        if let Some((chunks, terms)) = plan.gone.get(&version) {
            let (document, version) = version;
            keyword_index::shrink_removal(tx, document, version, *chunks, *terms).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(id: i64, chunk_count: i32, gone_chunks: i64) -> Source {
        Source {
            segment: Segment {
                id,
                chunk_count,
                term_count: 1,
                text_configs: Vec::new(),
                bucket_bits: 0,
                directory: Vec::new(),
                lengths: Vec::new(),
            },
            runs: Vec::new(),
            gone_chunks,
        }
    }

    #[test]
    fn a_tier_is_merged_when_it_is_full_and_a_hollow_segment_alone() {
        let mut sources: Vec<Source> = (0..7).map(|id| source(id, 100, 0)).collect();
        sources.push(source(7, 5000, 1000));
        assert!(choose(&sources).is_empty());
        sources.push(source(8, 1, 0));
        assert_eq!(choose(&sources), [0, 1, 2, 3, 4, 5, 6, 8]);
        sources.truncate(7);
        sources.push(source(9, 5000, 1251));
        assert_eq!(choose(&sources), [9]);
    }

    #[test]
    fn tiers_grow_eightfold() {
        for (chunks, expected) in [
            (1, 0),
            (511, 0),
            (512, 1),
            (4095, 1),
            (4096, 2),
            (40_000, 3),
        ] {
            assert_eq!(tier(chunks), expected, "{chunks}");
        }
    }

    #[test]
    fn a_part_reads_the_buckets_its_terms_can_stand_in() {
        assert_eq!(range(0, 0, 0), (0, 0));
        assert_eq!(range(1, 1, 3), (4, 7));
        assert_eq!(range(5, 3, 1), (1, 1));
        assert_eq!(range(3, 2, 2), (3, 3));
    }
}
