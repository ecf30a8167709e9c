//! What stands in the columns of bytes. Numbers of fixed width are big-endian.
//!
//! - A **directory** is a list of runs, 28 bytes each: document (16), version, first ordinal, count
//!   (4 each). The chunks of a segment are numbered from 0 in this order.
//! - **Lengths** are 2 bytes for each chunk: its terms, with repeats.
//! - A **bucket** begins with a byte for its form, then has its terms in the order of their bytes.
//!   - 0, *plain*, is what SQL can write: length of the term (2), the term, how many postings (4),
//!     then for each the chunk's number (4) and the frequency (2).
//!   - 1, *packed*, is of variable-length numbers: bytes shared with the term before, further bytes
//!     and these, how many postings, bytes of these, then for each the gap to the chunk before with
//!     a bit for "more than once", and the frequency less 2 if so.

use domain::DocumentId;
use uuid::Uuid;

const PLAIN: u8 = 0;
const PACKED: u8 = 1;
const RUN_BYTES: usize = 28;

/// A run of chunks of one version in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) document_id: DocumentId,
    pub(super) version: i32,
    pub(super) first_ordinal: i32,
    pub(super) count: u32,
}

/// How often a term stands in a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Posting {
    /// The chunk's number in its segment.
    pub(super) number: u32,
    /// At least 1, at most 65,535.
    pub(super) frequency: u32,
}

