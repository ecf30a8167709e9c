//! The subcommands that an operator types.

use std::path::Path;
use std::process::Output;

use crate::stage::{Stage, bare_command};

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn process_openapi_prints_the_committed_description() {
    let printed = bare_command().arg("openapi").output().await.unwrap();
    assert!(printed.status.success(), "{printed:?}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../openapi/openapi.json");
    let committed = std::fs::read_to_string(path).unwrap();
    assert!(
        text(&printed.stdout).trim_end() == committed.trim_end(),
        "openapi/openapi.json is old: run `make generate`"
    );
}

#[tokio::test]
async fn process_configuration_prints_the_committed_reference() {
    let printed = bare_command().arg("configuration").output().await.unwrap();
    assert!(printed.status.success(), "{printed:?}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let committed = std::fs::read_to_string(path).unwrap();
    assert!(
        text(&printed.stdout).trim_end() == committed.trim_end(),
        "docs/configuration.md is old: run `make generate`"
    );
}

#[tokio::test]
async fn process_with_a_bad_configuration_names_all_its_problems() {
    let folder = tempfile::tempdir().unwrap();
    let refused = bare_command()
        .arg("api")
        .current_dir(folder.path())
        .env("METACHAT_LISTEN", "somewhere")
        .env("METACHAT_JOB_LEASE_SECONDS", "soon")
        .env("METACHAT_TRUST_FORWARDED_FOR", "perhaps")
        .output()
        .await
        .unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let error = text(&refused.stderr);
    for variable in [
        "METACHAT_LISTEN",
        "METACHAT_JOB_LEASE_SECONDS",
        "METACHAT_TRUST_FORWARDED_FOR",
    ] {
        assert!(error.contains(variable), "{variable}: {error}");
    }
    assert!(!error.contains("somewhere"), "{error}");
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 0, "nothing was begun");
}

#[tokio::test]
async fn process_doctor_finds_a_whole_installation_in_order() {
    let stage = Stage::new().await;
    let output = stage.command("doctor").output().await.unwrap();
    let report = text(&output.stdout);
    assert!(output.status.success(), "{report}");
    for what in ["data folder", "port", "database", "schema", "connections"] {
        let line = report.lines().find(|line| line.contains(what)).unwrap();
        assert!(line.starts_with("ok"), "{line}");
    }
}

#[tokio::test]
async fn process_doctor_says_what_is_missing() {
    let stage = Stage::new().await;
    let nobody = "postgres://nobody@127.0.0.1:1/none";
    let mut command = stage.command("doctor");
    let output: Output = command.env("DATABASE_URL", nobody).output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let report = text(&output.stdout);
    assert!(report.contains("MISSING  database"), "{report}");
    assert!(report.contains("check DATABASE_URL"), "{report}");
}

#[tokio::test]
async fn process_told_to_end_ends_in_peace() {
    let stage = Stage::new().await;
    let mut worker = stage.worker();
    worker.logged("the worker runs").await;
    let api = stage.api().await;
    api.http.get("/api/health").await.expect(200);
    worker.drained().await;
    api.process.drained().await;
    let sessions = "SELECT count(*) FROM worker_sessions";
    assert_eq!(stage.count(sessions).await, 0, "the session was closed");
}
