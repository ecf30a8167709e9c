use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use embedded::{Error, Options, Progress, ProgressFn, Server};
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;

/// Where `make up` and `make test` unpack the programs too.
const INSTALL_DIR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.data/install");

/// Names the folder of the server that a child of the test holds.
const HELD_DIR: &str = "EMBEDDED_TEST_HELD_DIR";

fn folder() -> TempDir {
    tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o755))
        .tempdir()
        .unwrap()
}

fn options(dir: &Path) -> Options {
    Options {
        durable: false,
        max_connections: 20,
        ..Options::new(dir, INSTALL_DIR)
    }
}

fn quiet() -> ProgressFn {
    Arc::new(|_| ())
}

async fn start(dir: &Path) -> Server {
    Server::start(options(dir), quiet()).await.unwrap()
}

async fn ask(server: &Server, statement: &'static str) -> String {
    let mut connection = PgConnection::connect(&server.url()).await.unwrap();
    let answer = sqlx::query_scalar(statement)
        .fetch_one(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    answer
}

async fn tell(server: &Server, statement: &'static str) {
    let mut connection = PgConnection::connect(&server.url()).await.unwrap();
    sqlx::raw_sql(statement)
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
}

#[tokio::test]
async fn keeps_its_data_from_one_start_to_the_next() {
    let parent = folder();
    let dir = parent.path().join("a folder, with \"quotes\"");
    let server = start(&dir).await;
    tell(&server, "CREATE TABLE kept AS SELECT 'here' AS word").await;
    server.stop().await.unwrap();

    let server = start(&dir).await;
    assert_eq!(ask(&server, "SELECT word FROM kept").await, "here");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn is_postgres_18_with_pgvector_unicode_and_no_open_port() {
    let dir = folder();
    let server = start(dir.path()).await;
    let version = ask(&server, "SHOW server_version").await;
    assert!(version.starts_with("18."), "{version}");
    tell(&server, "CREATE EXTENSION vector").await;
    let distance = "SELECT ('[1,2]'::vector <-> '[1,4]')::text";
    assert_eq!(ask(&server, distance).await, "2");
    assert_eq!(ask(&server, "SELECT lower('ÄÖÉ')").await, "äöé");
    let words = "SELECT to_tsvector('simple', '«Straße» – größe')::text";
    assert_eq!(ask(&server, words).await, "'größe':2 'straße':1");
    assert_eq!(ask(&server, "SHOW listen_addresses").await, "");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn refuses_whoever_has_no_password() {
    let dir = folder();
    let server = start(dir.path()).await;
    let password = fs::read_to_string(server.dir().join("password")).unwrap();
    let wrong = server.url().replace(&password, "wrong");
    assert!(PgConnection::connect(&wrong).await.is_err());
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_second_start_on_the_same_folder_is_refused_and_harms_nothing() {
    let dir = folder();
    let server = start(dir.path()).await;
    let second = Server::start(options(dir.path()), quiet()).await;
    assert!(matches!(second.err(), Some(Error::InUse { .. })));
    assert_eq!(ask(&server, "SELECT 'alive'").await, "alive");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn two_folders_side_by_side_do_not_meet() {
    let (one, two) = (folder(), folder());
    let (one, two) = tokio::join!(start(one.path()), start(two.path()));
    tell(&one, "CREATE TABLE only_here (id int)").await;
    let other = "SELECT coalesce(to_regclass('only_here')::text, 'nothing')";
    assert_eq!(ask(&two, other).await, "nothing");
    one.stop().await.unwrap();
    two.stop().await.unwrap();
}

/// Starts a server in a process of its own, with a table `kept`, and kills that process.
async fn leave_an_orphan(dir: &Path) {
    let mut holder = Command::new(std::env::current_exe().unwrap())
        .args([
            "--ignored",
            "--exact",
            "server::holds_a_server_until_killed",
        ])
        .env(HELD_DIR, dir)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let ready = dir.join("ready");
    let deadline = Instant::now() + Duration::from_mins(2);
    while !ready.exists() {
        assert!(Instant::now() < deadline, "the child started no server");
        assert!(holder.try_wait().unwrap().is_none(), "the child ended");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    holder.kill().unwrap();
    holder.wait().unwrap();
}

#[tokio::test]
async fn a_killed_process_leaves_nothing_that_stops_the_next_start() {
    let dir = folder();
    leave_an_orphan(dir.path()).await;
    let steps = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&steps);
    let progress: ProgressFn = Arc::new(move |step| seen.lock().unwrap().push(step));
    let server = Server::start(options(dir.path()), progress).await.unwrap();
    assert!(steps.lock().unwrap().contains(&Progress::StoppingOrphan));
    assert_eq!(ask(&server, "SELECT word FROM kept").await, "here");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn what_a_killed_process_left_can_be_thrown_away() {
    let parent = folder();
    let dir = parent.path().join("postgres");
    fs::create_dir(&dir).unwrap();
    leave_an_orphan(&dir).await;
    let pid_file = fs::read_to_string(dir.join("cluster/postmaster.pid")).unwrap();
    let command_line = format!("/proc/{}/cmdline", pid_file.lines().next().unwrap());
    assert!(!fs::read(&command_line).unwrap().is_empty());
    embedded::discard(&dir, Path::new(INSTALL_DIR)).unwrap();
    assert!(!dir.exists());
    // A process that ended has none, even while nobody has asked for its status.
    assert!(fs::read(&command_line).unwrap_or_default().is_empty());
}

#[tokio::test]
#[ignore = "the process that the tests above kill, not a test of its own"]
async fn holds_a_server_until_killed() {
    let Some(dir) = std::env::var_os(HELD_DIR) else {
        return;
    };
    let server = start(Path::new(&dir)).await;
    tell(&server, "CREATE TABLE kept AS SELECT 'here' AS word").await;
    fs::write(Path::new(&dir).join("ready"), "").unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_recycled_process_number_is_not_taken_for_a_server() {
    let dir = folder();
    let server = start(dir.path()).await;
    let pid_file = server.dir().join("cluster/postmaster.pid");
    let text = fs::read_to_string(&pid_file).unwrap();
    server.stop().await.unwrap();
    let (_, rest) = text.split_once('\n').unwrap();
    fs::write(&pid_file, format!("{}\n{rest}", std::process::id())).unwrap();
    let server = start(dir.path()).await;
    assert_eq!(ask(&server, "SELECT 'alive'").await, "alive");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn the_programs_run_as_they_stand() {
    let dir = folder();
    let server = start(dir.path()).await;
    let binaries = server.binaries();
    for program in [
        binaries.psql(),
        binaries.pg_dump(),
        binaries.pg_restore(),
        binaries.pgbench(),
    ] {
        let output = Command::new(&program).arg("--version").output().unwrap();
        assert!(output.status.success(), "{}", program.display());
    }
    let output = Command::new(binaries.psql())
        .args([&server.url(), "-Atc", "SELECT current_database()"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "metachat\n");
    server.stop().await.unwrap();
}
