use std::time::Duration;

use jobs::{JobState, OnDuplicate, Options, Unique, Until};

use crate::desk::Desk;
use crate::harness::{Bench, Probe, behave, find};

fn unique(n: i64, until: Until, on_duplicate: OnDuplicate, delay: Duration) -> Probe {
    let unique = Some(Unique {
        key: "one".to_owned(),
        until,
        on_duplicate,
    });
    Probe {
        n,
        options: Options {
            unique,
            delay,
            ..Options::default()
        },
    }
}

#[tokio::test]
async fn a_job_exists_only_if_its_transaction_commits() {
    let bench = Bench::start(behave(|_, _, _| async { Ok(()) })).await;
    let mut tx = bench.db.system().await.unwrap();
    let dropped = jobs::enqueue(&mut tx, &Probe::new(1)).await.unwrap().id;
    drop(tx);
    let kept = bench.enqueue(&Probe::new(2)).await;
    bench.reach(kept, JobState::Done).await;
    assert!(find(&bench.db, dropped).await.is_none());
    assert_eq!(bench.next_run().await.0, 2);
    bench.shut_down().await;
}

#[tokio::test]
async fn a_delayed_job_waits_and_then_runs_without_a_poll() {
    let mut options = crate::harness::options();
    options.poll = Duration::from_mins(1);
    let behaviour = behave(|_, _, _| async { Ok(()) });
    let bench = Bench::start_with(options, std::collections::HashMap::new(), behaviour).await;
    let delay = Duration::from_secs(2);
    let job = Probe {
        n: 1,
        options: Options {
            delay,
            ..Options::default()
        },
    };
    let mut tx = bench.db.system().await.unwrap();
    let id = jobs::enqueue(&mut tx, &job).await.unwrap().id;
    let view = jobs::get(&mut tx, id, None).await.unwrap().unwrap();
    assert_eq!(view.state, JobState::Scheduled);
    tx.commit().await.unwrap();
    bench.reach(id, JobState::Done).await;
    let waited: f64 = sqlx::query_scalar(
        "SELECT extract(epoch FROM claimed_at - created_at)::float8 FROM job_history",
    )
    .fetch_one(bench.test_db.pool())
    .await
    .unwrap();
    // Polls come once a minute.
    assert!((2.0..30.0).contains(&waited), "{waited}");
    bench.shut_down().await;
}

#[tokio::test]
async fn a_unique_key_keeps_a_second_job_out_until_the_first_starts() {
    let bench = Bench::start(behave(|_, _, _| async {
        std::future::pending::<()>().await;
        Ok(())
    }))
    .await;
    let day = Duration::from_hours(24);
    let first = bench
        .enqueue(&unique(1, Until::Started, OnDuplicate::Keep, day))
        .await;
    let second = bench
        .enqueue(&unique(2, Until::Started, OnDuplicate::Keep, day))
        .await;
    assert_eq!(first, second);
    sqlx::query("UPDATE jobs SET run_at = now()")
        .execute(bench.test_db.pool())
        .await
        .unwrap();
    bench.reach(first, JobState::Running).await;
    let third = bench
        .enqueue(&unique(3, Until::Started, OnDuplicate::Keep, day))
        .await;
    assert_ne!(first, third);
    bench.shut_down().await;
}

#[tokio::test]
async fn a_push_delays_the_first_job_anew_but_not_for_ever() {
    let bench = Bench::start(behave(|_, _, _| async { Ok(()) })).await;
    let hour = Duration::from_hours(1);
    let push = OnDuplicate::Push { max_wait: hour * 3 };
    let id = bench.enqueue(&unique(1, Until::Started, push, hour)).await;
    let run_at = async || find(&bench.db, id).await.unwrap().run_at.unwrap();
    let created = find(&bench.db, id).await.unwrap().created_at;
    let before = run_at().await;
    bench
        .enqueue(&unique(2, Until::Started, push, hour * 2))
        .await;
    assert!(run_at().await > before + chrono::TimeDelta::minutes(59));
    bench
        .enqueue(&unique(3, Until::Started, push, hour * 20))
        .await;
    assert_eq!(run_at().await, created + chrono::TimeDelta::hours(3));
    bench.shut_down().await;
}

#[tokio::test]
async fn a_push_delays_a_job_that_is_ready_with_an_ordering_key_or_without() {
    let desk = Desk::new().await;
    let counters = jobs::counters::Counters::install(&desk.db);
    let hour = Duration::from_hours(1);
    let push = OnDuplicate::Push { max_wait: hour * 3 };
    for (n, ordering_key) in [(1, None), (2, Some("k".to_owned()))] {
        let mut first = unique(n, Until::Ended, push, Duration::ZERO);
        first.options.ordering_key = ordering_key;
        first.options.unique.as_mut().unwrap().key = n.to_string();
        let id = desk.enqueue(&first).await;
        assert_eq!(desk.state(id).await, JobState::Ready);
        first.options.delay = hour;
        assert_eq!(desk.enqueue(&first).await, id);
        let pushed = desk.view(id).await;
        assert_eq!(pushed.state, JobState::Scheduled);
        let by = pushed.run_at.unwrap() - pushed.created_at;
        assert!(by >= chrono::TimeDelta::hours(1), "{by}");
        // One that runs is not touched.
        desk.run(id).await;
        let running = desk.view(id).await.run_at;
        assert_eq!(desk.enqueue(&first).await, id);
        let view = desk.view(id).await;
        assert_eq!((view.state, view.run_at), (JobState::Running, running));
    }
    counters.fold(&desk.db, None).await.unwrap();
    assert_eq!((desk.depth(0).await, desk.depth(1).await), (0, 2));
}

#[tokio::test]
async fn many_jobs_are_enqueued_in_one_statement() {
    let bench = Bench::start(behave(|_, _, _| async { Ok(()) })).await;
    let many: Vec<_> = (0..2500).map(Probe::new).collect();
    let mut tx = bench.db.system().await.unwrap();
    jobs::enqueue_many(&mut tx, &many).await.unwrap();
    tx.commit().await.unwrap();
    let mut seen = std::collections::HashSet::new();
    for _ in 0..2500 {
        assert!(seen.insert(bench.next_run().await.0), "twice");
    }
    bench.shut_down().await;
}

#[tokio::test]
async fn a_claimed_job_knows_its_tenant_and_its_limits() {
    let (sender, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let bench = Bench::start(behave(move |_, handle, _| {
        let keys: Vec<String> = handle.job.limit_keys().map(str::to_owned).collect();
        sender.send((handle.job.tenant, keys)).unwrap();
        async { Ok(()) }
    }))
    .await;
    let tenant = domain::TenantId::new();
    let options = Options {
        tenant: Some(tenant),
        limit_keys: [Some("endpoint:1".to_owned()), None],
        ..Options::default()
    };
    bench.enqueue(&Probe { n: 1, options }).await;
    let keys = vec![
        "kind:probe".to_owned(),
        format!("tenant:{tenant}"),
        format!("tenant:{tenant}/probe"),
        "endpoint:1".to_owned(),
    ];
    assert_eq!(seen.recv().await.unwrap(), (Some(tenant), keys));
    bench.shut_down().await;
}
