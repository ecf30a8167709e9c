//! Holds the floors: which crate of the workspace may use which.
//!
//! A crate uses only crates on lower floors, and only those listed for it: a new edge is a decision,
//! made here and seen in review. ARCHITECTURE, "Floors", says what each floor is for.

#[cfg(test)]
mod floors {
    use std::collections::BTreeMap;
    use std::process::Command;

    use serde_json::Value;

    /// Every crate, its floor, and the crates it may use.
    const CRATES: &[(&str, u8, &[&str])] = &[
        ("domain", 1, &[]),
        ("config", 1, &[]),
        ("telemetry", 1, &[]),
        ("wheels", 1, &[]),
        ("db", 2, &["domain"]),
        ("embedded", 2, &["wheels"]),
        ("outbound", 2, &["config"]),
        ("secrets", 2, &[]),
        ("jobs", 3, &["db", "domain", "telemetry"]),
        ("store", 3, &["db", "domain"]),
        ("llm", 3, &["domain", "outbound"]),
        ("live", 3, &["db", "domain"]),
        ("files", 3, &["domain"]),
        ("rag", 4, &["db", "domain", "store"]),
        ("channels", 4, &["domain", "outbound", "secrets"]),
        (
            "events",
            4,
            &["db", "domain", "jobs", "outbound", "secrets", "store"],
        ),
        (
            "assistant",
            5,
            &[
                "channels",
                "db",
                "domain",
                "events",
                "files",
                "jobs",
                "live",
                "llm",
                "outbound",
                "rag",
                "secrets",
                "store",
                "telemetry",
            ],
        ),
        (
            "api",
            6,
            &[
                "assistant",
                "channels",
                "db",
                "domain",
                "files",
                "jobs",
                "live",
                "outbound",
                "rag",
                "secrets",
                "store",
                "telemetry",
            ],
        ),
        (
            "workers",
            6,
            &["assistant", "db", "domain", "events", "jobs", "store"],
        ),
        (
            "metachat",
            7,
            &[
                "api",
                "assistant",
                "channels",
                "config",
                "db",
                "domain",
                "embedded",
                "files",
                "jobs",
                "live",
                "llm",
                "outbound",
                "rag",
                "secrets",
                "store",
                "telemetry",
                "wheels",
                "workers",
            ],
        ),
    ];

    /// Crates that only tests and measurements use; the product never does.
    const BESIDE_THE_HOUSE: &[&str] = &["testkit", "bench", "chaos"];

    /// A use of one workspace crate by another.
    struct Edge {
        from: String,
        to: String,
        is_dev: bool,
    }

    fn workspace() -> (Vec<String>, Vec<Edge>) {
        let output = Command::new(env!("CARGO"))
            .args([
                "metadata",
                "--format-version",
                "1",
                "--no-deps",
                "--offline",
            ])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{error}");
        let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
        let packages = metadata["packages"].as_array().unwrap();
        let name_of = |value: &Value| value["name"].as_str().unwrap().to_owned();
        let names = packages.iter().map(name_of).collect();
        let edges = packages
            .iter()
            .flat_map(|package| {
                let dependencies = package["dependencies"].as_array().unwrap();
                // Only crates of the workspace come by path.
                let ours = dependencies.iter().filter(|it| it["path"].is_string());
                ours.map(move |dependency| Edge {
                    from: name_of(package),
                    to: name_of(dependency),
                    is_dev: dependency["kind"] == "dev",
                })
            })
            .collect();
        (names, edges)
    }

    fn rules() -> BTreeMap<&'static str, (u8, &'static [&'static str])> {
        CRATES
            .iter()
            .map(|(name, floor, uses)| (*name, (*floor, *uses)))
            .collect()
    }

    /// Says which rule an edge breaks, if it breaks one.
    fn complaint(edge: &Edge) -> Option<String> {
        let Edge { from, to, is_dev } = edge;
        let (from, to) = (from.as_str(), to.as_str());
        if BESIDE_THE_HOUSE.contains(&from) {
            return None;
        }
        if BESIDE_THE_HOUSE.contains(&to) {
            return (!is_dev).then(|| format!("{from} -> {to}: {to} is a dev-dependency only"));
        }
        let rules = rules();
        let Some((floor, uses)) = rules.get(from) else {
            return Some(format!("{from} stands on no floor: give it one here"));
        };
        match rules.get(to) {
            None => Some(format!("{to} stands on no floor: give it one here")),
            Some((below, _)) if below >= floor => Some(format!(
                "{from} -> {to}: a crate on floor {floor} uses only lower floors, {to} is on {below}"
            )),
            Some(_) if !is_dev && !uses.contains(&to) => Some(format!(
                "{from} -> {to}: not in the list of allowed edges; add it here if it is meant"
            )),
            Some(_) => None,
        }
    }

    #[test]
    fn every_crate_uses_only_what_is_listed_for_it() {
        let (_, edges) = workspace();
        let complaints: Vec<String> = edges.iter().filter_map(complaint).collect();
        assert!(complaints.is_empty(), "{}", complaints.join("\n"));
        assert!(edges.len() > CRATES.len(), "cargo named hardly any edge");
    }

    #[test]
    fn every_crate_stands_on_a_floor_and_every_floor_holds_crates_that_exist() {
        let (mut names, _) = workspace();
        names.retain(|name| !BESIDE_THE_HOUSE.contains(&name.as_str()));
        names.sort();
        let listed: Vec<&str> = rules().into_keys().collect();
        assert_eq!(names, listed);
    }

    #[test]
    fn edges_against_the_rules_are_named_with_their_rule() {
        let edge = |from: &str, to: &str, is_dev| Edge {
            from: from.to_owned(),
            to: to.to_owned(),
            is_dev,
        };
        let said = |from, to, is_dev| complaint(&edge(from, to, is_dev)).unwrap_or_default();
        assert!(said("api", "workers", false).contains("api -> workers: a crate on floor 6"));
        assert!(said("store", "assistant", true).contains("only lower floors"));
        assert!(said("channels", "config", false).contains("list of allowed edges"));
        assert!(said("api", "testkit", false).contains("dev-dependency only"));
        assert!(said("api", "attic", false).contains("attic stands on no floor"));
        assert_eq!(said("api", "testkit", true), "");
        assert_eq!(said("api", "store", false), "");
    }
}