/// The hash that decides on a term's bucket. Stored segments depend on it: it never changes.
pub(super) fn hash(term: &str) -> u32 {
    let fnv = term.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    // FNV's bits are uneven for short texts; two rounds of murmur3's finish even them out.
    let mixed = (fnv ^ (fnv >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    u32::try_from(mixed >> 32).unwrap_or(u32::MAX)
}

/// The bucket of a hash where there are 2^`bits` of them.
pub(super) fn bucket(hash: u32, bits: i16) -> i32 {
    let bits = u32::from(bits.unsigned_abs()).min(31);
    let bucket = u64::from(hash) >> (32 - bits);
    i32::try_from(bucket).unwrap_or(i32::MAX)
}

pub(super) fn write_directory(runs: &[Run]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(runs.len() * RUN_BYTES);
    for run in runs {
        bytes.extend_from_slice(run.document_id.as_uuid().as_bytes());
        bytes.extend_from_slice(&run.version.to_be_bytes());
        bytes.extend_from_slice(&run.first_ordinal.to_be_bytes());
        bytes.extend_from_slice(&run.count.to_be_bytes());
    }
    bytes
}

/// The runs of a directory; `None` if it is none.
pub(super) fn read_directory(bytes: &[u8]) -> Option<Vec<Run>> {
    let mut reader = Reader(bytes);
    let mut runs = Vec::with_capacity(bytes.len() / RUN_BYTES);
    while !reader.0.is_empty() {
        runs.push(Run {
            document_id: DocumentId::from(Uuid::from_slice(reader.take(16)?).ok()?),
            version: reader.u32()?.cast_signed(),
            first_ordinal: reader.u32()?.cast_signed(),
            count: reader.u32()?,
        });
    }
    Some(runs)
}

pub(super) fn write_lengths(lengths: &[u32]) -> Vec<u8> {
    let short = |length: &u32| u16::try_from(*length).unwrap_or(u16::MAX).to_be_bytes();
    lengths.iter().flat_map(short).collect()
}

pub(super) fn read_lengths(bytes: &[u8]) -> impl Iterator<Item = u32> {
    let (pairs, _) = bytes.as_chunks::<2>();
    pairs.iter().map(|pair| u16::from_be_bytes(*pair).into())
}

/// Writes a bucket in packed form, from terms in the order of their bytes.
#[derive(Debug)]
pub(super) struct BucketWriter {
    bytes: Vec<u8>,
    last_term: String,
}

impl Default for BucketWriter {
    fn default() -> Self {
        Self {
            bytes: vec![PACKED],
            last_term: String::new(),
        }
    }
}

impl BucketWriter {
    /// Adds a term with its postings as [`pack`] wrote them.
    pub(super) fn push(&mut self, term: &str, count: usize, postings: &[u8]) {
        let same = |(one, other): &(u8, u8)| one == other;
        let pairs = self.last_term.bytes().zip(term.bytes());
        let shared = pairs.take_while(same).count();
        let rest = term.as_bytes().get(shared..).unwrap_or_default();
        write_number(&mut self.bytes, as_u32(shared));
        write_number(&mut self.bytes, as_u32(rest.len()));
        self.bytes.extend_from_slice(rest);
        write_number(&mut self.bytes, as_u32(count));
        write_number(&mut self.bytes, as_u32(postings.len()));
        self.bytes.extend_from_slice(postings);
        term.clone_into(&mut self.last_term);
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// Postings in packed form; their numbers ascend.
pub(super) fn pack(postings: &[Posting]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(postings.len() * 2);
    let mut next = 0;
    for posting in postings {
        let gap = posting.number.saturating_sub(next);
        write_number(&mut bytes, (gap << 1) | u32::from(posting.frequency > 1));
        if posting.frequency > 1 {
            write_number(&mut bytes, posting.frequency - 2);
        }
        next = posting.number + 1;
    }
    bytes
}

/// One term of a bucket.
pub(super) struct Entry<'a> {
    /// Its bytes.
    pub(super) term: Vec<u8>,
    form: u8,
    count: u32,
    bytes: &'a [u8],
}

impl Entry<'_> {
    /// Adds its postings to `postings`, in the order of the chunks; `None` if they cannot be read.
    pub(super) fn read_into(&self, postings: &mut Vec<Posting>) -> Option<()> {
        let mut reader = Reader(self.bytes);
        postings.reserve(self.count.min(1 << 20) as usize);
        let mut next = 0_u32;
        for _ in 0..self.count {
            let posting = if self.form == PLAIN {
                Posting {
                    number: reader.u32()?,
                    frequency: reader.u16()?.into(),
                }
            } else {
                let gap = reader.number()?;
                let repeats = if gap & 1 == 1 {
                    reader.number()? + 1
                } else {
                    0
                };
                let number = next.checked_add(gap >> 1)?;
                next = number.checked_add(1)?;
                Posting {
                    number,
                    frequency: repeats + 1,
                }
            };
            postings.push(posting);
        }
        Some(())
    }
}

/// Walks the terms of a bucket in their order.
pub(super) struct Entries<'a> {
    reader: Reader<'a>,
    form: u8,
    term: Vec<u8>,
}

impl<'a> Entries<'a> {
    /// `None` if the bucket's form is unknown.
    pub(super) fn of(bucket: &'a [u8]) -> Option<Self> {
        let (form, rest) = bucket.split_first()?;
        (*form <= PACKED).then(|| Self {
            reader: Reader(rest),
            form: *form,
            term: Vec::new(),
        })
    }

    /// The next term; `Some(None)` at the end, `None` if the bucket cannot be read.
    #[expect(
        clippy::option_option,
        reason = "the end is no error, and an error no end"
    )]
    pub(super) fn next(&mut self) -> Option<Option<Entry<'a>>> {
        if self.reader.0.is_empty() {
            return Some(None);
        }
        let (count, bytes) = if self.form == PLAIN {
            let length = self.reader.u16()?;
            self.term = self.reader.take(length.into())?.to_vec();
            let count = self.reader.u32()?;
            (count, self.reader.take((count as usize).checked_mul(6)?)?)
        } else {
            let shared = self.reader.number()? as usize;
            let rest = self.reader.number()? as usize;
            self.term.truncate(shared);
            self.term.extend_from_slice(self.reader.take(rest)?);
            let count = self.reader.number()?;
            let length = self.reader.number()? as usize;
            (count, self.reader.take(length)?)
        };
        Some(Some(Entry {
            term: self.term.clone(),
            form: self.form,
            count,
            bytes,
        }))
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn u16(&mut self) -> Option<u16> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u16::from_be_bytes(*bytes))
    }

    fn u32(&mut self) -> Option<u32> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*bytes))
    }

    /// A number of variable length: 7 bits a byte, the low ones first, the top bit for "more".
    fn number(&mut self) -> Option<u32> {
        let mut number = 0_u32;
        for shift in (0..35).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u32::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }
}

fn write_number(bytes: &mut Vec<u8>, mut number: u32) {
    loop {
        let low = u8::try_from(number & 0x7f).unwrap_or_default();
        number >>= 7;
        if number == 0 {
            return bytes.push(low);
        }
        bytes.push(low | 0x80);
    }
}

/// Sizes in a segment stay far below the limit.
pub(super) fn as_u32(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
