//! The keyword index keeps what BM25 has to know, whatever happens to documents.

use std::collections::{BTreeMap, HashMap};

use domain::DocumentId;
use rag::keyword::{self, PlaceHit, Vocabulary};
use rag::terms::bigrams;
use sqlx::Row as _;
use store::{documents, keyword_index};

use crate::world::{World, add_tenant};

/// A few random numbers, the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }
}

const WORDS: [&str; 24] = [
    "parcel", "delivery", "return", "refund", "bicycle", "evening", "morning", "garden", "tea",
    "coffee", "price", "card", "receipt", "shop", "window", "door", "light", "battery", "cable",
    "manual", "warranty", "repair", "screen", "keyboard",
];

/// Some chunks of common and rare words.
fn text(dice: &mut Dice) -> String {
    let count = 5 + dice.roll(120);
    let words: Vec<&str> = (0..count)
        .map(|_| {
            let most = 1 + dice.roll(WORDS.len());
            WORDS[dice.roll(most)]
        })
        .collect();
    format!(
        "It is about the {} and 返品は{}日以内です。",
        words.join(" and the "),
        count
    )
}

/// BM25 over the chunks that searches see, counted anew from their texts.
async fn from_scratch(world: &World, term: &str) -> BTreeMap<(DocumentId, i32), f64> {
    let rows = sqlx::query(
        "SELECT documents.id, chunks.ordinal, chunks.text,
            (SELECT coalesce(array_agg(lexeme), '{}') FROM unnest(words) AS lexemes) AS lexemes,
            (SELECT coalesce(array_agg(cardinality(positions)), '{}') FROM unnest(words) AS lexemes)
                AS counts
         FROM documents
         JOIN chunks ON chunks.document_id = documents.id
             AND chunks.version = documents.live_version
         CROSS JOIN LATERAL to_tsvector(
             text_config::regconfig, regexp_replace(chunks.text, '[返品はでです日以内]', ' ', 'g')
         ) AS words
         WHERE documents.tenant_id = $1 AND documents.enabled",
    )
    .bind(world.tenant.as_uuid())
    .fetch_all(world.database.pool())
    .await
    .unwrap();
    let mut chunks: Vec<((DocumentId, i32), HashMap<String, f64>)> = Vec::new();
    for row in rows {
        let lexemes: Vec<String> = row.get("lexemes");
        let counts: Vec<i32> = row.get("counts");
        let mut terms: HashMap<String, f64> = lexemes
            .into_iter()
            .zip(counts.into_iter().map(f64::from))
            .collect();
        for pair in bigrams(row.get("text")) {
            *terms.entry(pair).or_default() += 1.0;
        }
        chunks.push(((row.get("id"), row.get("ordinal")), terms));
    }
    #[expect(clippy::cast_precision_loss, reason = "a few hundred chunks")]
    let count = |number: usize| number as f64;
    let all = count(chunks.len());
    let length = |terms: &HashMap<String, f64>| terms.values().sum::<f64>();
    let average = chunks.iter().map(|(_, terms)| length(terms)).sum::<f64>() / all;
    let with = count(
        chunks
            .iter()
            .filter(|(_, terms)| terms.contains_key(term))
            .count(),
    );
    let weight = (1.0 + (all - with + 0.5) / (with + 0.5)).ln();
    chunks
        .iter()
        .filter_map(|(place, terms)| {
            let frequency = terms.get(term)?;
            let norm = 1.2 * (0.25 + 0.75 * length(terms) / average);
            Some((*place, weight * frequency * 2.2 / (frequency + norm)))
        })
        .collect()
}

async fn kept(world: &World, question: &str) -> Vec<PlaceHit> {
    let mut tx = world.db.tenant(world.tenant).await.unwrap();
    keyword::search(&mut tx, question, None, 10_000)
        .await
        .unwrap()
        .hits
}

async fn compare(world: &World) {
    for (question, term) in [
        ("parcels", "parcel"),
        ("keyboard", "keyboard"),
        ("返品", "返品"),
    ] {
        let expected = from_scratch(world, term).await;
        let found = kept(world, question).await;
        assert_eq!(found.len(), expected.len(), "{question}");
        for hit in found {
            let place = (hit.place.document_id, hit.place.ordinal);
            assert!(
                (hit.score - expected[&place]).abs() < 1e-9,
                "{question} {hit:?}"
            );
        }
    }
}

