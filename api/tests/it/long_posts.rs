//! Posts of Meta's as long as they come, and longer.

use poem::http::Method;
use poem::{Body, Request};
use testkit::standin::{SignedPost, WhatsappPost};

use crate::server::APP_SECRET;
use crate::whatsapp::{Numbers, SHARED, SHOP, message};

#[tokio::test]
async fn a_genuine_body_of_three_megabytes_is_kept_whole() {
    let numbers = Numbers::connect().await;
    // Meta's posts have up to 3 MB.
    let words = "Do you sell tea? ".repeat(200);
    let mut post = WhatsappPost::to_number(SHOP);
    let mut ids = Vec::new();
    while ids.len() * words.len() < 3 * 1024 * 1024 {
        let long = message(&words);
        ids.push(long.wamid.clone());
        post = post.text(&long);
    }
    let post = post.sign(APP_SECRET);
    assert!(post.body.len() > 3 * 1024 * 1024, "{}", post.body.len());
    numbers.post(SHARED, &post).await.expect(200);
    let kept: Vec<(String, String)> = sqlx::query_as(
        "SELECT payload -> 'message' ->> 'id', payload -> 'message' -> 'text' ->> 'body'
         FROM raw_items WHERE outcome = 'pending'",
    )
    .fetch_all(numbers.server.database.pool())
    .await
    .unwrap();
    let (mut kept_ids, kept_words): (Vec<String>, Vec<String>) = kept.into_iter().unzip();
    kept_ids.sort();
    ids.sort();
    assert_eq!(kept_ids, ids);
    assert!(kept_words.iter().all(|kept| *kept == words));
    assert_eq!(numbers.jobs().await, i64::try_from(ids.len()).unwrap());
}

#[tokio::test]
async fn a_body_over_the_cap_is_refused() {
    let numbers = Numbers::connect().await;
    let body = vec![b' '; 4 * 1024 * 1024 + 1];
    let post = SignedPost::new(APP_SECRET, body.clone());
    let refused = numbers.post(SHARED, &post).await;
    assert_eq!(refused.problem(413), "body_too_large");
    // A length that is declared is believed: nothing is read of the body.
    let request = Request::builder()
        .method(Method::POST)
        .uri_str(SHARED)
        .header("content-length", "99999999")
        .body(Body::empty());
    numbers.server.send(request).await.problem(413);
    numbers.expect_nothing_kept("too large").await;
}
