use std::process::Command;

use testkit::TestDb;

/// Runs jobs and a few faults on a database of its own; says whether every promise held, and what
/// was printed.
async fn run(jobs: &str, faults: &str, arguments: &[&str]) -> (bool, String) {
    let database = TestDb::new().await;
    let folder = std::env::temp_dir().join(format!(
        "chaos-{}",
        database.url().rsplit('_').next().unwrap()
    ));
    let mut command = Command::new(env!("CARGO_BIN_EXE_chaos"));
    command
        .args(["run", "--jobs", jobs, "--faults", faults, "--seed", "1"])
        .args(["--database-url", database.url()])
        .arg("--folder")
        .arg(&folder)
        .args(arguments);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();
    std::fs::remove_dir_all(&folder).ok();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(
        matches!(output.status.code(), Some(0 | 1)),
        "no run: {printed}"
    );
    (output.status.success(), printed)
}

/// The checker has to name these properties; what follows from them it may name as well.
async fn names(sabotage: &str, faults: &str, properties: &[&str]) {
    let jobs = match sabotage {
        // Enough for every limit to be reached, and for jobs that are cancelled and begin again.
        "overlimit" | "uncancel" => "1500",
        _ => "500",
    };
    names_in(jobs, faults, &["--sabotage", sabotage], properties).await;
}

async fn names_in(jobs: &str, faults: &str, arguments: &[&str], properties: &[&str]) {
    let (held, printed) = run(jobs, faults, arguments).await;
    assert!(!held, "nothing was noticed: {printed}");
    for property in properties {
        assert!(
            printed.contains(&format!("broken: {property} (")),
            "no {property}: {printed}"
        );
    }
}

#[tokio::test]
async fn process_a_whole_run_is_found_whole() {
    let (held, printed) = run("500", "6", &[]).await;
    assert!(held, "{printed}");
    assert!(printed.contains("every promise held; seed 1"), "{printed}");
}

#[tokio::test]
async fn process_jobs_that_vanish_are_missed() {
    names("lost", "0", &["lost"]).await;
}

#[tokio::test]
async fn process_a_job_given_to_two_workers_without_a_fence_is_seen_running_twice() {
    names("double", "0", &["double-run", "accounts", "effects"]).await;
}

/// Needs the program built with failpoints, as the whole workspace is for its tests.
#[tokio::test]
async fn process_workers_that_finish_what_they_have_lost_are_noticed() {
    names("unfenced", "0", &["accounts"]).await;
}

#[tokio::test]
async fn process_a_held_job_that_goes_before_its_turn_is_out_of_order() {
    names("reorder", "0", &["ordering"]).await;
}

#[tokio::test]
async fn process_limits_that_forget_are_exceeded() {
    names("overlimit", "0", &["concurrency", "rate"]).await;
}

#[tokio::test]
async fn process_attempts_that_are_not_counted_are_too_many() {
    names("overattempt", "0", &["attempts"]).await;
}

#[tokio::test]
async fn process_a_cancelled_job_that_begins_is_named() {
    names("uncancel", "0", &["cancels"]).await;
}

#[tokio::test]
async fn process_a_job_that_begins_after_its_deadline_is_named() {
    names("overdue", "0", &["deadlines"]).await;
}

#[tokio::test]
async fn process_payloads_that_are_swallowed_are_not_dead() {
    names("swallow", "10", &["poison"]).await;
}

#[tokio::test]
async fn process_a_worker_that_ends_by_itself_is_noticed() {
    names("fragile", "0", &["workers"]).await;
}

#[tokio::test]
async fn process_ticks_that_come_twice_or_not_at_all_are_named() {
    names("tick", "0", &["ticks"]).await;
}

#[tokio::test]
async fn process_what_is_claimed_in_spite_of_a_pause_is_named() {
    let arguments = ["--sabotage", "unpause", "--only", "pause"];
    names_in("1000", "8", &arguments, &["pauses"]).await;
}
