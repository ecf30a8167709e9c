//! What the source promises about tenants: queries name theirs, and few functions cross them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;
use testkit::TestDb;

/// Queries on tenants' tables that name no tenant: what tells them from others, and why they may.
const ACROSS_TENANTS: &[(&str, &str)] = &[
    (
        "FROM api_keys WHERE key_hash = $1",
        "Whose request it is shows only by its key.",
    ),
    (
        "UPDATE api_keys SET last_used_at = $2 WHERE id = $1",
        "Notes the use of a key that was found by its hash; operators' keys have no tenant.",
    ),
    (
        "FROM channels WHERE id = $1",
        "Whose a post is shows only by the channel in its address.",
    ),
    (
        "FROM channels WHERE kind = $1 AND external_id = ANY($2)",
        "Whose a post is shows only by the numbers it names, and one post may name several tenants'.",
    ),
    (
        "FROM webchat_sessions WHERE token_hash = $1",
        "Whose visitor it is shows only by the token.",
    ),
    (
        "FROM webchat_sessions WHERE address = $1",
        "The cap of an address holds for all tenants together.",
    ),
    (
        "DELETE FROM webchat_sessions WHERE expires_at < $1",
        "Retention: what has expired goes, whosever it is.",
    ),
    (
        "verify_token_hash = ANY($2)",
        "An operator shows a token before anybody knows whose it is; it reads whether one has it.",
    ),
    (
        "verify_token_hash IS NULL",
        "The same: tokens that are not hashed yet, whosever they are.",
    ),
    (
        "SET verify_token_hash = $2",
        "The same: what was hashed is noted at its channel.",
    ),
    (
        "DELETE FROM webchat_attachments WHERE id IN",
        "Retention: what went with no message for a day goes, whosever it is.",
    ),
    (
        "DELETE FROM presences WHERE seen_at < $1",
        "Retention: what was not renewed for long goes, whosever it is.",
    ),
    (
        "DELETE FROM parked_changes WHERE created_at < $1",
        "Retention: what nobody claimed for long goes, whosever it is.",
    ),
    (
        "DELETE FROM parked_statuses WHERE created_at < $1",
        "Retention: what nobody claimed for long goes, whosever it is.",
    ),
    (
        "FROM conversations WHERE release_at <= $1",
        "What is due goes back to the machine, whosever it is; each in a transaction of its tenant's.",
    ),
    (
        "FROM document_sources WHERE next_fetch_at <= $1",
        "What is due is looked at again, whosever it is; each becomes a job of its tenant's.",
    ),
    (
        "AND config ->> 'business_account_id' = ANY($2)",
        "What Meta tells of an account concerns every number of it, whosever it is.",
    ),
    (
        "UPDATE channels SET checked_at = $2 WHERE id IN",
        "Channels are looked at now and then, whosever they are; each becomes a job of its tenant's.",
    ),
    (
        "FROM raw_items WHERE outcome = $1",
        "Operators see what went wrong, also of posts that belong to nobody.",
    ),
    (
        "FROM idempotency_keys WHERE id = $1",
        "The id is a hash that the caller's key is part of; operators have no tenant.",
    ),
    (
        "UPDATE idempotency_keys SET request_hash = $2",
        "The id is a hash that the caller's key is part of; operators have no tenant.",
    ),
    (
        "DELETE FROM idempotency_keys WHERE created_at < $1",
        "Retention: what is a day old goes, whosever it is.",
    ),
    (
        "FROM keyword_removals ) AS untended",
        "Upkeep looks for whoever's indexes want tending; it reads who, and nothing of theirs.",
    ),
];

/// Every function that works without a tenant or across them. A new one is a decision, made here
/// and seen in review.
const SYSTEM_FUNCTIONS: &[&str] = &[
    "api_keys::find_owner",
    "api_keys::insert_operator",
    "api_keys::touch",
    "channels::anywhere::find_any",
    "channels::anywhere::list_by_accounts",
    "channels::anywhere::list_by_external_ids",
    "channels::verify_tokens::has_verify_token",
    "channels::verify_tokens::list_unhashed",
    "channels::verify_tokens::set_verify_token_hash",
    "channels::looks::take_unchecked",
    "conversations::assign::list_due_for_release",
    "conversations::standing::list_standing",
    "document_sources::take_due",
    "documents::find::list_file_keys",
    "dropped_files::forget",
    "dropped_files::list",
    "embedding_sets::tending::list_untended",
    "embedding_cache::delete_unused",
    "idempotency_keys::begin",
    "idempotency_keys::delete_older",
    "idempotency_keys::finish",
    "idempotency_keys::forget",
    "parked_changes::delete_older",
    "parked_statuses::delete_older",
    "presences::delete_older",
    "presences::remove",
    "presences::renew",
    "provider_checks::take_due",
    "raw_items::insert",
    "raw_items::insert_many",
    "raw_items::list",
    "tenants::delete",
    "tenants::insert",
    "tenants::list",
    "tenants::list_forgetting",
    "webchat_attachments::delete_unsent",
    "webchat_sessions::count_of_address",
    "webchat_sessions::delete_expired",
    "webchat_sessions::find_by_token",
];

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The texts of the checked queries, as committed, with their white space made one.
fn queries() -> Vec<String> {
    let folder = workspace().join(".sqlx");
    let mut queries: Vec<String> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}: run `make sqlx`", folder.display()))
        .map(|entry| {
            let data = std::fs::read(entry.unwrap().path()).unwrap();
            let data: Value = serde_json::from_slice(&data).unwrap();
            let words: Vec<&str> = data["query"].as_str().unwrap().split_whitespace().collect();
            words.join(" ")
        })
        .collect();
    queries.sort();
    queries
}

