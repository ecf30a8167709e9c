use std::fs;
use std::os::unix::fs::{DirBuilderExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::error::{Attempt, Error, Result};

/// The operating system's user that Postgres runs as: the one we are, unless we are root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Account {
    /// The user of this process.
    Own,
    /// Another user, because Postgres refuses to run as root.
    Other { name: String, uid: u32, gid: u32 },
}

impl Account {
    /// Finds the user to run as.
    ///
    /// # Errors
    /// [`Error::NoAccount`] for root on a machine with neither `postgres` nor `nobody`.
    pub(crate) fn find() -> Result<Self> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self::Own);
        }
        let passwd = Path::new("/etc/passwd");
        let text = fs::read_to_string(passwd).attempt("reading", passwd)?;
        Self::choose(&text).ok_or(Error::NoAccount)
    }

    fn choose(passwd: &str) -> Option<Self> {
        ["postgres", "nobody"].into_iter().find_map(|wanted| {
            passwd.lines().find_map(|line| {
                let mut fields = line.split(':');
                let name = fields.next().filter(|name| *name == wanted)?;
                let uid = fields.nth(1)?.parse().ok().filter(|uid| *uid != 0)?;
                let gid = fields.next()?.parse().ok()?;
                Some(Self::Other {
                    name: name.to_owned(),
                    uid,
                    gid,
                })
            })
        })
    }

    /// A command that runs as this user, with nothing of our environment that Postgres would read.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("LC_ALL", "C")
            .current_dir("/")
            .stdin(Stdio::null());
        if let Self::Other { uid, gid, .. } = self {
            command.gid(*gid).uid(*uid);
        }
        command
    }

    /// Makes sure of a folder that only this user may enter.
    pub(crate) fn create_private_dir(&self, dir: &Path) -> Result<()> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .attempt("creating", dir)?;
        self.own(dir)
    }

    /// Gives a file or folder to this user.
    pub(crate) fn own(&self, path: &Path) -> Result<()> {
        match self {
            Self::Own => Ok(()),
            Self::Other { uid, gid, .. } => {
                chown(path, Some(*uid), Some(*gid)).attempt("changing the owner of", path)
            }
        }
    }

    /// Whether this user may enter `dir`.
    pub(crate) fn can_enter(&self, dir: &Path) -> bool {
        let mut command = self.command(Path::new("/bin/sh"));
        command
            .args(["-c", "cd \"$1\"", "sh"])
            .arg(dir)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\n\
        nobody:x:65534:65533:nobody:/nonexistent:/usr/sbin/nologin\n\
        postgres:x:101:104:,,,:/var/lib/postgresql:/bin/bash\n";

    fn account(name: &str, uid: u32, gid: u32) -> Account {
        let name = name.to_owned();
        Account::Other { name, uid, gid }
    }

    #[test]
    fn postgres_is_preferred_to_nobody() {
        assert_eq!(Account::choose(PASSWD), Some(account("postgres", 101, 104)));
    }

    #[test]
    fn nobody_will_do() {
        let passwd = PASSWD.replace("postgres:x", "postgresql:x");
        assert_eq!(
            Account::choose(&passwd),
            Some(account("nobody", 65534, 65533))
        );
    }

    #[test]
    fn a_root_by_another_name_is_not_chosen() {
        assert_eq!(Account::choose("postgres:x:0:0::/:/bin/sh\n"), None);
    }
}
