use std::io;
use std::path::PathBuf;

use crate::FileKey;

/// Why a file cannot be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is longer than allowed.
    #[error("the file is longer than {max_bytes} bytes")]
    TooLarge {
        /// The most that is allowed.
        max_bytes: u64,
    },
    /// There is no such file.
    #[error("there is no file {key}")]
    NotFound {
        /// The key that was asked for.
        key: FileKey,
    },
    /// The upload ended before the file was whole.
    #[error("the upload was cut off")]
    Cut(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The disk refuses.
    #[error("{path} can be neither read nor written")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system reports.
        #[source]
        source: io::Error,
    },
}
