use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::TenantId;
use jobs::control::{LimitKey, LimitValues, set_limit};
use jobs::{Failure, JobState, Options};
use sqlx::PgPool;
use tokio::sync::{Semaphore, mpsc};

use crate::harness::{Bench, Probe, behave, connect, find, options, start_engine};

fn of(tenant: TenantId, n: i64) -> Probe {
    Probe {
        n,
        options: Options {
            tenant: Some(tenant),
            ..Options::default()
        },
    }
}

/// Sets a limit without telling anybody: the engine has to notice.
async fn limit(pool: &PgPool, key: &str, columns: &str, values: &str) {
    let sql = format!(
        "INSERT INTO job_limits (key, {columns}) VALUES ('{key}', {values})
         ON CONFLICT (key) DO UPDATE SET ({columns}) = ROW({values}), changed_at = now()"
    );
    sqlx::query(sqlx::AssertSqlSafe(sql))
        .execute(pool)
        .await
        .unwrap();
}

#[tokio::test]
async fn no_more_run_at_a_time_than_allowed_however_many_processes_there_are() {
    let running = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let (now, peak) = (Arc::clone(&running), Arc::clone(&most));
    let behaviour = behave(move |_, _, _| {
        let (now, peak) = (Arc::clone(&now), Arc::clone(&peak));
        async move {
            peak.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            // The handler takes a while, so that others could overlap with it.
            tokio::time::sleep(Duration::from_millis(5)).await;
            now.fetch_sub(1, Ordering::SeqCst);
            Ok(())
        }
    });
    let tenant = TenantId::new();
    let key = format!("tenant:{tenant}");
    let test_db = testkit::TestDb::new().await;
    limit(test_db.pool(), &key, "concurrency", "3").await;
    let (began, mut runs) = mpsc::unbounded_channel();
    let mut engines = Vec::new();
    for _ in 0..2 {
        let db = connect(&test_db).await;
        let engine = start_engine(
            &db,
            options(),
            HashMap::new(),
            Arc::clone(&behaviour),
            began.clone(),
        );
        engines.push((engine.await, db));
    }
    let mut tx = engines[0].1.system().await.unwrap();
    let many: Vec<_> = (0..60).map(|n| of(tenant, n)).collect();
    jobs::enqueue_many(&mut tx, &many).await.unwrap();
    tx.commit().await.unwrap();
    for _ in 0..60 {
        runs.recv().await.unwrap();
    }
    for (engine, _) in engines {
        engine.shut_down().await;
    }
    assert_eq!(
        most.load(Ordering::SeqCst),
        3,
        "all that is allowed is used"
    );
    let left: i32 = sqlx::query_scalar("SELECT running FROM job_limits")
        .fetch_one(test_db.pool())
        .await
        .unwrap();
    assert_eq!(left, 0, "whatever ends a run gives its place back");
}

#[tokio::test]
async fn attempts_begin_no_faster_than_the_rate_and_its_burst() {
    let bench = Bench::start(behave(|_, _, _| async { Ok(()) })).await;
    let tenant = TenantId::new();
    let key = format!("tenant:{tenant}/probe");
    let columns = "rate_per_second, burst, tokens";
    limit(bench.test_db.pool(), &key, columns, "20, 5, 5").await;
    settle(&bench).await;
    let mut tx = bench.db.system().await.unwrap();
    let many: Vec<_> = (0..25).map(|n| of(tenant, n)).collect();
    jobs::enqueue_many(&mut tx, &many).await.unwrap();
    tx.commit().await.unwrap();
    for _ in 0..25 {
        bench.next_run().await;
    }
    bench.shut_down().await;
    // In every window: no more than the burst and what the window's length adds.
    let excess: i64 = sqlx::query_scalar(
        "WITH own AS (SELECT claimed_at FROM job_history WHERE tenant_id = $1)
         SELECT count(*) FROM own AS a JOIN own AS b ON b.claimed_at >= a.claimed_at
         WHERE (SELECT count(*) FROM own AS w
                WHERE w.claimed_at BETWEEN a.claimed_at AND b.claimed_at)
               > 5 + 20 * extract(epoch FROM b.claimed_at - a.claimed_at) + 1e-3",
    )
    .bind(tenant.as_uuid())
    .fetch_one(bench.test_db.pool())
    .await
    .unwrap();
    assert_eq!(excess, 0);
}

