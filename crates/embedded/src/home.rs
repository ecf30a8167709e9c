use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::account::Account;
use crate::error::{Attempt, Error, Result};

/// Where root's databases and programs go when the user that Postgres runs as cannot reach the
/// wanted folder, as in a checkout below a private home.
const SYSTEM_DIR: &str = "/var/lib/metachat";

/// The longest path of a socket that every platform takes: macOS allows 103 bytes, Linux 107.
const MAX_SOCKET_BYTES: usize = 103;

/// The folder of one server: `cluster/`, `run/` with the socket, `password`, `server.log`, `lock`.
#[derive(Debug)]
pub(crate) struct Home {
    pub(crate) dir: PathBuf,
    pub(crate) socket_dir: PathBuf,
    /// Held as long as the server runs; the system gives it up with the process.
    _lock: File,
}

impl Home {
    /// Opens and locks the server's folder: `wanted`, which exists, or one that takes its place.
    ///
    /// # Errors
    /// [`Error::InUse`] when another process has it.
    pub(crate) fn open(wanted: &Path, account: &Account) -> Result<Self> {
        let dir = reachable(wanted, &system_dir_for(wanted), account)?;
        let lock = lock(&dir)?;
        let socket_dir = socket_dir(&dir, account)?;
        Ok(Self {
            dir,
            socket_dir,
            _lock: lock,
        })
    }

    pub(crate) fn cluster(&self) -> PathBuf {
        self.dir.join("cluster")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.dir.join("server.log")
    }

    pub(crate) fn password_file(&self) -> PathBuf {
        self.dir.join("password")
    }

    /// The server's password, made and kept with mode 0600 the first time.
    pub(crate) fn password(&self) -> Result<String> {
        let path = self.password_file();
        if let Ok(password) = fs::read_to_string(&path)
            && !password.is_empty()
        {
            return Ok(password);
        }
        let password = hex::encode(rand::random::<[u8; 24]>());
        let new = self.dir.join("password.new");
        write_private(&new, &password)?;
        fs::rename(&new, &path).attempt("writing", &path)?;
        Ok(password)
    }
}

/// Where programs are unpacked: `wanted`, or the system's folder where `account` cannot reach it.
pub(crate) fn install_dir(wanted: &Path, account: &Account) -> Result<PathBuf> {
    reachable(wanted, &Path::new(SYSTEM_DIR).join("install"), account)
}

/// Writes a file that nobody else can read.
pub(crate) fn write_private(path: &Path, text: &str) -> Result<()> {
    fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .attempt("writing", path)
}

fn system_dir_for(wanted: &Path) -> PathBuf {
    Path::new(SYSTEM_DIR).join(short_hash(wanted))
}

/// Twelve digits that tell one folder from another.
fn short_hash(path: &Path) -> String {
    let digest = Sha256::digest(path.as_os_str().as_encoded_bytes());
    hex::encode(&digest[..6])
}

fn reachable(wanted: &Path, fallback: &Path, account: &Account) -> Result<PathBuf> {
    let Account::Other { name, .. } = account else {
        return Ok(wanted.to_owned());
    };
    if account.can_enter(wanted) {
        return Ok(wanted.to_owned());
    }
    fs::create_dir_all(fallback).attempt("creating", fallback)?;
    for dir in [Path::new(SYSTEM_DIR), fallback] {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).attempt("opening", dir)?;
    }
    if account.can_enter(fallback) {
        return Ok(fallback.to_owned());
    }
    Err(Error::Unreachable {
        account: name.clone(),
        dir: fallback.to_owned(),
    })
}

fn lock(dir: &Path) -> Result<File> {
    let path = dir.join("lock");
    let file = File::create(&path).attempt("creating", &path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::InUse {
            dir: dir.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(source).attempt("locking", &path),
    }
}

/// `run/` in the server's folder, or a private folder for temporary files where that is too long.
fn socket_dir(dir: &Path, account: &Account) -> Result<PathBuf> {
    let own = dir.join("run");
    if fits(&own) {
        account.create_private_dir(&own)?;
        return Ok(own);
    }
    let short = std::env::temp_dir().join(format!("metachat-{}", short_hash(dir)));
    let short = if fits(&short) {
        short
    } else {
        Path::new("/tmp").join(format!("metachat-{}", short_hash(dir)))
    };
    claim_private(&short, account)?;
    Ok(short)
}

fn fits(socket_dir: &Path) -> bool {
    socket_dir.join(".s.PGSQL.5432").as_os_str().len() <= MAX_SOCKET_BYTES
}

/// Makes `dir`, which stands where everybody can write, the account's own; looks before it gives
/// anything away, because somebody else may have put a link there.
fn claim_private(dir: &Path, account: &Account) -> Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        created => {
            return created
                .attempt("creating", dir)
                .and_then(|()| account.own(dir));
        }
    }
    let found = fs::symlink_metadata(dir).attempt("reading", dir)?;
    let ours = rustix::process::geteuid().as_raw();
    let owner_is_known = match account {
        Account::Own => found.uid() == ours,
        Account::Other { uid, .. } => found.uid() == ours || found.uid() == *uid,
    };
    if !found.is_dir() || !owner_is_known {
        return Err(Error::Unusable {
            dir: dir.to_owned(),
            reason: "the folder of its socket belongs to another user".to_owned(),
        });
    }
    fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).attempt("protecting", dir)?;
    account.own(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deep_folder_gets_a_short_socket() {
        let temp = tempfile::tempdir().unwrap();
        let deep = temp.path().join("a".repeat(90)).join("postgres");
        fs::create_dir_all(&deep).unwrap();
        let home = Home::open(&deep, &Account::Own).unwrap();
        assert!(fits(&home.socket_dir));
        assert!(!home.socket_dir.starts_with(&deep));
        let mode = fs::metadata(&home.socket_dir).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        fs::remove_dir(&home.socket_dir).unwrap();
    }

    #[test]
    fn a_second_opening_is_refused_while_the_first_lasts() {
        let temp = tempfile::tempdir().unwrap();
        let first = Home::open(temp.path(), &Account::Own).unwrap();
        let second = Home::open(temp.path(), &Account::Own);
        assert!(matches!(second, Err(Error::InUse { .. })));
        drop(first);
        Home::open(temp.path(), &Account::Own).unwrap();
    }

    #[test]
    fn a_link_put_where_the_socket_goes_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        let link = temp.path().join("metachat-socket");
        std::os::unix::fs::symlink("/", &link).unwrap();
        let claimed = claim_private(&link, &Account::Own);
        assert!(matches!(claimed, Err(Error::Unusable { .. })));
    }

    #[test]
    fn the_password_is_made_once_and_private() {
        let temp = tempfile::tempdir().unwrap();
        let home = Home::open(temp.path(), &Account::Own).unwrap();
        let password = home.password().unwrap();
        assert_eq!(home.password().unwrap(), password);
        let mode = fs::metadata(home.password_file())
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
