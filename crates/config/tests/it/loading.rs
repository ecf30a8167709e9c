use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::time::Duration;

use config::{Config, ConfigError, EmbeddingProvider, LogFormat, Problem};
use secrecy::ExposeSecret;

fn with_file(environment: &[(&str, &str)], file: &str) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".env");
    fs::write(&path, file).unwrap();
    let environment = environment.iter().map(|(k, v)| (k.into(), v.into()));
    Config::from_sources(environment, &path)
}

#[test]
fn without_any_variable_every_setting_has_its_documented_default() {
    let config = Config::from_sources([], Path::new("/nonexistent/.env")).unwrap();
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:3000");
    assert!(config.server.metrics_listen.is_none());
    assert_eq!(config.server.data_dir, Path::new(".data"));
    assert_eq!(config.server.max_upload_bytes.get(), 50 * 1024 * 1024);
    assert!(!config.server.trust_forwarded_for);
    assert!(config.database.url.is_none());
    assert_eq!(config.database.max_connections.get(), 20);
    assert!(config.keys.admin_key.is_none() && config.keys.master_key.is_none());
    assert_eq!(
        config.meta.graph_url.as_str(),
        "https://graph.facebook.com/"
    );
    assert_eq!(config.meta.graph_version, "v25.0");
    assert_eq!(config.models.openai_base_url.path(), "/v1");
    assert_eq!(config.models.ollama_url.port(), Some(11434));
    assert!(config.spending.prices_file.is_none());
    assert_eq!(config.spending.fallback_after, Duration::from_secs(20));
    assert_eq!(config.spending.circuit_failures.get(), 5);
    assert_eq!(config.spending.circuit_failure_percent, 50);
    assert_eq!(config.spending.circuit_least_calls, 20);
    assert_eq!(config.spending.circuit_window, Duration::from_mins(1));
    assert_eq!(config.spending.circuit_open, Duration::from_secs(15));
    assert_eq!(config.spending.circuit_longest_open, Duration::from_mins(5));
    assert!(config.outbound.allow.is_empty());
    assert_eq!(config.jobs.slots_interactive.get(), 64);
    assert_eq!(config.jobs.slots_bulk.get(), 16);
    assert_eq!(config.jobs.lease, Duration::from_secs(30));
    assert_eq!(config.jobs.send_reconcile, Duration::from_secs(30));
    assert_eq!(config.retention.job_history_days.get(), 30);
    assert_eq!(config.retention.dead_jobs_days, 90);
    assert_eq!(config.retention.raw_items_days.get(), 30);
    assert_eq!(config.retention.webhook_attempts_days.get(), 30);
    assert_eq!(config.retention.embedding_cache_days.get(), 90);
    assert_eq!(config.embedding.provider, EmbeddingProvider::Auto);
    assert!(config.embedding.model.is_none() && config.embedding.dimensions.is_none());
    assert!(config.embedding.local_model_dir.is_none());
    assert_eq!(config.embedding.local_model_batches.get(), 1);
    assert_eq!(config.retention.model_calls_days.get(), 90);
    assert_eq!(config.webchat.sessions_per_address_hour.get(), 30);
    assert_eq!(config.webchat.sessions_per_tenant_hour.get(), 2000);
    assert_eq!(config.webchat.messages_per_session.get(), 200);
    assert_eq!(config.webchat.messages_per_minute.get(), 20);
    assert_eq!(config.log.format, LogFormat::Text);
    assert!(config.testing.failpoints.is_none() && config.unknown.is_empty());
}

#[test]
fn the_environment_goes_before_the_file() {
    let file = "METACHAT_LOG=debug\nMETACHAT_LOG_FORMAT=json\nMETACHAT_DATA_DIR=/from/file\n";
    let environment = [("METACHAT_LOG", "warn"), ("METACHAT_DATA_DIR", "")];
    let config = with_file(&environment, file).unwrap();
    assert_eq!(config.log.filter, "warn");
    assert_eq!(config.log.format, LogFormat::Json);
    // Set to nothing in the environment: not set, whatever the file says.
    assert_eq!(config.server.data_dir, Path::new(".data"));
}

