//! A document is indexed anew by the API while it is searched: what is found is all of the old or all
//! of the new, whatever happens to the worker.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::MissedTickBehavior;

use crate::http::Http;
use crate::pages::{Page, Site};
use crate::pdf_writer::Pdf;
use crate::process::until;
use crate::shop::{Shop, id};
use crate::stage::Stage;

/// Whoever asks this gets the first page and the last.
const QUESTION: &str = "When does the courier on the bicycle come?";
const HALVES: [&str; 2] = [
    "The courier on the bicycle brings parcels in the morning.",
    "In the evening the courier on the bicycle fetches what is sent back.",
];
const PAGES: usize = 400;
/// As often as a tenant may search.
const PACE: Duration = Duration::from_millis(110);
const TO_LOOPBACK: (&str, &str) = ("METACHAT_OUTBOUND_ALLOW", "127.0.0.0/8");

/// A PDF that answers the question on its first page and on its last, and says on each of which
/// edition it is.
fn edition(number: u32) -> Vec<u8> {
    let between = (2..PAGES).map(|page| {
        let words: Vec<String> = (0..10).map(|at| format!("page{page}word{at}")).collect();
        words.join(" ")
    });
    let [first, last] = HALVES.map(str::to_owned);
    let texts = std::iter::once(first).chain(between).chain([last]);
    let lines: Vec<String> = texts
        .map(|text| format!("{text} This is edition{number}."))
        .collect();
    let lines: Vec<[&str; 1]> = lines.iter().map(|line| [line.as_str()]).collect();
    let pages: Vec<&[&str]> = lines.iter().map(|lines| &lines[..]).collect();
    Pdf::with_pages(&pages).bytes()
}

/// A tenant whose vectors take jobs of their own.
async fn open(http: &Http) -> Shop {
    Shop::open_embedded_by(http, &json!({"provider": "openai", "dimensions": 512})).await
}

/// What the question finds: one edition, and the passages that are its halves.
#[derive(Clone, Debug, PartialEq)]
struct Whole {
    edition: String,
    halves: [Value; 2],
}

async fn ask(shop: &Shop, http: &Http) -> Whole {
    let path = format!("/api/tenants/{}/search", shop.tenant);
    let search = json!({"query": QUESTION, "top_k": 5});
    let reply = http.post(&path, &search).await.expect(200);
    let found = reply["results"].as_array().unwrap();
    let text = |passage: &Value| passage["text"].as_str().unwrap().to_owned();
    let mut editions: Vec<String> = found
        .iter()
        .flat_map(|passage| {
            let text = text(passage);
            let marks = text.split("edition").skip(1);
            let numbers = marks.map(|mark| mark.split('.').next().unwrap_or_default().to_owned());
            numbers.collect::<Vec<_>>()
        })
        .collect();
    editions.dedup();
    assert_eq!(
        editions.len(),
        1,
        "editions {editions:?} at once: {found:?}"
    );
    let halves = HALVES.map(|half| {
        let passage = found.iter().find(|passage| text(passage).contains(half));
        let passage = passage.unwrap_or_else(|| panic!("no {half:?} in {found:?}"));
        passage["chunk_id"].clone()
    });
    let edition = editions.remove(0);
    Whole { edition, halves }
}

/// Asks again and again until `work` is done, at least twice; what was found, in order.
async fn asked_during(work: impl Future<Output = ()>, shop: &Shop, http: &Http) -> Vec<Whole> {
    let is_over = AtomicBool::new(false);
    let asking = async {
        let mut pace = tokio::time::interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut found = Vec::new();
        while found.len() < 2 || !is_over.load(Ordering::Relaxed) {
            pace.tick().await;
            found.push(ask(shop, http).await);
        }
        found
    };
    let working = async {
        work.await;
        is_over.store(true, Ordering::Relaxed);
    };
    tokio::join!(asking, working).0
}

/// Nothing but the old was found, and from some moment on nothing but the new.
fn check_switch(found: &[Whole], old: &Whole, new: &Whole) {
    assert!(old.halves.iter().all(|half| !new.halves.contains(half)));
    let switch = found.iter().position(|whole| whole == new);
    let (before, after) = found.split_at(switch.unwrap_or(found.len()));
    assert!(before.iter().all(|whole| whole == old), "{found:?}");
    assert!(after.iter().all(|whole| whole == new), "{found:?}");
}

async fn reindex(shop: &Shop, http: &Http, document: &str) {
    let path = format!("/api/tenants/{}/documents/{document}/reindex", shop.tenant);
    http.post(&path, &json!({})).await.expect(202);
}

/// Waits until searches see a version.
async fn is_live(shop: &Shop, http: &Http, document: &str, version: u32) {
    until("searches see the version", || async {
        let document = shop.document(http, document).await;
        assert_ne!(document["status"], "failed", "{document}");
        (document["live_version"] == version).then_some(())
    })
    .await;
}

#[tokio::test]
async fn process_no_search_finds_half_of_a_document_whose_worker_is_killed() {
    let stage = Stage::new().await;
    let api = stage.api().await;
    let http = &api.http;
    let shop = open(http).await;
    let mut worker = stage.worker();
    let document = shop.upload(http, "rules.pdf", &edition(1)).await;
    assert_eq!(document["status"], "ready", "{document}");
    let document = id(&document);
    // Its passages are written and none can be found; they have their vectors, some or all.
    for (version, point) in [(2, "ingest.before_commit"), (3, "embed.before_switch")] {
        let old = ask(&shop, http).await;
        worker.drained().await;
        let doomed = stage.worker_with(&format!("{point}=kill"));
        let killing = async {
            reindex(&shop, http, &document).await;
            doomed.killed().await;
        };
        let found = asked_during(killing, &shop, http).await;
        assert!(found.iter().all(|whole| *whole == old), "{found:?}");
        worker = stage.worker();
        let found = asked_during(is_live(&shop, http, &document, version), &shop, http).await;
        check_switch(&found, &old, &ask(&shop, http).await);
    }
    worker.drained().await;
    assert_eq!(stage.count("SELECT count(*) FROM dead_jobs").await, 0);
}

#[tokio::test]
async fn process_no_search_finds_half_of_the_old_content_and_half_of_the_new() {
    let stage = Stage::new().await;
    let api = stage.api_in(&[TO_LOOPBACK]).await;
    let http = &api.http;
    let shop = open(http).await;
    let _worker = stage.start_with("worker", &[TO_LOOPBACK]);
    let site = Site::start().await;
    let says = |number| {
        let page = Page::of(200, &edition(number));
        site.says([page.with("content-type", "application/pdf")]);
    };
    says(1);
    let path = format!("/api/tenants/{}/documents", shop.tenant);
    let address = json!({"name": "Rules", "url": site.url("/rules.pdf")});
    let document = id(&http.post(&path, &address).await.expect(202));
    let ready = shop.read(http, &document).await;
    assert_eq!(ready["status"], "ready", "{ready}");
    let mut old = ask(&shop, http).await;
    // The second time the content is the same.
    for (version, number) in [(2, 2), (3, 2), (4, 3)] {
        says(number);
        let renewing = async {
            reindex(&shop, http, &document).await;
            is_live(&shop, http, &document, version).await;
        };
        let found = asked_during(renewing, &shop, http).await;
        let new = ask(&shop, http).await;
        assert_eq!(new.edition, number.to_string());
        check_switch(&found, &old, &new);
        old = new;
    }
}