/// The tables with a column that says whose a row is.
async fn tenant_tables() -> Vec<String> {
    let database = TestDb::new().await;
    sqlx::query_scalar(
        "SELECT c.table_name::text FROM information_schema.columns AS c
         JOIN pg_class AS t ON t.oid = format('%I.%I', c.table_schema, c.table_name)::regclass
         WHERE c.table_schema = 'public' AND c.column_name = 'tenant_id' AND NOT t.relispartition",
    )
    .fetch_all(database.pool())
    .await
    .unwrap()
}

/// Whether a query names one of the tables.
fn names_any(query: &str, tables: &[String]) -> bool {
    query
        .split(|char: char| !char.is_ascii_alphanumeric() && char != '_')
        .any(|word| tables.iter().any(|table| table == word))
}

/// Whether a query is bound to a tenant: it compares the column, or writes it.
fn names_its_tenant(query: &str) -> bool {
    let compares = ["tenant_id = ", "tenant_id IS NOT DISTINCT FROM "]
        .iter()
        .any(|comparison| query.contains(comparison));
    let writes = query.split("INSERT INTO").skip(1).any(|insert| {
        let columns = insert.split_once(')').map_or("", |(columns, _)| columns);
        columns.contains("tenant_id")
    });
    compares || writes
}

#[tokio::test]
async fn queries_on_tenants_tables_name_their_tenant() {
    let tables = tenant_tables().await;
    assert!(tables.len() >= 12, "{tables:?}");
    let queries = queries();
    assert!(queries.len() >= 50, "{}", queries.len());
    let across: Vec<&String> = queries
        .iter()
        .filter(|query| names_any(query, &tables) && !names_its_tenant(query))
        .collect();
    let is_allowed = |query: &str| ACROSS_TENANTS.iter().any(|(mark, _)| query.contains(mark));
    let wrong: Vec<_> = across.iter().filter(|query| !is_allowed(query)).collect();
    assert!(wrong.is_empty(), "no tenant is named by: {wrong:#?}");
    for (mark, _) in ACROSS_TENANTS {
        let is_needed = across.iter().any(|query| query.contains(mark));
        assert!(is_needed, "no query is like this any more: {mark}");
    }
}

#[test]
fn a_query_is_bound_to_its_tenant_by_what_it_compares_or_writes() {
    for (query, is_bound) in [
        ("SELECT id FROM messages WHERE tenant_id = $1", true),
        ("SELECT tenant_id FROM messages WHERE id = $1", false),
        ("INSERT INTO messages (id, tenant_id) VALUES ($1, $2)", true),
        ("INSERT INTO messages (id) SELECT tenant_id FROM t", false),
        ("DELETE FROM messages", false),
    ] {
        assert_eq!(names_its_tenant(query), is_bound, "{query}");
    }
}

/// The functions of a source file that take a handle which is no tenant's.
fn system_functions(module: &str, source: &str) -> Vec<String> {
    let declarations = source.split("pub async fn ").skip(1);
    declarations
        .filter_map(|declaration| {
            let (head, _) = declaration.split_once('{')?;
            let (name, _) = head.split_once(['(', '<'])?;
            let is_system = head.contains("SystemTx") || head.contains("impl Tx");
            is_system.then(|| format!("{module}::{name}"))
        })
        .collect()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn the_functions_that_cross_tenants_are_those_listed() {
    let root = workspace().join("crates/store/src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut found = BTreeSet::new();
    for file in files {
        let module = file.strip_prefix(&root).unwrap().with_extension("");
        let module = module.to_string_lossy().replace('/', "::");
        let source = std::fs::read_to_string(&file).unwrap();
        found.extend(system_functions(module.trim_end_matches("::mod"), &source));
    }
    let listed: BTreeSet<String> = SYSTEM_FUNCTIONS
        .iter()
        .map(|&name| name.to_owned())
        .collect();
    assert_eq!(found, listed);
}
