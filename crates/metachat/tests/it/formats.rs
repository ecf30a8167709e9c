//! Every type of file by the API alone: uploaded, ready, found, and cited by the place it stands at.

use serde_json::{Value, json};

use crate::every_format::{QUESTION, Row, SAYS, rows};
use crate::http::Http;
use crate::process::until;
use crate::shop::{Shop, id};
use crate::stage::Stage;

/// The answers of the one conversation, oldest first.
async fn answers(shop: &Shop, http: &Http) -> Vec<Value> {
    let messages = shop.messages(http).await.into_iter();
    messages
        .filter(|message| message["direction"] == "outbound")
        .collect()
}

async fn check(shop: &Shop, http: &Http, row: &Row, answered: usize) {
    let name = row.name;
    let document = shop.upload(http, name, &row.content).await;
    assert_eq!(document["status"], "ready", "{document}");
    assert_eq!(document["media_type"], row.media_type);
    assert_eq!(document["author"], json!(row.author), "{name}");
    let path = format!("/api/tenants/{}", shop.tenant);
    let search = json!({"query": QUESTION, "top_k": 1});
    let found = http.post(&format!("{path}/search"), &search).await;
    let found = found.expect(200)["results"][0].clone();
    assert!(
        found["text"].as_str().unwrap().contains(SAYS),
        "{name}: {found}"
    );
    let place = (json!(row.page), json!(row.heading));
    assert_eq!(
        (found["page"].clone(), found["heading"].clone()),
        place,
        "{name}"
    );
    shop.write(http, QUESTION).await;
    let all = until("the question is answered", || async {
        let all = answers(shop, http).await;
        (all.len() > answered).then_some(all)
    })
    .await;
    let answer = &all[answered];
    assert!(
        answer["text"].as_str().unwrap().contains(SAYS),
        "{name}: {answer}"
    );
    let cited = answer["sources"].as_array().unwrap();
    assert_eq!(cited.len(), 1, "{name}: {answer}");
    assert_eq!(cited[0]["document_id"], document["id"], "{name}");
    assert_eq!(
        (cited[0]["page"].clone(), cited[0]["heading"].clone()),
        place,
        "{name}"
    );
    let one = format!("{path}/documents/{}", id(&document));
    assert_eq!(http.delete(&one).await.status, 204);
}

#[tokio::test]
async fn process_every_type_of_file_is_found_and_cited_by_its_place() {
    let stage = Stage::new().await;
    let api = stage.api().await;
    let _worker = stage.worker();
    let shop = Shop::open_with(&api.http, &json!({"provider": "builtin"})).await;
    for (answered, row) in rows().iter().enumerate() {
        check(&shop, &api.http, row, answered).await;
    }
}