#[tokio::test]
async fn what_is_kept_is_what_counting_anew_finds() {
    let world = World::new().await;
    let mut dice = Dice(7);
    let mut documents: Vec<DocumentId> = Vec::new();
    for step in 0..120 {
        match dice.roll(10) {
            0..5 => {
                let text = text(&mut dice);
                documents.push(world.add(world.tenant, &text, [1.0, 0.0, 0.0]).await);
            }
            5 | 6 if !documents.is_empty() => {
                let id = documents[dice.roll(documents.len())];
                world.renew(id, &text(&mut dice)).await;
            }
            7 if !documents.is_empty() => {
                let id = documents.swap_remove(dice.roll(documents.len()));
                let mut tx = world.db.tenant(world.tenant).await.unwrap();
                documents::delete(&mut tx, id).await.unwrap();
                tx.commit().await.unwrap();
            }
            8 if !documents.is_empty() => {
                let id = documents[dice.roll(documents.len())];
                let mut tx = world.db.tenant(world.tenant).await.unwrap();
                documents::set_enabled(&mut tx, id, dice.roll(2) == 0)
                    .await
                    .unwrap();
                tx.commit().await.unwrap();
            }
            _ => {
                world.merge().await;
            }
        }
        if step % 10 == 9 {
            compare(&world).await;
        }
    }
    for id in &documents {
        let mut tx = world.db.tenant(world.tenant).await.unwrap();
        documents::set_enabled(&mut tx, *id, true).await.unwrap();
        tx.commit().await.unwrap();
    }
    world.merge().await;
    compare(&world).await;
    // Nothing is left of what was replaced or deleted, once all of it was merged.
    for id in documents {
        let mut tx = world.db.tenant(world.tenant).await.unwrap();
        documents::delete(&mut tx, id).await.unwrap();
        tx.commit().await.unwrap();
    }
    world.merge().await;
    for table in ["keyword_segments", "keyword_postings", "keyword_removals"] {
        let left: i64 =
            sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}")))
                .fetch_one(world.database.pool())
                .await
                .unwrap();
        assert_eq!(left, 0, "{table}");
    }
}

#[tokio::test]
async fn many_documents_become_few_segments_and_are_found_as_before() {
    let world = World::new().await;
    let mut dice = Dice(3);
    for _ in 0..20 {
        let text = text(&mut dice);
        world.add(world.tenant, &text, [1.0, 0.0, 0.0]).await;
    }
    let before = kept(&world, "parcel and keyboard 返品").await;
    assert!(world.merge().await > 0);
    let segments: i64 = sqlx::query_scalar("SELECT count(*) FROM keyword_segments")
        .fetch_one(world.database.pool())
        .await
        .unwrap();
    assert!(segments < 8, "{segments}");
    assert_eq!(kept(&world, "parcel and keyboard 返品").await, before);
    compare(&world).await;
}

#[tokio::test]
async fn switches_of_many_documents_do_not_wait_for_each_other() {
    let world = World::new().await;
    let (one, other) = (
        world.insert(world.tenant).await,
        world.insert(world.tenant).await,
    );
    for id in [one, other] {
        world
            .write(
                world.tenant,
                id,
                1,
                "The parcel comes by bicycle.",
                [1.0, 0.0, 0.0],
            )
            .await;
    }
    // Both transactions are open at the same time, and neither has committed.
    let mut first = world.db.tenant(world.tenant).await.unwrap();
    assert!(
        documents::switch_version(&mut first, one, 1, 1, 3)
            .await
            .unwrap()
    );
    let mut second = world.db.tenant(world.tenant).await.unwrap();
    assert!(
        documents::switch_version(&mut second, other, 1, 1, 3)
            .await
            .unwrap()
    );
    second.commit().await.unwrap();
    first.commit().await.unwrap();
    assert_eq!(kept(&world, "parcel").await.len(), 2);
}