#[test]
fn every_problem_is_listed_at_once() {
    let error = Config::from_variables([
        ("METACHAT_LISTEN", "localhost"),
        ("DATABASE_URL", "mysql://root@localhost/db"),
        ("METACHAT_DATABASE_MAX_CONNECTIONS", "0"),
        ("METACHAT_META_GRAPH_URL", "ftp://a"),
        ("METACHAT_META_GRAPH_VERSION", "25"),
        ("METACHAT_OUTBOUND_ALLOW", "10.0.0.0/8, http://x"),
        ("METACHAT_JOB_LEASE_SECONDS", "soon"),
        ("METACHAT_TRUST_FORWARDED_FOR", "yes"),
        ("METACHAT_LOG_FORMAT", "xml"),
        ("METACHAT_LOG", "debug"),
    ])
    .unwrap_err();
    let named: Vec<_> = error.problems.iter().map(|p| p.variable.as_str()).collect();
    assert_eq!(
        named,
        [
            "METACHAT_LISTEN",
            "METACHAT_TRUST_FORWARDED_FOR",
            "DATABASE_URL",
            "METACHAT_DATABASE_MAX_CONNECTIONS",
            "METACHAT_META_GRAPH_URL",
            "METACHAT_META_GRAPH_VERSION",
            "METACHAT_OUTBOUND_ALLOW",
            "METACHAT_JOB_LEASE_SECONDS",
            "METACHAT_LOG_FORMAT",
        ]
    );
    let text = error.to_string();
    assert_eq!(text.lines().count(), 10);
    assert!(
        text.contains("\n  METACHAT_LISTEN must be an address and a port"),
        "{text}"
    );
}

#[test]
fn a_broken_line_of_the_file_is_told_without_its_content() {
    let error = with_file(&[], "METACHAT_LOG=debug\nMETACHAT_ADMIN_KEY hunter2\n").unwrap_err();
    assert_eq!(error.problems.len(), 1);
    assert_eq!(error.problems[0].variable, ".env");
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}

#[test]
fn a_secret_shows_neither_in_debug_nor_in_a_problem() {
    let secrets = [
        ("METACHAT_ADMIN_KEY", "hunter2"),
        ("METACHAT_MASTER_KEY", "hunter2"),
        ("METACHAT_META_APP_SECRET", "hunter2"),
        ("METACHAT_META_VERIFY_TOKEN", "hunter2"),
        ("METACHAT_OPENAI_API_KEY", "hunter2"),
        ("METACHAT_ANTHROPIC_API_KEY", "hunter2"),
        ("DATABASE_URL", "postgres://me:hunter2@db/name"),
    ];
    let config = Config::from_variables(secrets).unwrap();
    assert_eq!(
        config.keys.admin_key.as_ref().unwrap().expose_secret(),
        "hunter2"
    );
    assert!(!format!("{config:?}").contains("hunter2"));

    let wrong = [
        ("DATABASE_URL", "mysql://me:hunter2@db/name"),
        ("METACHAT_OPENAI_BASE_URL", "https://me:hunter2@host/"),
    ];
    let error = Config::from_variables(wrong).unwrap_err();
    assert_eq!(error.problems.len(), 2);
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}

#[test]
fn only_dead_jobs_can_be_kept_for_ever() {
    let read = |name, days| Config::from_variables([(name, days)]);
    let config = read("METACHAT_DEAD_JOBS_DAYS", "0").unwrap();
    assert_eq!(config.retention.dead_jobs_days, 0);
    for (name, days) in [
        ("METACHAT_DEAD_JOBS_DAYS", "-1"),
        ("METACHAT_DEAD_JOBS_DAYS", "36501"),
        ("METACHAT_JOB_HISTORY_DAYS", "0"),
        ("METACHAT_RAW_ITEMS_DAYS", "36501"),
        ("METACHAT_WEBHOOK_ATTEMPTS_DAYS", "a week"),
    ] {
        let error = read(name, days).unwrap_err();
        assert_eq!(error.problems.len(), 1, "{name}={days}");
        assert_eq!(error.problems[0].variable, name);
    }
}

#[test]
fn a_mistyped_name_is_noticed() {
    let variables = [("METACHAT_LOGS", "debug"), ("PATH", "/bin")];
    let config = Config::from_variables(variables).unwrap();
    assert_eq!(config.unknown, ["METACHAT_LOGS"]);
}

#[test]
fn a_value_that_is_no_text_is_a_problem_only_if_it_is_ours() {
    let bad = || OsString::from_vec(vec![0xff]);
    let read = |name: &str| Config::from_sources([(name.into(), bad())], Path::new("/none/.env"));
    assert!(read("OTHER").is_ok());
    assert_eq!(
        read("DATABASE_URL").unwrap_err().problems,
        [Problem {
            variable: "DATABASE_URL".into(),
            text: "is not valid Unicode".into()
        }]
    );
}
