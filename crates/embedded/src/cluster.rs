use std::fs;
use std::path::Path;
use std::process::Stdio;

use crate::account::Account;
use crate::binaries::Binaries;
use crate::error::{Attempt, Error, Result, last_line};
use crate::home::{Home, write_private};

/// The major version that the files of a cluster must have.
const MAJOR: &str = "18";

/// The user that owns everything in the cluster.
pub(crate) const USER: &str = "metachat";

/// Names of a character type that knows all of Unicode, by platform; text search tells letters
/// from punctuation by it. `C`, which every platform has, takes all beyond ASCII for letters.
const CHARACTER_TYPES: [&str; 4] = ["C.UTF-8", "C.utf8", "en_US.UTF-8", "C"];

/// Creates the cluster if there is none; answers whether it did.
pub(crate) fn ensure(
    home: &Home,
    binaries: &Binaries,
    account: &Account,
    durable: bool,
) -> Result<bool> {
    let cluster = home.cluster();
    if cluster.exists() {
        check(home)?;
        return Ok(false);
    }
    let password_file = home.socket_dir.join("initial-password");
    write_private(&password_file, &home.password()?)?;
    account.own(&password_file)?;
    let created = create(home, binaries, account, durable, &password_file);
    fs::remove_file(&password_file).attempt("removing", &password_file)?;
    created.map(|()| true)
}

fn check(home: &Home) -> Result<()> {
    let unusable = |reason: String| Error::Unusable {
        dir: home.dir.clone(),
        reason,
    };
    let version_file = home.cluster().join("PG_VERSION");
    let version = fs::read_to_string(&version_file).attempt("reading", &version_file)?;
    if version.trim() != MAJOR {
        let version = version.trim();
        return Err(unusable(format!(
            "its files are of Postgres {version}, not {MAJOR}"
        )));
    }
    if !home.password_file().exists() {
        return Err(unusable("its file `password` is gone".to_owned()));
    }
    Ok(())
}

/// Creates the cluster beside its place and moves it there once it is whole.
fn create(
    home: &Home,
    binaries: &Binaries,
    account: &Account,
    durable: bool,
    password_file: &Path,
) -> Result<()> {
    let new = home.dir.join("cluster.new");
    let mut detail = String::new();
    for character_type in CHARACTER_TYPES {
        if new.exists() {
            fs::remove_dir_all(&new).attempt("removing", &new)?;
        }
        account.create_private_dir(&new)?;
        let mut initdb = account.command(&binaries.initdb());
        initdb
            .arg("--pgdata")
            .arg(&new)
            .arg("--pwfile")
            .arg(password_file)
            .args(["--username", USER, "--auth=scram-sha-256"])
            .args(["--encoding=UTF8", "--locale=C", "--lc-ctype"])
            .arg(character_type)
            .args(["--locale-provider=builtin", "--builtin-locale=C.UTF-8"])
            .arg("--no-instructions")
            .stdout(Stdio::null());
        if !durable {
            initdb.arg("--no-sync");
        }
        let output = initdb.output().attempt("running", &binaries.initdb())?;
        if output.status.success() {
            return finish(home, &new, account);
        }
        detail = last_line(&output.stderr);
    }
    Err(Error::Program {
        program: "initdb",
        detail,
    })
}

fn finish(home: &Home, new: &Path, account: &Account) -> Result<()> {
    let rules = new.join("pg_hba.conf");
    write_private(&rules, "local all all scram-sha-256\n")?;
    account.own(&rules)?;
    let cluster = home.cluster();
    fs::rename(new, &cluster).attempt("moving files to", &cluster)
}
