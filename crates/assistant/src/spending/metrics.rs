use std::sync::Arc;
use std::time::Duration;

use domain::CircuitState;
use llm::manager::{Circuits, Manager};
use store::model_calls::{ModelCall, Tokens};
use telemetry::metrics::{
    BoundedLabel, Counters, Family, Gauge, Histograms, Labels, Registry, long_histograms,
};

/// How many models have a series of their own; later ones share one.
const MOST_MODELS: usize = 100;
/// How many providers do: those that the program knows are far fewer.
const MOST_PROVIDERS: usize = 20;

/// What is counted of calls to models; clones are the same.
///
/// They count whether or not they are registered anywhere.
#[derive(Clone)]
pub struct ModelMetrics {
    calls: Counters<3>,
    tokens: Counters<2>,
    cost: Counters<2>,
    unpriced: Counters<1>,
    fallbacks: Counters<1>,
    durations: Histograms<2>,
    first_events: Histograms<2>,
    circuits: Family<Labels<1>, Gauge>,
    providers: BoundedLabel,
    models: BoundedLabel,
}

impl Default for ModelMetrics {
    fn default() -> Self {
        Self {
            calls: Counters::default(),
            tokens: Counters::default(),
            cost: Counters::default(),
            unpriced: Counters::default(),
            fallbacks: Counters::default(),
            durations: long_histograms(),
            first_events: long_histograms(),
            circuits: Family::default(),
            providers: BoundedLabel::new(MOST_PROVIDERS),
            models: BoundedLabel::new(MOST_MODELS),
        }
    }
}

impl ModelMetrics {
    /// Shows them in a process's registry; call it once for a process.
    pub fn register(&self, registry: &Registry) {
        registry.add("models", |part| {
            part.register(
                "metachat_model_calls",
                "Calls to models, by how they ended",
                self.calls.clone(),
            );
            part.register(
                "metachat_model_tokens",
                "Tokens of calls to models, by what they are",
                self.tokens.clone(),
            );
            part.register(
                "metachat_model_cost_microdollars",
                "What calls to models cost, as far as it is known",
                self.cost.clone(),
            );
            part.register(
                "metachat_model_unpriced_calls",
                "Calls to models whose cost is not known",
                self.unpriced.clone(),
            );
            part.register(
                "metachat_model_fallbacks",
                "Calls to another model than the tenant's choice",
                self.fallbacks.clone(),
            );
            part.register(
                "metachat_model_call_duration_seconds",
                "From a call's start to its end",
                self.durations.clone(),
            );
            part.register(
                "metachat_model_first_event_seconds",
                "From a call's start to the first piece of its answer",
                self.first_events.clone(),
            );
            part.register(
                "metachat_model_circuits",
                "Circuits to accounts at providers, by their state",
                self.circuits.clone(),
            );
        });
    }

    /// Has the circuits of a process counted before each scrape.
    pub fn watch_circuits(&self, registry: &Registry, manager: &Arc<Manager>) {
        let (metrics, manager) = (self.clone(), Arc::clone(manager));
        registry.before_scrape(move || {
            metrics.set_circuits(manager.circuits());
            std::future::ready(())
        });
    }

    /// Shows how many circuits are in which state.
    pub fn set_circuits(&self, circuits: Circuits) {
        for (state, count) in [
            (CircuitState::Closed, circuits.closed),
            (CircuitState::HalfOpen, circuits.half_open),
            (CircuitState::Open, circuits.open),
        ] {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.circuits
                .get_or_create(&[("state", state.as_str().into())])
                .set(count);
        }
    }

    /// Counts a call that is over.
    pub fn ended(&self, call: &ModelCall) {
        let provider = self.providers.of(call.provider.clone());
        let labels: Labels<3> = [
            ("provider", provider.clone()),
            ("purpose", call.purpose.as_str().into()),
            ("outcome", call.outcome.as_str().into()),
        ];
        self.calls.get_or_create(&labels).inc();
        let labels: Labels<2> = [
            ("provider", provider.clone()),
            ("purpose", call.purpose.as_str().into()),
        ];
        self.durations
            .get_or_create(&labels)
            .observe(seconds(call.duration_ms));
        if let Some(first_event) = call.first_event_ms {
            self.first_events
                .get_or_create(&labels)
                .observe(seconds(first_event));
        }
        self.tokens(&provider, &call.tokens);
        let of_provider: Labels<1> = [("provider", provider.clone())];
        match call.cost_microdollars {
            Some(cost) => {
                let labels: Labels<2> = [
                    ("provider", provider),
                    ("model", self.models.of(call.model.clone())),
                ];
                let cost = u64::try_from(cost).unwrap_or(0);
                self.cost.get_or_create(&labels).inc_by(cost);
            }
            None => {
                self.unpriced.get_or_create(&of_provider).inc();
            }
        }
        if call.is_fallback {
            self.fallbacks.get_or_create(&of_provider).inc();
        }
    }

    fn tokens(&self, provider: &str, tokens: &Tokens) {
        let fresh = tokens
            .input
            .saturating_sub(tokens.cached)
            .saturating_sub(tokens.cache_written);
        for (part, count) in [
            ("fresh", fresh),
            ("cached", tokens.cached),
            ("cache_written", tokens.cache_written),
            ("output", tokens.output),
        ] {
            let labels: Labels<2> = [
                ("provider", provider.to_owned().into()),
                ("part", part.into()),
            ];
            let count = u64::try_from(count).unwrap_or(0);
            self.tokens.get_or_create(&labels).inc_by(count);
        }
    }
}

/// Milliseconds in seconds, as histograms have them.
fn seconds(milliseconds: i64) -> f64 {
    Duration::from_millis(milliseconds.unsigned_abs()).as_secs_f64()
}
