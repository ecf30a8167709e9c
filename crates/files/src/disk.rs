use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use domain::TenantId;
use futures::{Stream, StreamExt as _};
use sha2::{Digest, Sha256};
use tokio::fs::{self, File};
use tokio::io::AsyncWriteExt as _;
use uuid::Uuid;

use crate::{Error, FileKey, Stored};

#[derive(Clone, Debug)]
pub(crate) struct Disk {
    root: PathBuf,
}

impl Disk {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn path(&self, key: &FileKey) -> PathBuf {
        self.folder(key.tenant()).join(key.file().to_string())
    }

    fn folder(&self, tenant: TenantId) -> PathBuf {
        self.root.join(tenant.to_string())
    }

    pub(crate) async fn put<S, E>(
        &self,
        key: FileKey,
        content: S,
        max_bytes: u64,
    ) -> Result<Stored, Error>
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let folder = self.folder(key.tenant());
        make_folder(&self.root, &folder)
            .await
            .map_err(at(&folder))?;
        let draft = Draft(folder.join(format!(".{}{DRAFT}", key.file())));
        let (size_bytes, sha256) = write(&draft.0, content, max_bytes).await?;
        let path = self.path(&key);
        fs::rename(&draft.0, &path).await.map_err(at(&path))?;
        sync(&folder).await.map_err(at(&folder))?;
        Ok(Stored {
            key,
            size_bytes,
            sha256,
        })
    }

    pub(crate) async fn open(&self, key: &FileKey) -> Result<File, Error> {
        let path = self.path(key);
        match File::open(&path).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(Error::NotFound { key: *key })
            }
            opened => opened.map_err(at(&path)),
        }
    }

    pub(crate) async fn delete(&self, key: &FileKey) -> Result<(), Error> {
        let path = self.path(key);
        gone(fs::remove_file(&path).await).map_err(at(&path))
    }

    pub(crate) async fn tenants(&self) -> Result<Vec<TenantId>, Error> {
        let mut entries = match fs::read_dir(&self.root).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            opened => opened.map_err(at(&self.root))?,
        };
        let mut tenants = Vec::new();
        while let Some(entry) = entries.next_entry().await.map_err(at(&self.root))? {
            let name = entry.file_name();
            tenants.extend(name.to_str().and_then(|name| name.parse::<TenantId>().ok()));
        }
        Ok(tenants)
    }

    pub(crate) async fn list_old(
        &self,
        tenant: TenantId,
        age: Duration,
    ) -> Result<Vec<FileKey>, Error> {
        let folder = self.folder(tenant);
        let mut entries = match fs::read_dir(&folder).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            opened => opened.map_err(at(&folder))?,
        };
        let mut keys = Vec::new();
        while let Some(entry) = entries.next_entry().await.map_err(at(&folder))? {
            let path = entry.path();
            // Gone meanwhile.
            let Ok(metadata) = entry.metadata().await else {
                continue;
            };
            let stored = metadata.modified().map_err(at(&path))?;
            if stored.elapsed().is_ok_and(|elapsed| elapsed >= age) {
                match entry.file_name().to_str().and_then(Name::read) {
                    Some(Name::File(file)) => keys.push(FileKey::of(tenant, file)),
                    Some(Name::Draft) => gone(fs::remove_file(&path).await).map_err(at(&path))?,
                    // Somebody else's.
                    None => {}
                }
            }
        }
        Ok(keys)
    }

    pub(crate) async fn delete_tenant(&self, tenant: TenantId) -> Result<(), Error> {
        let folder = self.folder(tenant);
        gone(fs::remove_dir_all(&folder).await).map_err(at(&folder))
    }
}

/// How the name of a file ends that is not whole yet; it begins with a dot.
const DRAFT: &str = ".draft";

/// What a name in a tenant's folder says.
enum Name {
    File(Uuid),
    Draft,
}

impl Name {
    fn read(name: &str) -> Option<Self> {
        let draft = name.strip_prefix('.').and_then(|it| it.strip_suffix(DRAFT));
        match draft {
            Some(draft) => Uuid::parse_str(draft).ok().map(|_| Self::Draft),
            None => Uuid::parse_str(name).ok().map(Self::File),
        }
    }
}

// A file that is not whole yet; after the rename there is nothing left under this name to remove.
struct Draft(PathBuf);

impl Drop for Draft {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

async fn write<S, E>(path: &Path, content: S, max_bytes: u64) -> Result<(u64, [u8; 32]), Error>
where
    S: Stream<Item = Result<Bytes, E>> + Send,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    // Made here and not on another thread, where it could come to be after its removal.
    let file = std::fs::File::create_new(path).map_err(at(path))?;
    let mut file = File::from_std(file);
    let mut content = pin!(content);
    let mut digest = Sha256::new();
    let mut size_bytes = 0_u64;
    while let Some(piece) = content.next().await {
        let piece = piece.map_err(|error| Error::Cut(error.into()))?;
        size_bytes = size_bytes.saturating_add(piece.len() as u64);
        if size_bytes > max_bytes {
            return Err(Error::TooLarge { max_bytes });
        }
        digest.update(&piece);
        file.write_all(&piece).await.map_err(at(path))?;
    }
    file.flush().await.map_err(at(path))?;
    file.sync_all().await.map_err(at(path))?;
    Ok((size_bytes, digest.finalize().into()))
}

// A fresh folder lasts only once the one above it is on the disk too.
async fn make_folder(root: &Path, folder: &Path) -> io::Result<()> {
    if fs::try_exists(folder).await? {
        return Ok(());
    }
    fs::create_dir_all(folder).await?;
    sync(root).await
}

async fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder).await?.sync_all().await
}

fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> Error + use<'_> {
    move |source| Error::Io {
        path: path.to_owned(),
        source,
    }
}
