//! Secrets kept in a file of their own that only its owner reads.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{InvalidMasterKey, Keyring, MasterKey};

/// A secret from a file.
#[derive(Debug)]
pub struct KeyFile {
    /// The file's content, without white space around it.
    pub text: SecretString,
    /// Whether this very call made the file, so that the secret has to be shown once.
    pub is_new: bool,
}

/// Why a key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// Others than the owner may read or change the file.
    #[error("{path} is open to others (mode {mode:o}): run `chmod 600 {path}`")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file's content is no master key.
    #[error(
        "{path} holds no master key; put the right one back, for what it sealed opens with no other"
    )]
    NoMasterKey {
        /// The file.
        path: PathBuf,
        /// What a master key looks like.
        #[source]
        source: InvalidMasterKey,
    },
    /// The file is empty.
    #[error("{path} is empty; put its content back, or remove it to have a fresh one made")]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be read or made.
    #[error("{path} can be neither read nor made")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system reports.
        #[source]
        source: io::Error,
    },
}

/// Reads a secret from a file, or makes it with `make` and keeps it there, readable by its owner only.
///
/// Of several processes that start at once one makes the file and all get its content; a reader
/// never sees half of it. The folder must exist.
///
/// # Errors
/// [`KeyFileError::Exposed`] for a file that others may read, [`KeyFileError::Empty`] and
/// [`KeyFileError::Io`].
pub fn read_or_create(
    path: &Path,
    make: impl FnOnce() -> SecretString,
) -> Result<KeyFile, KeyFileError> {
    if let Some(text) = read(path)? {
        return Ok(KeyFile {
            text,
            is_new: false,
        });
    }
    let fresh = make();
    let created = create(path, &fresh);
    if created.map_err(|source| io_error(path, source))? {
        return Ok(KeyFile {
            text: fresh,
            is_new: true,
        });
    }
    let text = read(path)?.ok_or_else(|| io_error(path, io::ErrorKind::NotFound.into()))?;
    Ok(KeyFile {
        text,
        is_new: false,
    })
}

/// Reads the master keys from a file (see [`Keyring`] for its form), or makes one and keeps it there.
///
/// # Errors
/// Those of [`read_or_create`], and [`KeyFileError::NoMasterKey`].
pub fn read_or_create_keyring(path: &Path) -> Result<Keyring, KeyFileError> {
    let file = read_or_create(path, || MasterKey::generate().to_text())?;
    file.text
        .expose_secret()
        .parse()
        .map_err(|source| KeyFileError::NoMasterKey {
            path: path.to_owned(),
            source,
        })
}

fn read(path: &Path) -> Result<Option<SecretString>, KeyFileError> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(io_error(path, source)),
    };
    let metadata = file.metadata().map_err(|source| io_error(path, source))?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyFileError::Exposed {
            path: path.to_owned(),
            mode,
        });
    }
    let mut text = Zeroizing::new(String::new());
    file.read_to_string(&mut text)
        .map_err(|source| io_error(path, source))?;
    match text.trim() {
        "" => Err(KeyFileError::Empty {
            path: path.to_owned(),
        }),
        text => Ok(Some(text.to_owned().into())),
    }
}

// Writes beside the target and links it into place, which fails if another process was first.
fn create(path: &Path, text: &SecretString) -> io::Result<bool> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let draft = folder.join(format!(".{}.draft", Uuid::new_v4()));
    let linked = write(&draft, text).and_then(|()| fs::hard_link(&draft, path));
    // A draft that was never made cannot be removed, and needs not be.
    drop(fs::remove_file(&draft));
    match linked {
        Ok(()) => {
            File::open(folder)?.sync_all()?;
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

fn write(path: &Path, text: &SecretString) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.expose_secret().as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}

fn io_error(path: &Path, source: io::Error) -> KeyFileError {
    KeyFileError::Io {
        path: path.to_owned(),
        source,
    }
}
