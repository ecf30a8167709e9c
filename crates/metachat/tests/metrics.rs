//! Holds `docs/metrics.md` to the metrics that there are.

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::fs;
    use std::path::Path;
    use std::time::Duration;

    use api::metrics::HttpMetrics;
    use assistant::spending::ModelMetrics;
    use chrono::DateTime;
    use domain::{CallOutcome, CallPurpose, ModelCallId};
    use jobs::{JobMetrics, KindDepth, Lane};
    use llm::manager::Circuits;
    use poem::Response;
    use poem::http::Method;
    use store::model_calls::{ModelCall, Tokens};
    use telemetry::metrics::Registry;
    use testkit::exposition;

    /// A metric's type and labels.
    type Shape = (String, BTreeSet<String>);

    /// Every metric with every label, as a process shows them that has done everything once.
    async fn shown() -> BTreeMap<String, Shape> {
        let registry = Registry::of_process("1.2.3");
        let answered = HttpMetrics::new(&registry);
        answered.answered(&Method::GET, &Response::default(), Duration::ZERO);
        let jobs = JobMetrics::new(workers::known_kinds().iter().map(|kind| kind.name));
        jobs.register(&registry);
        jobs.claim_took(Lane::Bulk, Duration::ZERO);
        jobs.finish_took("bury", Duration::ZERO);
        jobs.claim_took_for("upkeep", Duration::ZERO);
        jobs.finish_took_for("upkeep", Duration::ZERO);
        jobs.limited(None, 1);
        jobs.watch_slots(Lane::Bulk, 1, || 1);
        jobs.set_depths(&[KindDepth::default()]);
        let models = ModelMetrics::default();
        models.register(&registry);
        models.set_circuits(Circuits::default());
        for cost_microdollars in [Some(1), None] {
            models.ended(&ModelCall {
                cost_microdollars,
                ..call()
            });
        }
        let families = exposition::parse(&registry.render().await).unwrap();
        families
            .into_iter()
            .map(|family| {
                let labels = family
                    .samples
                    .iter()
                    .flat_map(|sample| sample.labels.keys());
                let labels = labels.filter(|label| *label != "le").cloned().collect();
                (family.name, (family.kind, labels))
            })
            .collect()
    }

    /// A call that has everything a call can have.
    fn call() -> ModelCall {
        ModelCall {
            id: ModelCallId::new(),
            started_at: DateTime::UNIX_EPOCH,
            conversation_id: None,
            purpose: CallPurpose::Answer,
            provider: "openai".to_owned(),
            account: "openai".to_owned(),
            model: "gpt-4o-mini".to_owned(),
            own_key: false,
            is_fallback: true,
            outcome: CallOutcome::Completed,
            fault: None,
            tokens: Tokens::default(),
            is_estimated: false,
            cost_microdollars: None,
            first_event_ms: Some(1),
            duration_ms: 1,
        }
    }

    fn documented() -> BTreeMap<String, Shape> {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
        let page = fs::read_to_string(page).unwrap();
        let mut metrics = BTreeMap::new();
        for line in page.lines().filter(|line| line.starts_with("| `")) {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let [_, name, kind, labels, _unit, meaning, _] = cells[..] else {
                continue;
            };
            assert!(!meaning.is_empty(), "{line}");
            let quoted = |text: &str| -> BTreeSet<String> {
                text.split('`')
                    .skip(1)
                    .step_by(2)
                    .map(str::to_owned)
                    .collect()
            };
            for name in quoted(name) {
                let twice = metrics.insert(name, (kind.to_owned(), quoted(labels)));
                assert!(twice.is_none(), "twice: {line}");
            }
        }
        metrics
    }

    #[tokio::test]
    async fn the_page_lists_every_metric_with_its_type_and_labels() {
        let (shown, documented) = (shown().await, documented());
        let names = |metrics: &BTreeMap<String, Shape>| -> BTreeSet<String> {
            metrics.keys().cloned().collect()
        };
        // Where there is no /proc the process tells less of itself.
        let mut expected = names(&documented);
        if !Path::new("/proc/self/stat").exists() {
            expected.retain(|name| !name.starts_with("process_") || name.contains("start_time"));
        }
        assert_eq!(
            names(&shown),
            expected,
            "docs/metrics.md and the code differ"
        );
        for (name, shape) in shown {
            assert_eq!(
                documented[&name], shape,
                "docs/metrics.md is wrong about {name}"
            );
        }
    }

    #[tokio::test]
    async fn names_end_in_their_unit() {
        for (name, (kind, _)) in shown().await {
            assert_eq!(kind == "counter", name.ends_with("_total"), "{name}");
            assert!(kind != "histogram" || name.ends_with("_seconds"), "{name}");
        }
    }

    fn alerts() -> String {
        let alerts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ops/prometheus/alerts.yaml");
        fs::read_to_string(alerts).unwrap()
    }

    #[test]
    fn alerts_name_only_kinds_that_there_are() {
        let known: Vec<&str> = workers::known_kinds()
            .iter()
            .map(|kind| kind.name)
            .collect();
        let alerts = alerts();
        let lists = alerts.split("kind=~\"").chain(alerts.split("kind!~\""));
        let named = lists
            .filter_map(|rest| rest.split_once('"'))
            .map(|(list, _)| list);
        let kinds: Vec<&str> = named
            .filter(|list| list.contains('|'))
            .flat_map(|list| list.split('|'))
            .collect();
        assert!(kinds.len() >= 8, "{kinds:?}");
        for kind in kinds {
            assert!(known.contains(&kind), "alerts.yaml names the kind {kind}");
        }
    }

    #[test]
    fn alerts_ask_only_for_metrics_that_there_are() {
        let alerts = alerts();
        let documented = documented();
        let words = alerts.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let mut checked = 0;
        for word in
            words.filter(|word| word.starts_with("metachat_") || word.starts_with("process_"))
        {
            let parts = ["", "_bucket", "_sum", "_count"];
            let found = parts.iter().any(|part| {
                word.strip_suffix(part)
                    .is_some_and(|name| documented.contains_key(name))
            });
            assert!(found, "alerts.yaml asks for {word}");
            checked += 1;
        }
        assert!(checked > 5, "only {checked} names were found");
    }
}