#[tokio::test]
async fn a_hindi_word_stays_whole() {
    let world = World::new().await;
    // Its vowel signs are no letters to some tokenisers, which cut the word at each.
    let books = "किताबें लौटाने के लिए तीस दिन का समय है, रसीद साथ में भेजें।";
    world.add(world.tenant, books, [1.0, 0.0, 0.0]).await;
    let other = "दुकान सुबह नौ बजे खुलती है और शाम छह बजे बंद होती है।";
    world.add(world.tenant, other, [1.0, 0.0, 0.0]).await;
    assert_eq!(world.found("किताबें लौटाना").await, [books]);
    // A part of a word is no word.
    assert!(world.found("कत").await.is_empty());
}

#[tokio::test]
async fn another_tenants_documents_are_not_of_the_collection() {
    let world = World::new().await;
    world
        .add(
            world.tenant,
            "The parcel comes by bicycle.",
            [1.0, 0.0, 0.0],
        )
        .await;
    let before = kept(&world, "parcel").await;
    let other = add_tenant(&world.database).await;
    for _ in 0..3 {
        world
            .add(
                other,
                "The parcel is lost in the parcel shop.",
                [1.0, 0.0, 0.0],
            )
            .await;
    }
    assert_eq!(kept(&world, "parcel").await, before);
}

/// What parsers of text stumble over, and plain words between.
const PIECES: [&str; 48] = [
    "word",
    "Words",
    "the",
    "RUNNING",
    "12",
    "007:",
    "(42)",
    "1.5",
    "-3",
    "+4.0e7",
    "3,5",
    "1/2",
    "A4",
    "4th",
    "e.g.",
    "don't",
    "well-known",
    "x-",
    "-y",
    "a_b",
    "AT&T",
    "&amp;",
    "&lt;",
    "<b>",
    "<a",
    "href=\"x",
    "y\">",
    "</b>",
    "<!--",
    "-->",
    "<",
    "a<b",
    "mail@example.org",
    "https://example.org/a/b?c=d#e",
    "example.org:80/x",
    "example.org.",
    "/usr/lib/x.so",
    "~/a.txt",
    "Größe",
    "naïve,",
    "čas.",
    "«bon»",
    "don’t",
    "5€",
    "100%",
    "...",
    "\u{a0}x",
    "\"quoted,\"",
];

#[tokio::test]
async fn words_asked_for_one_by_one_are_those_of_the_whole_text() {
    let world = World::new().await;
    let mut dice = Dice(3);
    let texts: Vec<String> = (0..3000)
        .map(|_| {
            let count = 1 + dice.roll(24);
            let pieces = (0..count).map(|_| {
                let piece = PIECES[dice.roll(PIECES.len())];
                let glue = [" ", " ", " ", "\n", "\t\n ", ", ", "", "-"][dice.roll(8)];
                format!("{piece}{glue}")
            });
            pieces.collect()
        })
        .collect();
    let mut tx = world.db.tenant(world.tenant).await.unwrap();
    for config in ["simple", "english", "german"] {
        let mut vocabulary = Vocabulary::new(config);
        let whole = keyword_index::list_lexemes(&mut tx, config, &texts)
            .await
            .unwrap();
        // In two parts, so that the second one meets words that are known.
        let (first, second) = texts.split_at(1000);
        let mut pieced = vocabulary.lexemes(&mut tx, first).await.unwrap();
        pieced.extend(vocabulary.lexemes(&mut tx, second).await.unwrap());
        assert_eq!(pieced.len(), whole.len());
        for ((text, mut pieced), mut whole) in texts.iter().zip(pieced).zip(whole) {
            pieced.sort();
            whole.sort();
            assert_eq!(pieced, whole, "{config}: {text:?}");
        }
    }
    let many = ["tea ".repeat(300) + "12 ".repeat(256).as_str()];
    let counts = Vocabulary::new("simple").lexemes(&mut tx, &many).await;
    let mut counts = counts.unwrap().remove(0);
    counts.sort();
    assert_eq!(counts, [("12".to_owned(), 255), ("tea".to_owned(), 255)]);
}
