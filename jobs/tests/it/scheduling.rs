//! Schedules: one job for each tick, whoever looks.

use chrono::{DateTime, TimeDelta, Utc};
use db::{Db, DbOptions};
use jobs::schedules::{
    self, CatchUp, Error, Kind, Looked, Schedule, ScheduleValues, ScheduleView, look,
};
use jobs::{Job as _, JobState};
use serde_json::json;
use sqlx::PgPool;
use testkit::TestDb;

use crate::harness::{Bench, Probe, behave};

/// A spec whose ticks never come during a test.
const NEW_YEAR: &str = "0 0 1 1 *";

fn kinds() -> Vec<Kind> {
    vec![Kind::of::<Probe>()]
}

async fn connect(test_db: &TestDb) -> Db {
    Db::connect_lazy(&DbOptions::new(test_db.url())).unwrap()
}

fn values(spec: &str, catch_up: CatchUp) -> ScheduleValues {
    ScheduleValues {
        kind: Probe::KIND.to_owned(),
        spec: spec.to_owned(),
        catch_up,
        payload: json!({"n": 7}),
    }
}

async fn put(db: &Db, name: &str, values: &ScheduleValues) {
    let mut tx = db.system().await.unwrap();
    schedules::put(&mut tx, &kinds(), name, values)
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

async fn view(db: &Db, name: &str) -> ScheduleView {
    let mut tx = db.system().await.unwrap();
    schedules::get(&mut tx, name).await.unwrap()
}

/// Moves a schedule's next tick to so many seconds before now, to the second.
async fn set_due(pool: &PgPool, name: &str, seconds: i32) -> DateTime<Utc> {
    sqlx::query_scalar(
        "UPDATE job_schedules
         SET next_at = date_trunc('second', now()) - make_interval(secs => $2)
         WHERE name = $1 RETURNING next_at",
    )
    .bind(name)
    .bind(seconds)
    .fetch_one(pool)
    .await
    .unwrap()
}

/// When the jobs of a schedule's ticks were due, in order.
async fn ticks(pool: &PgPool, name: &str) -> Vec<DateTime<Utc>> {
    sqlx::query_scalar(
        "SELECT run_at FROM jobs WHERE unique_key LIKE 'tick:' || $1 || ':%' ORDER BY run_at",
    )
    .bind(name)
    .fetch_all(pool)
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_tick_has_one_job_however_many_processes_look() {
    const ROUNDS: i32 = 100;
    let test_db = TestDb::new().await;
    let mut processes = Vec::new();
    for _ in 0..4 {
        processes.push(connect(&test_db).await);
    }
    for name in ["one", "two", "three"] {
        put(&processes[0], name, &values(NEW_YEAR, CatchUp::Latest)).await;
    }
    let mut expected = Vec::new();
    for round in 0..ROUNDS {
        for name in ["one", "two", "three"] {
            expected.push(set_due(test_db.pool(), name, ROUNDS - round).await);
        }
        let kinds = kinds();
        let looks = processes.iter().map(|db| look(db, &kinds));
        let looked = futures::future::try_join_all(looks).await.unwrap();
        // The unique key never had to help.
        let due: usize = looked.iter().map(|looked| looked.ticks).sum();
        let enqueued: usize = looked.iter().map(|looked| looked.enqueued).sum();
        assert_eq!((due, enqueued), (3, 3), "round {round}");
    }
    let mut found = Vec::new();
    for name in ["one", "two", "three"] {
        found.extend(ticks(test_db.pool(), name).await);
    }
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_look_that_is_cut_off_leaves_the_tick_to_the_next() {
    let test_db = TestDb::new().await;
    let db = connect(&test_db).await;
    put(&db, "cut", &values(NEW_YEAR, CatchUp::Latest)).await;
    let tick = set_due(test_db.pool(), "cut", 30).await;
    // The row is somebody else's until their transaction ends, one way or the other.
    let mut other = test_db.pool().begin().await.unwrap();
    sqlx::query("SELECT 1 FROM job_schedules FOR UPDATE")
        .execute(&mut *other)
        .await
        .unwrap();
    assert_eq!(look(&db, &kinds()).await.unwrap(), Looked::default());
    other.rollback().await.unwrap();
    // A process that dies before its commit leaves nothing behind.
    sqlx::query(
        "ALTER TABLE job_schedules ADD CONSTRAINT stands CHECK (next_at < now()) NOT VALID",
    )
    .execute(test_db.pool())
    .await
    .unwrap();
    look(&db, &kinds()).await.unwrap_err();
    assert!(ticks(test_db.pool(), "cut").await.is_empty());
    sqlx::query("ALTER TABLE job_schedules DROP CONSTRAINT stands")
        .execute(test_db.pool())
        .await
        .unwrap();
    let restarted = connect(&test_db).await;
    assert_eq!(look(&restarted, &kinds()).await.unwrap().enqueued, 1);
    assert_eq!(ticks(test_db.pool(), "cut").await, [tick]);
    assert_eq!(view(&db, "cut").await.last_at, Some(tick));
    assert_eq!(look(&db, &kinds()).await.unwrap(), Looked::default());
}

#[tokio::test]
async fn missed_ticks_are_caught_up_on_as_the_schedule_says() {
    let test_db = TestDb::new().await;
    let db = connect(&test_db).await;
    for (name, spec, policy) in [
        ("late", NEW_YEAR, CatchUp::Skip),
        ("in-time", NEW_YEAR, CatchUp::Skip),
        ("latest", "every 60s", CatchUp::Latest),
        ("all", "every 60s", CatchUp::All),
    ] {
        put(&db, name, &values(spec, policy)).await;
        set_due(test_db.pool(), name, 3600).await;
    }
    let in_time = set_due(test_db.pool(), "in-time", 5).await;
    look(&db, &kinds()).await.unwrap();
    assert!(ticks(test_db.pool(), "late").await.is_empty());
    assert_eq!(view(&db, "late").await.last_at, None);
    assert_eq!(ticks(test_db.pool(), "in-time").await, [in_time]);
    let latest = ticks(test_db.pool(), "latest").await;
    assert_eq!(latest.len(), 1);
    assert_eq!(latest[0].timestamp() % 60, 0);
    let all = ticks(test_db.pool(), "all").await;
    // The tick that was due, then each whole minute since: of an hour sixty, and one more if a minute
    // ends before the schedule is looked at.
    assert!((61..=62).contains(&all.len()), "{}", all.len());
    assert_eq!(all.last(), latest.last());
    for name in ["latest", "all"] {
        let next = view(&db, name).await.next_at;
        assert_eq!(next - latest[0], TimeDelta::minutes(1), "{name}");
    }
    for name in ["late", "in-time"] {
        assert!(view(&db, name).await.next_at > in_time + TimeDelta::minutes(1));
    }
}

#[tokio::test]
async fn a_long_absence_is_caught_up_on_a_thousand_ticks_at_a_time() {
    let test_db = TestDb::new().await;
    let db = connect(&test_db).await;
    put(&db, "all", &values("every 1s", CatchUp::All)).await;
    set_due(test_db.pool(), "all", 2500).await;
    let first = look(&db, &kinds()).await.unwrap();
    assert_eq!((first.enqueued, first.is_more), (1000, true));
    while look(&db, &kinds()).await.unwrap().is_more {}
    let found = ticks(test_db.pool(), "all").await;
    assert!(found.len() >= 2501, "{}", found.len());
    for pair in found.windows(2) {
        assert_eq!(pair[1] - pair[0], TimeDelta::seconds(1));
    }
}

#[tokio::test]
async fn a_paused_schedule_rests_and_does_not_catch_up_when_it_resumes() {
    let test_db = TestDb::new().await;
    let db = connect(&test_db).await;
    put(&db, "rests", &values("every 3600s", CatchUp::All)).await;
    let mut tx = db.system().await.unwrap();
    schedules::pause(&mut tx, "rests").await.unwrap();
    tx.commit().await.unwrap();
    set_due(test_db.pool(), "rests", 7200).await;
    assert_eq!(look(&db, &kinds()).await.unwrap(), Looked::default());
    assert_eq!(
        view(&db, "rests").await.waiting_because.as_deref(),
        Some("paused")
    );
    let mut tx = db.system().await.unwrap();
    schedules::resume(&mut tx, "rests").await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(look(&db, &kinds()).await.unwrap(), Looked::default());
    let resumed = view(&db, "rests").await;
    assert!(!resumed.paused && resumed.next_at > resumed.changed_at);
    assert_eq!(resumed.waiting_because, None);
    // One that is not paused keeps its tick when it is resumed.
    set_due(test_db.pool(), "rests", 1).await;
    let mut tx = db.system().await.unwrap();
    schedules::resume(&mut tx, "rests").await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(look(&db, &kinds()).await.unwrap().enqueued, 1);
}

#[tokio::test]
async fn schedules_of_the_product_follow_the_code_but_stay_paused() {
    let test_db = TestDb::new().await;
    let db = connect(&test_db).await;
    let hourly = || Schedule::new("ours", "7 * * * *", &Probe::new(1)).unwrap();
    assert_eq!(
        schedules::ensure(&db, &[hourly().at_once()]).await.unwrap(),
        1
    );
    // At once where it was not there: due by now, and only this once.
    assert_eq!(look(&db, &kinds()).await.unwrap().enqueued, 1);
    assert_eq!(
        schedules::ensure(&db, &[hourly().at_once()]).await.unwrap(),
        0
    );
    assert_eq!(look(&db, &kinds()).await.unwrap(), Looked::default());
    let before = view(&db, "ours").await;
    assert_eq!(before.next_at.format("%M:%S").to_string(), "07:00");

    let mut tx = db.system().await.unwrap();
    schedules::pause(&mut tx, "ours").await.unwrap();
    tx.commit().await.unwrap();
    // Another payload keeps the tick, another spec has another one.
    let other = Schedule::new("ours", "7 * * * *", &Probe::new(2)).unwrap();
    assert_eq!(schedules::ensure(&db, &[other]).await.unwrap(), 1);
    let after = view(&db, "ours").await;
    assert_eq!(
        (after.payload["n"].as_i64(), after.next_at),
        (Some(2), before.next_at)
    );
    let moved = Schedule::new("ours", "8 * * * *", &Probe::new(2)).unwrap();
    assert_eq!(schedules::ensure(&db, &[moved.at_once()]).await.unwrap(), 1);
    let after = view(&db, "ours").await;
    assert_eq!(after.next_at.format("%M:%S").to_string(), "08:00");
    assert!(after.paused && after.next_at > after.changed_at);
}

#[tokio::test]
async fn two_processes_that_start_at_once_add_a_schedule_once() {
    let test_db = TestDb::new().await;
    let (one, other) = (connect(&test_db).await, connect(&test_db).await);
    let schedule = [Schedule::new("ours", "7 * * * *", &Probe::new(1))
        .unwrap()
        .at_once()];
    let both = tokio::try_join!(
        schedules::ensure(&one, &schedule),
        schedules::ensure(&other, &schedule)
    );
    let (first, second) = both.unwrap();
    assert_eq!(first + second, 1);
    assert_eq!(look(&one, &kinds()).await.unwrap().enqueued, 1);
    assert_eq!(look(&other, &kinds()).await.unwrap(), Looked::default());
}

#[tokio::test]
async fn a_kind_that_a_process_does_not_know_is_left_to_others() {
    let test_db = TestDb::new().await;
    let db = connect(&test_db).await;
    put(&db, "newer", &values(NEW_YEAR, CatchUp::Latest)).await;
    let tick = set_due(test_db.pool(), "newer", 120).await;
    assert_eq!(look(&db, &[]).await.unwrap(), Looked::default());
    assert_eq!(
        look(&db, &schedules::kinds()).await.unwrap(),
        Looked::default()
    );
    let why = view(&db, "newer").await.waiting_because.unwrap();
    assert!(why.contains("no worker"), "{why}");
    assert_eq!(look(&db, &kinds()).await.unwrap().enqueued, 1);
    assert_eq!(ticks(test_db.pool(), "newer").await, [tick]);
    // A spec of a newer version is left alone as well, and holds nobody up.
    sqlx::query("UPDATE job_schedules SET spec = 'at dawn', next_at = now() WHERE name = 'newer'")
        .execute(test_db.pool())
        .await
        .unwrap();
    put(&db, "other", &values(NEW_YEAR, CatchUp::Latest)).await;
    set_due(test_db.pool(), "other", 1).await;
    let looked = look(&db, &kinds()).await.unwrap();
    assert_eq!((looked.enqueued, looked.is_more), (1, false));
}

/// Values with one thing changed.
fn wrong(change: impl FnOnce(&mut ScheduleValues)) -> ScheduleValues {
    let mut values = values(NEW_YEAR, CatchUp::Latest);
    change(&mut values);
    values
}

#[tokio::test]
async fn values_that_no_schedule_can_have_are_refused_by_name() {
    let test_db = TestDb::new().await;
    let db = connect(&test_db).await;
    let mut all = kinds();
    all.extend(schedules::kinds());
    let id = domain::TenantId::new();
    let tenants_job = json!({"tenant_id": id, "document_id": id, "version": 1});
    for (name, field, values) in [
        ("", "name", wrong(|_| ())),
        ("Nightly", "name", wrong(|_| ())),
        ("a:b", "name", wrong(|_| ())),
        (
            "ok",
            "kind",
            wrong(|values| values.kind = "nope".to_owned()),
        ),
        (
            "ok",
            "kind",
            wrong(|values| {
                values.kind = "ingest-document".to_owned();
                values.payload = tenants_job;
            }),
        ),
        (
            "ok",
            "spec",
            wrong(|values| values.spec = "61 * * * *".to_owned()),
        ),
        (
            "ok",
            "payload",
            wrong(|values| values.payload = json!({"n": "x"})),
        ),
        (
            "ok",
            "payload",
            wrong(|values| values.payload = json!({"n": 1, "x": "\0"})),
        ),
    ] {
        let mut tx = db.system().await.unwrap();
        match schedules::put(&mut tx, &all, name, &values).await {
            Err(Error::Refused { field: found, .. }) => assert_eq!(found, field),
            other => panic!("{name} {field}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_schedule_that_is_not_there_is_not_found() {
    let test_db = TestDb::new().await;
    let db = connect(&test_db).await;
    let mut tx = db.system().await.unwrap();
    assert!(schedules::list(&mut tx).await.unwrap().is_empty());
    assert!(matches!(
        schedules::get(&mut tx, "ok").await,
        Err(Error::NotFound)
    ));
    assert!(matches!(
        schedules::pause(&mut tx, "ok").await,
        Err(Error::NotFound)
    ));
    assert!(matches!(
        schedules::resume(&mut tx, "ok").await,
        Err(Error::NotFound)
    ));
    assert!(matches!(
        schedules::delete(&mut tx, "ok").await,
        Err(Error::NotFound)
    ));
    let run = schedules::run_now(&mut tx, &kinds(), "ok").await;
    assert!(matches!(run, Err(Error::NotFound)));
}

#[tokio::test]
async fn a_schedule_runs_at_once_when_asked_and_goes_when_deleted() {
    let test_db = TestDb::new().await;
    let db = connect(&test_db).await;
    put(&db, "asked", &values(NEW_YEAR, CatchUp::Latest)).await;
    let before = view(&db, "asked").await;
    let mut tx = db.system().await.unwrap();
    let first = schedules::run_now(&mut tx, &kinds(), "asked")
        .await
        .unwrap();
    let second = schedules::run_now(&mut tx, &kinds(), "asked")
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert_eq!((first.duplicate, second.duplicate), (false, true));
    assert_eq!(first.id, second.id);
    let after = view(&db, "asked").await;
    assert_eq!((after.next_at, after.last_at), (before.next_at, None));
    let mut tx = db.system().await.unwrap();
    schedules::delete(&mut tx, "asked").await.unwrap();
    assert!(schedules::list(&mut tx).await.unwrap().is_empty());
    tx.commit().await.unwrap();
    let jobs: i64 = sqlx::query_scalar("SELECT count(*) FROM jobs")
        .fetch_one(test_db.pool())
        .await
        .unwrap();
    assert_eq!(jobs, 1);
}

#[tokio::test]
async fn the_runner_wakes_when_a_schedule_is_set_and_a_worker_runs_its_jobs() {
    let bench = Bench::start(behave(|_, _, _| async { Ok(()) })).await;
    let stop = tokio_util::sync::CancellationToken::new();
    let runner = tokio::spawn(schedules::run(bench.db.clone(), kinds(), stop.clone()));
    put(&bench.db, "ticks", &values("every 1s", CatchUp::Latest)).await;
    for _ in 0..3 {
        assert_eq!(bench.next_run().await.0, 7);
    }
    stop.cancel();
    runner.await.unwrap();
    bench.shut_down().await;
    let mut tx = bench.db.system().await.unwrap();
    let filter = jobs::JobFilter {
        state: Some(JobState::Done),
        ..jobs::JobFilter::default()
    };
    assert!(
        jobs::list(&mut tx, &filter, None, 10)
            .await
            .unwrap()
            .data
            .len()
            >= 3
    );
}
