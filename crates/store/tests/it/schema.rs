//! The schema in one file, for readers, is what the migrations amount to.

use std::path::Path;
use std::process::Command;

use testkit::{BIN_VARIABLE, TestDb, postgres_programs};

#[tokio::test]
async fn the_schema_file_is_what_the_migrations_amount_to() {
    let Some(programs) = postgres_programs() else {
        // Another server's pg_dump may write the same schema in other words.
        println!("{BIN_VARIABLE} is not set: the schema is not compared");
        return;
    };
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let database = TestDb::new().await;
    let dump = Command::new(workspace.join("ops/postgres/dump-schema"))
        .env("DATABASE_URL", database.url())
        .env(BIN_VARIABLE, programs)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&dump.stderr);
    assert!(dump.status.success(), "{errors}");
    let dumped = String::from_utf8(dump.stdout).unwrap();
    let committed = std::fs::read_to_string(workspace.join("migrations/schema.sql")).unwrap();
    for (line, (dumped, committed)) in (1..).zip(dumped.lines().zip(committed.lines())) {
        assert_eq!(dumped, committed, "line {line}: run `make generate`");
    }
    assert_eq!(dumped.lines().count(), committed.lines().count());
}
