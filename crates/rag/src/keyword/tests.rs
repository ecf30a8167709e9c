use domain::DocumentId;
use proptest::prelude::*;

use super::form::{self, BucketWriter, Entries, Posting};
use super::segment::{SegmentBuilder, bits_for, into_buckets};

fn read_all(bucket: &[u8]) -> Option<Vec<(String, Vec<Posting>)>> {
    let mut entries = Entries::of(bucket)?;
    let mut found = Vec::new();
    while let Some(entry) = entries.next()? {
        let mut postings = Vec::new();
        entry.read_into(&mut postings)?;
        found.push((String::from_utf8(entry.term).ok()?, postings));
    }
    Some(found)
}

fn posting(number: u32, frequency: u32) -> Posting {
    Posting { number, frequency }
}

proptest! {
    #[test]
    fn buckets_read_as_they_were_written(
        terms in prop::collection::btree_map(
            "[a-cß返]{1,6}",
            prop::collection::btree_map(0_u32..1_000_000, 1_u32..70_000, 1..40),
            1..60,
        ),
        bits in 0_i16..6,
    ) {
        let written: Vec<(String, Vec<Posting>)> = terms
            .into_iter()
            .map(|(term, postings)| {
                let postings = postings.into_iter();
                (term, postings.map(|(number, frequency)| posting(number, frequency)).collect())
            })
            .collect();
        let packed = written
            .iter()
            .map(|(term, postings)| (term.clone(), postings.len(), form::pack(postings)))
            .collect();
        let mut read = Vec::new();
        for bucket in into_buckets(packed, bits) {
            for (term, postings) in read_all(&bucket.terms).unwrap() {
                prop_assert_eq!(form::bucket(form::hash(&term), bits), bucket.bucket);
                read.push((term, postings));
            }
        }
        read.sort_by(|one, other| one.0.cmp(&other.0));
        prop_assert_eq!(read, written);
    }

    #[test]
    fn bytes_of_any_kind_are_refused_and_not_fatal(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read_all(&bytes);
        form::read_directory(&bytes);
    }
}

#[test]
fn the_plain_form_of_migrations_is_read_too() {
    let mut bucket = vec![0];
    bucket.extend([0, 2]);
    bucket.extend("ab".bytes());
    bucket.extend([0, 0, 0, 2]);
    bucket.extend([0, 0, 0, 1, 0, 3]);
    bucket.extend([0, 0, 1, 0, 0, 1]);
    let found = read_all(&bucket).unwrap();
    assert_eq!(
        found,
        [("ab".to_owned(), vec![posting(1, 3), posting(256, 1)])]
    );
}

#[test]
fn a_posting_takes_a_byte_where_a_term_is_common() {
    let postings: Vec<Posting> = (0..1000).map(|number| posting(number * 3, 1)).collect();
    let packed = form::pack(&postings);
    assert_eq!(packed.len(), 1000);
    let mut writer = BucketWriter::default();
    writer.push("common", postings.len(), &packed);
    assert!(writer.finish().len() < 1015);
}

#[test]
fn hashes_are_those_that_stored_segments_were_made_with() {
    // Computed once; another value would lose every stored posting.
    let hashes = ["", "return", "返品"].map(form::hash);
    assert_eq!(hashes, [0xefd0_1f60, 0x7fa7_1c73, 0xe821_b221]);
}

#[test]
fn chunks_of_one_version_are_one_run() {
    let document = DocumentId::new();
    let mut builder = SegmentBuilder::default();
    for ordinal in [0, 1, 2, 5] {
        builder.add_chunk(
            document,
            3,
            ordinal,
            vec![("a".to_owned(), 2), ("b".to_owned(), 1)],
        );
    }
    let packed = builder.pack();
    assert_eq!((packed.chunk_count, packed.term_count), (4, 12));
    let runs = form::read_directory(&packed.directory).unwrap();
    let counts: Vec<(i32, u32)> = runs
        .iter()
        .map(|run| (run.first_ordinal, run.count))
        .collect();
    assert_eq!(counts, [(0, 3), (5, 1)]);
    assert_eq!(
        form::read_lengths(&packed.lengths).collect::<Vec<_>>(),
        [3; 4]
    );
}

#[test]
fn buckets_are_small_and_few() {
    assert_eq!(bits_for(0), 0);
    assert_eq!(bits_for(1500), 0);
    assert_eq!(bits_for(1501), 1);
    assert_eq!(bits_for(u64::MAX), 20);
}