/// Waits until the engine knows what was set so far: until it leaves a tenant alone that was paused
/// after that, while a job that was enqueued later has run.
async fn settle(bench: &Bench) {
    let paused = TenantId::new();
    let key = format!("tenant:{paused}");
    limit(bench.test_db.pool(), &key, "paused_until", "'infinity'").await;
    loop {
        let waiting = bench.enqueue(&of(paused, -1)).await;
        let witness = bench.enqueue(&of(TenantId::new(), -2)).await;
        bench.reach(witness, JobState::Done).await;
        while bench.next_run().await.0 != -2 {}
        let view = find(&bench.db, waiting).await.unwrap();
        if view.state == JobState::Ready && view.attempt == 0 {
            return;
        }
    }
}

#[tokio::test]
async fn a_limited_tenant_is_not_in_anothers_way_and_a_pause_ends_within_a_second() {
    let bench = Bench::start(behave(|_, _, _| async { Ok(()) })).await;
    let (still, free) = (TenantId::new(), TenantId::new());
    let key = format!("tenant:{still}");
    limit(bench.test_db.pool(), &key, "paused_until", "'infinity'").await;
    settle(&bench).await;
    let mut tx = bench.db.system().await.unwrap();
    let many: Vec<_> = (0..500).map(|n| of(still, n)).collect();
    jobs::enqueue_many(&mut tx, &many).await.unwrap();
    tx.commit().await.unwrap();
    for n in 1000..1010 {
        bench.enqueue(&of(free, n)).await;
        assert_eq!(bench.next_run().await.0, n);
    }
    limit(bench.test_db.pool(), &key, "paused_until", "NULL").await;
    let resumed = std::time::Instant::now();
    let first = bench.next_run().await.0;
    assert!(first < 500);
    assert!(
        resumed.elapsed() < Duration::from_secs(3),
        "half a second is the aim"
    );
    bench.shut_down().await;
}

#[tokio::test]
async fn a_retry_takes_its_place_and_its_token_anew() {
    let bench = Bench::start(behave(|_, handle, _| async move {
        match handle.job.attempt {
            1 => Err(Failure::retry("once more")),
            _ => Ok(()),
        }
    }))
    .await;
    let key = "endpoint:7";
    limit(bench.test_db.pool(), key, "concurrency", "1").await;
    settle(&bench).await;
    let mut probe = of(TenantId::new(), 1);
    probe.options.limit_keys = [None, Some(key.to_owned())];
    let id = bench.enqueue(&probe).await;
    assert_eq!(bench.reach(id, JobState::Done).await.attempt, 2);
    bench.shut_down().await;
    let running: i32 = sqlx::query_scalar("SELECT running FROM job_limits WHERE key = $1")
        .bind(key)
        .fetch_one(bench.test_db.pool())
        .await
        .unwrap();
    assert_eq!(running, 0);
}

const ENDPOINT: &str = "endpoint:a";
const NUMBER: &str = "number:b";

/// A bench whose jobs each end when the gate of their number lets them, and on which the endpoint and
/// the number take one job at a time.
async fn with_two_limits() -> (Bench, Arc<[Semaphore; 8]>) {
    let gates: Arc<[Semaphore; 8]> = Arc::new(std::array::from_fn(|_| Semaphore::new(0)));
    let shut = Arc::clone(&gates);
    let behaviour = behave(move |probe: Probe, _, _| {
        let shut = Arc::clone(&shut);
        async move {
            let gate = &shut[usize::try_from(probe.n).unwrap()];
            gate.acquire().await.unwrap().forget();
            Ok(())
        }
    });
    let bench = Bench::start(behaviour).await;
    let one_at_a_time = LimitValues {
        concurrency: Some(1),
        ..LimitValues::default()
    };
    let mut tx = bench.db.system().await.unwrap();
    for key in [ENDPOINT, NUMBER] {
        let key = LimitKey::parse(key).unwrap();
        set_limit(&mut tx, &key, one_at_a_time).await.unwrap();
    }
    tx.commit().await.unwrap();
    (bench, gates)
}

/// Enqueues a job with these keys of its own.
async fn enqueue_with(bench: &Bench, n: i64, keys: &[&str]) -> i64 {
    let mut probe = Probe::new(n);
    for (own, key) in probe.options.limit_keys.iter_mut().zip(keys) {
        *own = Some((*key).to_owned());
    }
    bench.enqueue(&probe).await
}

/// Enqueues a job that nothing stands in the way of, whoever else waits.
async fn begin(bench: &Bench, n: i64, keys: &[&str]) {
    enqueue_with(bench, n, keys).await;
    assert_eq!(bench.next_run().await, (n, 1));
}

