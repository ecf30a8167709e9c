//! What Prometheus scrapes: counters, gauges and histograms of this process.
//!
//! A process has one [`Registry`]; each part of the program adds its metrics to it once, under a
//! name of its own. `docs/metrics.md` lists them all. Labels take few values, known beforehand;
//! where callers or tenants choose them, [`BoundedLabel`] keeps them few.

mod bounded;
mod process;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus_client::encoding::prometheus_text;

pub use bounded::{BoundedLabel, OTHER};
pub use prometheus_client::collector::Collector;
pub use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
pub use prometheus_client::metrics::MetricType;
pub use prometheus_client::metrics::counter::Counter;
pub use prometheus_client::metrics::family::Family;
pub use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
pub use prometheus_client::metrics::histogram::Histogram;
pub use prometheus_client::registry::Registry as Part;

/// The media type of what [`Registry::render`] returns.
pub const CONTENT_TYPE: &str = prometheus_text::CONTENT_TYPE;

/// The labels of one series: names and values.
pub type Labels<const N: usize> = [(&'static str, Cow<'static, str>); N];

/// Counters of one name, told apart by labels.
pub type Counters<const N: usize> = Family<Labels<N>, Counter>;

/// Histograms of one name, told apart by labels.
pub type Histograms<const N: usize> = Family<Labels<N>, Histogram>;

/// Upper bounds of the buckets for work and waits of any length, in seconds: 0.5 ms to 10 minutes.
pub const LONG_BUCKETS: [f64; 19] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
    60.0, 120.0, 300.0, 600.0,
];

/// Upper bounds of the buckets for what should be over at once, in seconds: 0.5 ms to 30 s.
pub const SHORT_BUCKETS: [f64; 15] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];

/// Histograms with [`LONG_BUCKETS`].
pub fn long_histograms<const N: usize>() -> Histograms<N> {
    Family::new_with_constructor(|| Histogram::new(LONG_BUCKETS))
}

/// Histograms with [`SHORT_BUCKETS`].
pub fn short_histograms<const N: usize>() -> Histograms<N> {
    Family::new_with_constructor(|| Histogram::new(SHORT_BUCKETS))
}

type Refresh = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// The metrics of one process; clones are the same one.
#[derive(Clone, Default)]
pub struct Registry(Arc<Inner>);

#[derive(Default)]
struct Inner {
    metrics: Mutex<Part>,
    parts: Mutex<BTreeSet<&'static str>>,
    refreshes: Mutex<Vec<Refresh>>,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("parts", &*lock(&self.0.parts))
            .finish_non_exhaustive()
    }
}

impl Registry {
    /// A registry with what every process tells: its version, and its memory, processor time and
    /// open files as far as the system tells them.
    pub fn of_process(version: &'static str) -> Self {
        let registry = Self::default();
        registry.add("process", |part| process::add(part, version));
        registry
    }

    /// Adds the metrics of a part of the program, once: the second time nothing is added, because
    /// two series of one name would spoil the whole scrape.
    pub fn add(&self, part: &'static str, register: impl FnOnce(&mut Part)) {
        if lock(&self.0.parts).insert(part) {
            register(&mut lock(&self.0.metrics));
        } else {
            tracing::error!(
                part,
                "its metrics are registered already; the later ones are not shown"
            );
        }
    }

    /// Has something done before each scrape, such as asking the database for what a gauge shows.
    /// It has to end by itself: the scrape waits for it.
    pub fn before_scrape<F, Fut>(&self, refresh: F)
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let refresh: Refresh = Arc::new(move || Box::pin(refresh()));
        lock(&self.0.refreshes).push(refresh);
    }

    /// Writes all metrics down in Prometheus' text format, [`CONTENT_TYPE`].
    pub async fn render(&self) -> String {
        let refreshes = lock(&self.0.refreshes).clone();
        for refresh in refreshes {
            refresh().await;
        }
        let mut text = String::new();
        if prometheus_text::encode(&mut text, &lock(&self.0.metrics)).is_err() {
            // Half a scrape would show what is missing as gone.
            tracing::error!("a metric could not be written down");
            text.clear();
        }
        text
    }
}

/// A panic while one of these short locks is held leaves what it guards whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    #[tokio::test]
    async fn metrics_are_written_down_as_prometheus_reads_them() {
        let registry = Registry::default();
        let counters = Counters::<1>::default();
        let histograms = long_histograms::<1>();
        registry.add("test", |part| {
            part.register("test_things", "Things seen", counters.clone());
            part.register("test_seconds", "How long", histograms.clone());
        });
        counters
            .get_or_create(&[("name", "a\"b\\c\nd".into())])
            .inc_by(3);
        histograms
            .get_or_create(&[("name", "x".into())])
            .observe(0.7);
        let text = registry.render().await;
        assert!(
            text.contains("# TYPE test_things_total counter\n"),
            "{text}"
        );
        assert!(
            text.contains("test_things_total{name=\"a\\\"b\\\\c\\nd\"} 3\n"),
            "{text}"
        );
        assert!(
            text.contains("test_seconds_bucket{name=\"x\",le=\"0.5\"} 0\n"),
            "{text}"
        );
        assert!(
            text.contains("test_seconds_bucket{name=\"x\",le=\"1\"} 1\n"),
            "{text}"
        );
        assert!(
            text.contains("test_seconds_count{name=\"x\"} 1\n"),
            "{text}"
        );
    }

    #[tokio::test]
    async fn a_part_is_shown_once_even_if_it_is_added_twice() {
        let registry = Registry::default();
        for help in ["First", "Second"] {
            registry.add("test", |part| {
                part.register("test_level", help, Gauge::<i64>::default());
            });
        }
        let text = registry.render().await;
        assert_eq!(text.matches("# TYPE test_level gauge").count(), 1, "{text}");
        assert!(text.contains("First"), "{text}");
    }

    #[tokio::test]
    async fn what_is_to_be_done_before_a_scrape_is_done_before_each() {
        let registry = Registry::default();
        let gauge = Gauge::<i64, AtomicI64>::default();
        registry.add("test", |part| {
            part.register("test_scrapes", "Scrapes", gauge.clone());
        });
        let scrapes = Arc::new(AtomicI64::new(0));
        registry.before_scrape(move || {
            let (gauge, scrapes) = (gauge.clone(), Arc::clone(&scrapes));
            async move {
                gauge.set(scrapes.fetch_add(1, Ordering::SeqCst) + 1);
            }
        });
        assert!(registry.render().await.contains("test_scrapes 1\n"));
        assert!(registry.render().await.contains("test_scrapes 2\n"));
    }
}
