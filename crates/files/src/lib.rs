//! Uploaded files.
//!
//! A [`Files`] keeps each under a [`FileKey`] of its own making and never changes it afterwards.

mod disk;
mod error;
mod key;

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use domain::TenantId;
use futures::Stream;
use tokio::fs::File;

use crate::disk::Disk;

pub use error::Error;
pub use key::{FileKey, InvalidFileKey};

/// A place for uploaded files; clones share it.
#[derive(Clone, Debug)]
pub struct Files {
    place: Place,
}

// One variant for each kind of place.
#[derive(Clone, Debug)]
enum Place {
    Disk(Disk),
}

/// A file that is stored for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// What it is found by.
    pub key: FileKey,
    /// Its length in bytes.
    pub size_bytes: u64,
    /// The SHA-256 of its content.
    pub sha256: [u8; 32],
}

impl Files {
    /// Files in a folder of the local disk, made when missing.
    pub fn disk(root: impl Into<PathBuf>) -> Self {
        Self {
            place: Place::Disk(Disk::new(root.into())),
        }
    }

    /// Stores a file as it comes in; when this returns, it survives a loss of power.
    ///
    /// No more than `max_bytes` are taken from the stream. On any error, or if the future is dropped,
    /// nothing is kept.
    ///
    /// # Errors
    /// [`Error::TooLarge`] as soon as the file is known to be longer, [`Error::Cut`] if the stream fails,
    /// [`Error::Io`].
    pub async fn put_stream<S, E>(
        &self,
        tenant: TenantId,
        content: S,
        max_bytes: u64,
    ) -> Result<Stored, Error>
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        match &self.place {
            Place::Disk(disk) => disk.put(FileKey::fresh(tenant), content, max_bytes).await,
        }
    }

    /// Opens a file for reading.
    ///
    /// # Errors
    /// [`Error::NotFound`] and [`Error::Io`].
    pub async fn open(&self, key: &FileKey) -> Result<File, Error> {
        match &self.place {
            Place::Disk(disk) => disk.open(key).await,
        }
    }

    /// Where a file lies, for those that read it by its path. Whether it exists is not checked.
    pub fn path(&self, key: &FileKey) -> PathBuf {
        match &self.place {
            Place::Disk(disk) => disk.path(key),
        }
    }

    /// Removes a file; one that is gone already is no error.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub async fn delete(&self, key: &FileKey) -> Result<(), Error> {
        match &self.place {
            Place::Disk(disk) => disk.delete(key).await,
        }
    }

    /// Lists the tenants that have files.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub async fn tenants(&self) -> Result<Vec<TenantId>, Error> {
        match &self.place {
            Place::Disk(disk) => disk.tenants().await,
        }
    }

    /// Lists files of a tenant that were stored at least `age` ago; what such an old upload left behind
    /// unfinished is removed on the way.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub async fn list_old(&self, tenant: TenantId, age: Duration) -> Result<Vec<FileKey>, Error> {
        match &self.place {
            Place::Disk(disk) => disk.list_old(tenant, age).await,
        }
    }

    /// Removes all files of a tenant.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub async fn delete_tenant(&self, tenant: TenantId) -> Result<(), Error> {
        match &self.place {
            Place::Disk(disk) => disk.delete_tenant(tenant).await,
        }
    }

    /// The folder that the files lie in.
    pub fn root(&self) -> &Path {
        match &self.place {
            Place::Disk(disk) => disk.root(),
        }
    }
}