/// How many jobs of the endpoint and of the number run, by their rows.
async fn counted(bench: &Bench) -> Vec<i32> {
    sqlx::query_scalar("SELECT running FROM job_limits ORDER BY key")
        .fetch_all(bench.test_db.pool())
        .await
        .unwrap()
}

#[tokio::test]
async fn a_job_with_two_keys_of_its_own_waits_for_either_and_counts_for_both() {
    let (bench, gates) = with_two_limits().await;
    let end = |n: usize| gates[n].add_permits(1);
    begin(&bench, 1, &[ENDPOINT]).await;
    let both = enqueue_with(&bench, 2, &[ENDPOINT, NUMBER]).await;
    // While it waits for one key it takes nothing of the other.
    begin(&bench, 3, &[NUMBER]).await;
    end(1);
    begin(&bench, 4, &[ENDPOINT]).await;
    end(3);
    begin(&bench, 5, &[NUMBER]).await;
    assert_eq!(counted(&bench).await, [1, 1]);
    let view = find(&bench.db, both).await.unwrap();
    assert_eq!((view.state, view.attempt), (JobState::Ready, 0));
    end(4);
    end(5);
    assert_eq!(bench.next_run().await, (2, 1));
    assert_eq!(counted(&bench).await, [1, 1]);
    let mut late = Vec::new();
    for (n, key) in [(6, ENDPOINT), (7, NUMBER)] {
        late.push(enqueue_with(&bench, n, &[key]).await);
    }
    // A key that nobody limits lets no job begin without a claim, which finds the others as well.
    begin(&bench, 0, &["other:c"]).await;
    for id in &late {
        let view = find(&bench.db, *id).await.unwrap();
        assert_eq!((view.state, view.attempt), (JobState::Ready, 0));
    }
    for n in [0, 2, 6, 7] {
        end(n);
    }
    for id in late {
        bench.reach(id, JobState::Done).await;
    }
    bench.reach(both, JobState::Done).await;
    bench.shut_down().await;
    assert_eq!(counted(&bench).await, [0, 0]);
}

#[tokio::test]
async fn a_limit_whose_row_is_gone_holds_up_nobody() {
    let bench = Bench::start(behave(|_, _, _| async { Ok(()) })).await;
    let key = "wa-pair:7:8";
    let columns = "rate_per_second, burst, tokens";
    limit(bench.test_db.pool(), key, columns, "100, 10, 10").await;
    settle(&bench).await;
    let mut probe = of(TenantId::new(), 1);
    probe.options.limit_keys = [Some(key.to_owned()), None];
    let before = bench.enqueue(&probe).await;
    bench.reach(before, JobState::Done).await;
    sqlx::query("DELETE FROM job_limits WHERE key = $1")
        .bind(key)
        .execute(bench.test_db.pool())
        .await
        .unwrap();
    let after = bench.enqueue(&probe).await;
    bench.reach(after, JobState::Done).await;
    bench.shut_down().await;
}

#[tokio::test]
async fn a_small_tenant_does_not_wait_for_a_whale() {
    let mut few = options();
    few.interactive_slots = 2;
    let order = Arc::new(Mutex::new(Vec::new()));
    let gate = Arc::new(Semaphore::new(0));
    let (seen, open) = (Arc::clone(&order), Arc::clone(&gate));
    let behaviour = behave(move |probe, _, _| {
        let (seen, open) = (Arc::clone(&seen), Arc::clone(&open));
        async move {
            open.acquire().await.unwrap().forget();
            seen.lock().unwrap().push(probe.n);
            Ok(())
        }
    });
    let bench = Bench::start_with(few, HashMap::new(), behaviour).await;
    let (whale, small) = (TenantId::new(), TenantId::new());
    // The engine knows its flow from then on: one that is new has to be looked up first.
    gate.add_permits(1);
    let known = bench.enqueue(&of(small, 999)).await;
    bench.next_run().await;
    bench.reach(known, JobState::Done).await;
    let mut tx = bench.db.system().await.unwrap();
    let many: Vec<_> = (0..300).map(|n| of(whale, n)).collect();
    jobs::enqueue_many(&mut tx, &many).await.unwrap();
    tx.commit().await.unwrap();
    bench.next_run().await;
    bench.next_run().await;
    bench.enqueue(&of(small, 1000)).await;
    gate.add_permits(20);
    // Two of the whale's run; the small one comes with the first or second slot that is free once the
    // engine has heard of it, which a busy machine puts off by some jobs.
    let mut begun = Vec::new();
    for _ in 0..16 {
        begun.push(bench.next_run().await.0);
    }
    assert!(begun.contains(&1000), "{begun:?}");
    gate.add_permits(1000);
    bench.shut_down().await;
}
