use std::sync::{Arc, Mutex};
use std::time::Duration;

use jobs::{Failure, JobState};

use crate::harness::{Bench, Probe, behave, connect, options, reach, start_engine};

#[tokio::test]
async fn jobs_of_one_key_run_one_at_a_time_and_in_order() {
    let running = Arc::new(Mutex::new((0_u32, 0_u32)));
    let counted = Arc::clone(&running);
    let bench = Bench::start(behave(move |_, _, _| {
        let counted = Arc::clone(&counted);
        async move {
            {
                let mut now = counted.lock().unwrap();
                now.0 += 1;
                now.1 = now.1.max(now.0);
            }
            tokio::task::yield_now().await;
            counted.lock().unwrap().0 -= 1;
            Ok(())
        }
    }))
    .await;
    let mut last = 0;
    for n in 0..30 {
        last = bench.enqueue(&Probe::keyed(n, "alice")).await;
    }
    let mut order = Vec::new();
    for _ in 0..30 {
        order.push(bench.next_run().await.0);
    }
    assert_eq!(order, (0..30).collect::<Vec<_>>());
    assert_eq!(running.lock().unwrap().1, 1);
    bench.reach(last, JobState::Done).await;
    let keys: i64 = sqlx::query_scalar("SELECT count(*) FROM job_keys")
        .fetch_one(bench.test_db.pool())
        .await
        .unwrap();
    assert_eq!(keys, 0, "a key goes with its last job");
    bench.shut_down().await;
}

#[tokio::test]
async fn a_key_waits_for_the_retries_of_its_head_and_others_do_not() {
    let bench = Bench::start(behave(|probe, handle, _| async move {
        if probe.n == 0 && handle.job.attempt < 3 {
            return Err(Failure::retry_after(Duration::from_millis(100), "not yet"));
        }
        Ok(())
    }))
    .await;
    bench.enqueue(&Probe::keyed(0, "slow")).await;
    let behind = bench.enqueue(&Probe::keyed(1, "slow")).await;
    let other = bench.enqueue(&Probe::keyed(2, "quick")).await;
    bench.reach(other, JobState::Done).await;
    bench.reach(behind, JobState::Done).await;
    let mut order = Vec::new();
    for _ in 0..5 {
        order.push(bench.next_run().await);
    }
    let of_slow: Vec<_> = order.into_iter().filter(|(n, _)| *n < 2).collect();
    assert_eq!(of_slow, [(0, 1), (0, 2), (0, 3), (1, 1)]);
    bench.shut_down().await;
}

#[tokio::test]
async fn a_key_goes_on_when_its_head_dies() {
    let bench = Bench::start(behave(|probe, _, _| async move {
        if probe.n == 0 {
            Err(Failure::dead("hopeless"))
        } else {
            Ok(())
        }
    }))
    .await;
    let head = bench.enqueue(&Probe::keyed(0, "k")).await;
    let next = bench.enqueue(&Probe::keyed(1, "k")).await;
    bench.reach(head, JobState::Dead).await;
    bench.reach(next, JobState::Done).await;
    bench.shut_down().await;
}

#[tokio::test]
async fn keys_hold_while_many_enqueue_and_two_engines_run() {
    let seen: Arc<Mutex<Vec<(i64, i64)>>> = Arc::default();
    let log = Arc::clone(&seen);
    let behaviour = behave(move |probe: Probe, handle, _| {
        let log = Arc::clone(&log);
        async move {
            tokio::task::yield_now().await;
            log.lock().unwrap().push((probe.n % 7, handle.job.id));
            Ok(())
        }
    });
    let bench = Bench::start(Arc::clone(&behaviour)).await;
    let (began, _runs) = tokio::sync::mpsc::unbounded_channel();
    let other_db = connect(&bench.test_db).await;
    let other = start_engine(
        &other_db,
        options(),
        std::collections::HashMap::new(),
        behaviour,
        began,
    )
    .await;
    let enqueuers = (0..4).map(|part| {
        let db = bench.db.clone();
        tokio::spawn(async move {
            let mut ids = Vec::new();
            for n in 0..50 {
                let n = part * 50 + n;
                let mut tx = db.system().await.unwrap();
                let job = Probe::keyed(n, &format!("key-{}", n % 7));
                ids.push(jobs::enqueue(&mut tx, &job).await.unwrap().id);
                tx.commit().await.unwrap();
            }
            ids
        })
    });
    for enqueuer in futures::future::join_all(enqueuers).await {
        for id in enqueuer.unwrap() {
            reach(&bench.db, id, JobState::Done).await;
        }
    }
    let seen = seen.lock().unwrap().clone();
    assert_eq!(seen.len(), 200);
    // Ids of one key are given under its row lock, so they tell the order of enqueueing.
    for key in 0..7 {
        let ids: Vec<_> = seen
            .iter()
            .filter(|(k, _)| *k == key)
            .map(|(_, id)| *id)
            .collect();
        assert!(ids.is_sorted(), "key {key}: {ids:?}");
    }
    other.shut_down().await;
    bench.shut_down().await;
}
