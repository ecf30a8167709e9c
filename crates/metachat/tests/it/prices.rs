//! What the operator says that models cost.

use serde_json::json;
use tempfile::TempDir;

use crate::process::PATIENCE;
use crate::shop::Shop;
use crate::stage::Stage;

/// The operator's file of these prices.
fn file_of(folder: &TempDir, table: &str) -> String {
    let path = folder.path().join("prices.json");
    std::fs::write(&path, table).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The last line of a process that does not begin its work.
async fn ends_with(stage: &Stage, subcommand: &str, prices: &str) -> String {
    let mut command = stage.command(subcommand);
    let ended = command.env("METACHAT_PRICES_FILE", prices).output();
    let ended = tokio::time::timeout(PATIENCE, ended).await.unwrap();
    let ended = ended.unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    // A panic has another code.
    assert_eq!(ended.status.code(), Some(1), "{said}");
    said.lines().last().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn process_calls_cost_what_the_operators_file_says() {
    let stage = Stage::new().await;
    let folder = tempfile::tempdir().unwrap();
    let price = json!({"account": "openai", "model": "gpt-4o-mini", "input": 3, "output": 7});
    let prices = file_of(&folder, &json!({"prices": [price]}).to_string());
    let api = stage.api().await;
    let worker = stage.start_with("worker", &[("METACHAT_PRICES_FILE", &prices)]);
    let shop = Shop::open(&api.http).await;
    shop.report_to(&api.http, &stage);
    shop.write(&api.http, "Do you sell lamps?").await;
    shop.settled(&api.http, &stage, 1).await;

    let path = format!("/api/tenants/{}/usage/calls", shop.tenant);
    let page = api.http.get(&path).await.expect(200);
    let [call] = &page["data"].as_array().unwrap()[..] else {
        panic!("{page}");
    };
    assert_eq!(call["model"], "gpt-4o-mini", "{call}");
    let tokens = |of: &str| call["tokens"][of].as_i64().unwrap();
    assert!(tokens("input") > 0 && tokens("output") > 0, "{call}");
    // A dollar for a million tokens is a micro-dollar for each.
    let cost = 3 * tokens("input") + 7 * tokens("output");
    assert_eq!(call["cost_microdollars"], cost, "{call}");
    worker.drained().await;
    api.process.drained().await;
}

#[tokio::test]
async fn process_with_prices_that_cannot_be_used_ends_with_a_sentence_that_says_why() {
    let stage = Stage::new().await;
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("nowhere.json");
    let negative = r#"{"prices": [{"account": "openai", "model": "m", "input": -1}]}"#;
    let mistyped = r#"{"prices": [{"account": "openai", "model": "m", "inptu": 1}]}"#;
    for (table, reason) in [
        (None, "No such file"),
        (Some("{\"prices\": [\n"), "EOF while parsing"),
        (Some(negative), "the price of openai m: must be from 0"),
        (Some(mistyped), "unknown field `inptu`"),
    ] {
        let path = match table {
            Some(table) => file_of(&folder, table),
            None => missing.to_str().unwrap().to_owned(),
        };
        for subcommand in ["api", "worker"] {
            let said = ends_with(&stage, subcommand, &path).await;
            let begin = format!("metachat: METACHAT_PRICES_FILE: {path}: ");
            assert!(said.starts_with(&begin), "{said}");
            assert!(said.contains(reason), "{reason}: {said}");
        }
    }
}
