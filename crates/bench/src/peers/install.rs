use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use tokio::fs;
use tokio::process::Command;

use super::{Peer, program};
use crate::report::{ROOT, say};

/// The Node that programs of Node run on, whichever version is on the machine.
const NODE: &str = "24.21.0";
/// What npm installs for Graphile Worker.
const GRAPHILE: &[&str] = &["graphile-worker@0.18.0", "pg@8.23.1"];
/// What npm installs for pg-boss.
const PG_BOSS: &[&str] = &["pg-boss@12.38.0", "pg@8.23.1"];
/// What pip installs for Procrastinate.
const PROCRASTINATE: &[&str] = &["procrastinate==3.10.0", "psycopg[binary,pool]==3.3.9"];
/// What pip installs for bm25s.
const BM25S: &[&str] = &["bm25s==0.3.16", "PyStemmer==3.1.0"];
/// The file that says what a folder holds.
const STAMP: &str = "installed";

/// How a peer's program is started.
pub(super) struct Installed {
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<OsString>,
    pub(super) variables: Vec<(&'static str, OsString)>,
}

/// Installs a peer in its folder below `.data/bench-peers`, unless that holds it.
///
/// # Errors
/// When a tool is missing or fails, as without a network.
pub(super) async fn install(peer: Peer) -> anyhow::Result<Installed> {
    match peer {
        Peer::Graphile => node("graphile", GRAPHILE).await,
        Peer::PgBoss => node("pg-boss", PG_BOSS).await,
        Peer::Procrastinate => python("procrastinate", PROCRASTINATE).await,
        Peer::Apalis => cargo("apalis").await,
    }
}

/// Installs bm25s, which measures no jobs but rankings.
///
/// # Errors
/// As [`install`].
pub(super) async fn install_bm25s() -> anyhow::Result<Installed> {
    python("bm25s", BM25S).await
}

/// Where the program of a peer stands in the checkout.
fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("peers")
        .join(name)
}

/// The folder of a peer.
async fn folder(name: &str) -> anyhow::Result<PathBuf> {
    let folder = Path::new(ROOT).join(".data/bench-peers").join(name);
    fs::create_dir_all(&folder).await?;
    Ok(fs::canonicalize(folder).await?)
}

/// Runs `install` unless the folder holds just `wanted`.
async fn ensure_installed(folder: &Path, wanted: &str, install: Command) -> anyhow::Result<()> {
    let stamp = folder.join(STAMP);
    if fs::read_to_string(&stamp)
        .await
        .is_ok_and(|it| it == wanted)
    {
        return Ok(());
    }
    fs::remove_file(&stamp).await.ok();
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    say(&format!("installing {name} …"));
    program::output(install).await?;
    Ok(fs::write(stamp, wanted).await?)
}

async fn node(name: &str, packages: &[&str]) -> anyhow::Result<Installed> {
    let folder = folder(name).await?;
    let runtime = format!("node-{}@{NODE}", platform()?);
    let mut npm = Command::new("npm");
    npm.args([
        "install",
        "--no-package-lock",
        "--no-save",
        "--no-audit",
        "--no-fund",
    ])
    .arg("--prefix")
    .arg(&folder)
    .args(packages)
    .arg(&runtime);
    ensure_installed(&folder, &format!("{runtime} {}", packages.join(" ")), npm).await?;
    // Packages are looked for beside the program.
    let program = folder.join("run.mjs");
    fs::copy(source(name).join("run.mjs"), &program).await?;
    Ok(Installed {
        program: folder.join(format!("node_modules/node-{}/bin/node", platform()?)),
        arguments: vec![program.into()],
        // One line for each job would be measured too.
        variables: vec![("NO_LOG_SUCCESS", "1".into())],
    })
}

/// The platform in the names of Node's packages.
fn platform() -> anyhow::Result<String> {
    let system = match std::env::consts::OS {
        "linux" => "linux",
        "macos" => "darwin",
        other => anyhow::bail!("Node is not packaged for {other}"),
    };
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        other => anyhow::bail!("Node is not packaged for {other}"),
    };
    Ok(format!("{system}-{architecture}"))
}

async fn python(name: &str, packages: &[&str]) -> anyhow::Result<Installed> {
    let folder = folder(name).await?;
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--upgrade", "--target"])
        .arg(&folder)
        .args(packages);
    ensure_installed(&folder, &packages.join(" "), pip).await?;
    Ok(Installed {
        program: "python3".into(),
        arguments: vec![source(name).join("run.py").into()],
        variables: vec![
            ("PYTHONPATH", folder.into()),
            ("PYTHONDONTWRITEBYTECODE", "1".into()),
        ],
    })
}

async fn cargo(name: &str) -> anyhow::Result<Installed> {
    let folder = folder(name).await?;
    let source = source(name);
    let mut wanted = String::new();
    // Built in the folder: the lock file that cargo writes stays out of the checkout.
    fs::create_dir_all(folder.join("src")).await?;
    for file in ["Cargo.toml", "src/main.rs"] {
        let text = fs::read_to_string(source.join(file)).await?;
        fs::write(folder.join(file), &text).await?;
        wanted += &text;
    }
    let target = folder.join("target");
    let mut build = Command::new("cargo");
    build
        .args(["build", "--release", "--quiet", "--target-dir"])
        .arg(&target)
        // Queries of its dependencies are checked against data that comes with them.
        .env_remove("DATABASE_URL")
        .env("SQLX_OFFLINE", "true")
        .current_dir(&folder);
    ensure_installed(&folder, &wanted, build).await?;
    let program = target.join("release/bench-peer-apalis");
    ensure!(
        fs::try_exists(&program).await.context("the build")?,
        "cargo built no program"
    );
    Ok(Installed {
        program,
        arguments: Vec::new(),
        variables: Vec::new(),
    })
}
