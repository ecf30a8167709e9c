//! The inside of the process that reads one file.
//!
//! What is cut before all is read goes to the parent at once, so that it is written and embedded
//! meanwhile.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;

use domain::ChunkingSettings;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};

use super::progress::Watch;
use super::teller::Teller;
use super::{ExtractError, MediaType, read_watched};
#[cfg(feature = "local-embeddings")]
use crate::chunk::ModelTokenizer;
use crate::chunk::{TokenCounter, Tokenizer};

/// Deep nesting is met by recursion in the readers; a main thread's 8 MB are soon used up.
const STACK_BYTES: usize = 64 << 20;

/// Address space beyond the memory that may be resident: the binary itself, the stack, the
/// allocator's reserve.
const ADDRESS_SLACK_BYTES: u64 = 512 << 20;

/// What a parent tells its child by argument.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) media_type: MediaType,
    pub(super) chunking: ChunkingSettings,
    pub(super) tokenizer: Tokenizer,
    /// What counts the tokens instead: a model's own `tokenizer.json`.
    pub(super) tokenizer_file: Option<PathBuf>,
    pub(super) cpu_seconds: u64,
    pub(super) memory_bytes: u64,
    pub(super) text_bytes: usize,
}

/// Reads the file on stdin as `header` says, cuts it, and writes what it found to stdout, frame by
/// frame. The exit code is 0, or names the [`ExtractError`].
///
/// Limits this very process first, for good: address space, processor time, open files, no file
/// written, no core. `metachat extract <header>` is nothing but this call.
pub fn main(header: &str) -> ExitCode {
    match answer(header) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => ExitCode::from(error.exit_code()),
    }
}

fn answer(header: &str) -> Result<(), ExtractError> {
    let header: Header = serde_json::from_str(header)
        .map_err(|error| ExtractError::Unavailable(io::Error::other(error)))?;
    limit(&header).map_err(ExtractError::Unavailable)?;
    let work = thread::Builder::new()
        .stack_size(STACK_BYTES)
        .spawn(move || extract(&header))
        .map_err(ExtractError::Unavailable)?;
    // A panic ends the thread, and the process with a code of its own.
    work.join().unwrap_or(Err(ExtractError::Crashed))
}

fn extract(header: &Header) -> Result<(), ExtractError> {
    let mut bytes = Vec::new();
    io::stdin()
        .lock()
        .read_to_end(&mut bytes)
        .map_err(|error| match error.kind() {
            io::ErrorKind::OutOfMemory => ExtractError::TooMuchMemory,
            _ => ExtractError::Unavailable(error),
        })?;
    let counter = match &header.tokenizer_file {
        Some(path) => model_tokenizer(path).map_err(ExtractError::Unavailable)?,
        None => header.tokenizer.counter(),
    };
    let teller = Teller::new(header, counter, io::stdout());
    let watch = Watch::new(header.text_bytes, &teller);
    let last = read_watched(header.media_type, &bytes, watch)?;
    drop(bytes);
    teller.end(last).map(drop)
}

/// What counts by the file of a model; it lives as long as the process.
#[cfg(feature = "local-embeddings")]
fn model_tokenizer(path: &Path) -> io::Result<&'static dyn TokenCounter> {
    Ok(Box::leak(Box::new(ModelTokenizer::read(path)?)))
}

#[cfg(not(feature = "local-embeddings"))]
fn model_tokenizer(_: &Path) -> io::Result<&'static dyn TokenCounter> {
    Err(io::ErrorKind::Unsupported.into())
}

fn limit(header: &Header) -> io::Result<()> {
    lower(Resource::Core, 0)?;
    lower(Resource::Fsize, 0)?;
    lower(Resource::Nofile, 16)?;
    lower(Resource::Cpu, header.cpu_seconds)?;
    let address_space = header.memory_bytes.saturating_add(ADDRESS_SLACK_BYTES);
    match lower(Resource::As, address_space) {
        // macOS knows the limit and refuses to set it; there the parent's watch stands alone.
        Err(_) if cfg!(not(target_os = "linux")) => Ok(()),
        result => result,
    }
}

/// Sets a limit; one that is lower by now stays.
fn lower(resource: Resource, value: u64) -> io::Result<()> {
    let current = getrlimit(resource);
    let value = current.maximum.map_or(value, |maximum| maximum.min(value));
    let limit = Rlimit {
        current: Some(value),
        // A second more than the soft limit, so that the signal says what it was about.
        maximum: Some(match resource {
            Resource::Cpu => current
                .maximum
                .map_or(value + 1, |maximum| maximum.min(value + 1)),
            _ => value,
        }),
    };
    setrlimit(resource, limit).map_err(io::Error::from)
}
