use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::*;

const KINDS: [&str; 2] = ["answer-turn", "send-reply"];

fn metrics() -> (JobMetrics, Registry) {
    let (metrics, registry) = (JobMetrics::new(KINDS), Registry::default());
    metrics.register(&registry);
    (metrics, registry)
}

#[track_caller]
fn assert_line(text: &str, line: &str) {
    assert!(
        text.lines().any(|shown| shown == line),
        "no {line}:\n{text}"
    );
}

#[tokio::test]
async fn every_kind_and_outcome_begins_at_zero() {
    let (_, registry) = metrics();
    let text = registry.render().await;
    for kind in KINDS {
        assert_line(
            &text,
            &format!("metachat_job_claims_total{{kind=\"{kind}\"}} 0"),
        );
        for outcome in OUTCOMES {
            let labels = format!("{{kind=\"{kind}\",outcome=\"{outcome}\"}}");
            assert_line(&text, &format!("metachat_job_outcomes_total{labels} 0"));
        }
    }
}

#[tokio::test]
async fn a_jobs_way_is_counted_and_measured() {
    let (metrics, registry) = metrics();
    metrics.claimed("send-reply", 2);
    metrics.claim_took(Lane::Interactive, Duration::from_millis(3));
    metrics.began("send-reply", Duration::from_micros(400));
    metrics.began("send-reply", Duration::from_mins(20));
    metrics.ran("send-reply", Duration::from_millis(70));
    metrics.ended("send-reply", "timed_out");
    metrics.buried("send-reply");
    metrics.finish_took("bury", Duration::from_millis(3));
    metrics.claim_took_for("send-reply", Duration::from_millis(3));
    metrics.finish_took_for("send-reply", Duration::from_millis(3));
    metrics.finish_took_for("send-reply", Duration::from_secs(2));
    metrics.lost_lease("send-reply");
    let text = registry.render().await;
    for line in [
        "metachat_job_claims_total{kind=\"send-reply\"} 2",
        "metachat_job_claim_duration_seconds_bucket{lane=\"interactive\",le=\"0.005\"} 1",
        "metachat_job_attempts_total{kind=\"send-reply\"} 2",
        "metachat_job_pick_up_delay_seconds_bucket{kind=\"send-reply\",le=\"0.0005\"} 1",
        "metachat_job_pick_up_delay_seconds_bucket{kind=\"send-reply\",le=\"600\"} 1",
        "metachat_job_pick_up_delay_seconds_bucket{kind=\"send-reply\",le=\"+Inf\"} 2",
        "metachat_job_run_duration_seconds_sum{kind=\"send-reply\"} 0.07",
        "metachat_job_outcomes_total{kind=\"send-reply\",outcome=\"timed_out\"} 1",
        "metachat_job_buried_total{kind=\"send-reply\"} 1",
        "metachat_job_finish_duration_seconds_count{step=\"bury\"} 1",
        "metachat_job_kind_claim_duration_seconds_bucket{kind=\"send-reply\",le=\"0.005\"} 1",
        "metachat_job_kind_finish_duration_seconds_bucket{kind=\"send-reply\",le=\"0.005\"} 1",
        "metachat_job_kind_finish_duration_seconds_count{kind=\"send-reply\"} 2",
        "metachat_job_kind_claim_duration_seconds_count{kind=\"answer-turn\"} 0",
        "metachat_job_leases_lost_total{kind=\"send-reply\"} 1",
        "metachat_job_leases_lost_total{kind=\"answer-turn\"} 0",
        "metachat_job_claims_total{kind=\"answer-turn\"} 0",
    ] {
        assert_line(&text, line);
    }
}

#[tokio::test]
async fn unknown_names_share_one_series() {
    let (metrics, registry) = metrics();
    for nth in 0..50 {
        metrics.ended(&format!("kind-{nth}"), "done");
        metrics.ended("send-reply", &format!("outcome-{nth}"));
    }
    let text = registry.render().await;
    let other = "metachat_job_outcomes_total{kind=\"other\",outcome=\"done\"} 50";
    assert_line(&text, other);
    let other = "metachat_job_outcomes_total{kind=\"send-reply\",outcome=\"other\"} 50";
    assert_line(&text, other);
}

#[tokio::test]
async fn only_the_first_hundred_tenants_have_series_of_their_own() {
    let (metrics, registry) = metrics();
    let tenants: Vec<TenantId> = (0..250).map(|_| TenantId::new()).collect();
    for tenant in tenants.iter().chain(&tenants) {
        metrics.limited(Some(*tenant), 1);
    }
    metrics.limited(None, 5);
    let text = registry.render().await;
    let series = text
        .lines()
        .filter(|line| line.starts_with("metachat_job_limiter_waits_total{"));
    assert_eq!(series.count(), 102, "100, the others and the platform");
    let first = format!(
        "metachat_job_limiter_waits_total{{tenant=\"{}\"}} 2",
        tenants[0]
    );
    assert_line(&text, &first);
    assert_line(
        &text,
        "metachat_job_limiter_waits_total{tenant=\"other\"} 300",
    );
    assert_line(
        &text,
        "metachat_job_limiter_waits_total{tenant=\"platform\"} 5",
    );
}

#[tokio::test]
async fn slots_are_asked_at_each_scrape() {
    let (metrics, registry) = metrics();
    let free = Arc::new(AtomicUsize::new(16));
    let asked = Arc::clone(&free);
    metrics.watch_slots(Lane::Bulk, 16, move || asked.load(Ordering::SeqCst));
    let text = registry.render().await;
    assert_line(&text, "metachat_job_slots{lane=\"bulk\"} 16.0");
    assert_line(&text, "metachat_job_slots_in_use{lane=\"bulk\"} 0.0");
    free.store(3, Ordering::SeqCst);
    let text = registry.render().await;
    assert_line(&text, "metachat_job_slots_in_use{lane=\"bulk\"} 13.0");
}

#[tokio::test]
async fn the_tables_are_looked_at_before_each_scrape_and_left_out_when_they_cannot_be() {
    let (metrics, registry) = metrics();
    let away = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&away);
    metrics.look_at_tables(&registry, move || {
        let away = asked.load(Ordering::SeqCst);
        async move {
            if away {
                return Err(db::Error::corrupt("the tables are away"));
            }
            Ok(vec![KindDepth {
                kind: "send-reply".to_owned(),
                ready: 4,
                held: 2,
                dead: 1,
                oldest_ready_seconds: 1.5,
                ..KindDepth::default()
            }])
        }
    });
    let text = registry.render().await;
    for line in [
        "metachat_job_queue_depth{kind=\"send-reply\",state=\"ready\"} 4.0",
        "metachat_job_queue_depth{kind=\"send-reply\",state=\"scheduled\"} 0.0",
        "metachat_job_queue_depth{kind=\"send-reply\",state=\"held\"} 2.0",
        "metachat_job_oldest_ready_age_seconds{kind=\"send-reply\"} 1.5",
        "metachat_job_dead_letters{kind=\"send-reply\"} 1.0",
    ] {
        assert_line(&text, line);
    }
    away.store(true, Ordering::SeqCst);
    let text = registry.render().await;
    assert!(!text.contains("metachat_job_queue_depth"), "{text}");
    assert!(text.contains("metachat_job_claims_total"), "{text}");
}

#[tokio::test]
async fn a_look_that_never_ends_does_not_hold_the_scrape_up() {
    let (metrics, registry) = metrics();
    metrics.look_within(Duration::from_millis(1), &registry, std::future::pending);
    let text = registry.render().await;
    assert!(text.contains("metachat_job_claims_total"), "{text}");
}
