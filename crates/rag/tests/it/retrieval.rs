use rag::keyword;
use store::{chunks, documents};

use crate::world::{World, add_tenant};

const RETURNS: &str = "You can return every item within thirty days of its delivery.";
const PARCELS: &str = "The parcels are delivered by bicycle and they arrive in the evening.";

#[tokio::test]
async fn a_natural_question_finds_what_shares_its_rare_words() {
    let world = World::new().await;
    world.add(world.tenant, PARCELS, [0.0, 1.0, 0.0]).await;
    world.add(world.tenant, RETURNS, [1.0, 0.0, 0.0]).await;
    let found = world
        .found("How many days do I have for returning an item?")
        .await;
    assert_eq!(found, [RETURNS]);
    // Only the stems of these words stand in it.
    assert_eq!(world.found("Who delivers a parcel?").await, [PARCELS]);
    assert!(world.found("quantum chromodynamics").await.is_empty());
    assert!(world.found("").await.is_empty());
}

#[tokio::test]
async fn scripts_without_spaces_are_found_by_their_parts() {
    let world = World::new().await;
    let hours = "営業時間は午前九時から午後六時までです。";
    world.add(world.tenant, hours, [1.0, 0.0, 0.0]).await;
    world
        .add(
            world.tenant,
            "返品は三十日以内にお願いします。",
            [1.0, 0.0, 0.0],
        )
        .await;
    let found = world.found("営業時間を教えてください").await;
    assert_eq!(found.first().map(String::as_str), Some(hours));
}

/// Stores two texts, and asks for each of them in other words of their language.
async fn each_answers_its_own(texts: [(&str, &str); 2]) {
    let world = World::new().await;
    for (text, _) in texts {
        world.add(world.tenant, text, [1.0, 0.0, 0.0]).await;
    }
    for (text, question) in texts {
        let found = world.found(question).await;
        assert_eq!(found.first().map(String::as_str), Some(text), "{question}");
    }
}

#[tokio::test]
async fn a_question_in_chinese_finds_what_answers_it() {
    each_answers_its_own([
        (
            "本店每天上午九点开门，晚上六点关门，节假日照常营业。",
            "请问你们几点关门？",
        ),
        (
            "收到商品之后三十天之内可以免费退货，运费由我们承担。",
            "买来的东西可以退货吗？",
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_question_in_thai_finds_what_answers_it() {
    each_answers_its_own([
        ("ร้านเปิดทุกวันตั้งแต่เก้าโมงเช้าถึงหกโมงเย็น", "ร้านเปิดกี่โมง"),
        (
            "คืนสินค้าได้ฟรีภายในสามสิบวันหลังจากได้รับของ",
            "อยากคืนสินค้าต้องทำอย่างไร",
        ),
    ])
    .await;
}

#[tokio::test]
async fn vectors_and_words_are_fused_and_both_scores_told() {
    let world = World::new().await;
    world.add(world.tenant, PARCELS, [0.0, 1.0, 0.1]).await;
    world.add(world.tenant, RETURNS, [1.0, 0.2, 0.0]).await;
    world
        .add(
            world.tenant,
            "Zeros are near to nothing at all.",
            [0.0, 0.0, 0.0],
        )
        .await;
    let found = world
        .ask("parcels by bicycle", Some(&[1.0, 0.0, 0.0]))
        .await;
    let texts: Vec<&str> = found
        .iter()
        .map(|found| found.passage.text.as_str())
        .collect();
    assert_eq!(texts, [RETURNS, PARCELS]);
    assert_eq!(found[0].passage.title, "rules.txt");
    let similarity = found[0].scores.vector.unwrap();
    assert!(
        (similarity - 1.0 / 1.04_f64.sqrt()).abs() < 1e-6,
        "{similarity}"
    );
    assert!(found[1].scores.vector.is_none());
    assert!(found[1].scores.keyword.unwrap() > 0.0);
}

#[tokio::test]
async fn nobody_finds_what_another_tenant_has() {
    let world = World::new().await;
    let other = add_tenant(&world.database).await;
    world.add(other, RETURNS, [1.0, 0.0, 0.0]).await;
    assert!(
        world
            .ask("return an item", Some(&[1.0, 0.0, 0.0]))
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn a_version_shows_only_when_it_is_whole_and_then_alone() {
    let world = World::new().await;
    let id = world.add(world.tenant, RETURNS, [1.0, 0.0, 0.0]).await;
    let mut tx = world.db.tenant(world.tenant).await.unwrap();
    documents::request_version(&mut tx, id).await.unwrap();
    tx.commit().await.unwrap();
    let renewed = "You can return every item within sixty days of its delivery.";
    world
        .write(world.tenant, id, 2, renewed, [1.0, 0.0, 0.0])
        .await;
    assert_eq!(world.found("return an item").await, [RETURNS]);
    assert!(world.switch(world.tenant, id, 2).await);
    assert_eq!(world.found("return an item").await, [renewed]);

    let mut tx = world.db.tenant(world.tenant).await.unwrap();
    assert_eq!(chunks::delete_version(&mut tx, id, 2).await.unwrap(), 0);
    assert_eq!(chunks::delete_outdated(&mut tx, id, 100).await.unwrap(), 1);
    assert_eq!(chunks::delete_outdated(&mut tx, id, 100).await.unwrap(), 0);
    tx.commit().await.unwrap();
    assert_eq!(world.found("return an item").await, [renewed]);
}

#[tokio::test]
async fn bm25_scores_are_those_of_the_formula() {
    let world = World::new().await;
    world
        .add(world.tenant, "bicycle bicycle parcel", [1.0, 0.0, 0.0])
        .await;
    world.add(world.tenant, "parcel", [1.0, 0.0, 0.0]).await;
    let mut tx = world.db.tenant(world.tenant).await.unwrap();
    let found = keyword::search(&mut tx, "bicycle", None, 10)
        .await
        .unwrap()
        .hits;
    // Two chunks of 3 and 1 terms, 2 on average; in one of them twice.
    let weight = (1.0_f64 + 1.5 / 1.5).ln();
    let expected = weight * 2.0 * 2.2 / (2.0 + 1.2 * (0.25 + 0.75 * 3.0 / 2.0));
    assert_eq!(found.len(), 1);
    assert!(
        (found[0].score - expected).abs() < 1e-9,
        "{} {expected}",
        found[0].score
    );
}
