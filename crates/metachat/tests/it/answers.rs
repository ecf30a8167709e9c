//! A question comes in, one grounded answer goes out.

use serde_json::json;
use testkit::standin::OpenAiBehaviour;

use crate::pdf_writer::Pdf;
use crate::process::until;
use crate::shop::{CUSTOMER, Shop, id, tenant};
use crate::stage::Stage;

const RULE: &str = "Returns are free for thirty days after delivery.";

fn handbook() -> Vec<u8> {
    let pages: [&[&str]; 2] = [&["We sell lamps and tables."], &[RULE]];
    Pdf::with_pages(&pages).bytes()
}

#[tokio::test]
async fn process_whatsapp_message_gets_one_grounded_answer() {
    let stage = Stage::new().await;
    let api = stage.api().await;
    let worker = stage.worker();
    let shop = Shop::open(&api.http).await;
    shop.report_to(&api.http, &stage);
    let document = shop.upload(&api.http, "handbook.pdf", &handbook()).await;
    assert_eq!(document["status"], "ready", "{document}");
    stage.model.script([OpenAiBehaviour::text(
        "For thirty days, free of charge [1].",
    )]);

    shop.write(&api.http, "How long are returns free?").await;
    let messages = shop.settled(&api.http, &stage, 1).await;

    let asked = stage.model.received();
    assert_eq!(asked.len(), 1);
    let prompt = asked[0].body["messages"][0]["content"].as_str().unwrap();
    assert!(prompt.contains(RULE), "{prompt}");
    let [question, answer] = &messages[..] else {
        panic!("{messages:?}");
    };
    assert_eq!(question["text"], "How long are returns free?");
    assert_eq!(answer["direction"], "outbound");
    assert_eq!(answer["author"], "assistant");
    assert_eq!(answer["sources"][0]["document_id"], document["id"]);
    let excerpt = answer["sources"][0]["excerpt"].as_str().unwrap();
    assert!(excerpt.contains(RULE), "{excerpt}");

    let sent = stage.graph.received();
    assert_eq!(sent.len(), 1, "{sent:?}");
    assert_eq!(sent[0].to.trim_start_matches('+'), CUSTOMER);
    assert_eq!(sent[0].tag.as_deref(), answer["id"].as_str());
    assert_eq!(answer["text"], "For thirty days, free of charge [1].");
    // What the number stands for is told below it.
    let told = "For thirty days, free of charge [1].\n\n[1] House rules, p. 2";
    assert_eq!(sent[0].text, told);
    worker.drained().await;
    api.process.drained().await;
}

#[tokio::test]
async fn process_web_chat_gets_an_answer() {
    let stage = Stage::new().await;
    let api = stage.api().await;
    let _worker = stage.worker();
    let tenant = tenant(&api.http, &json!({"provider": "builtin"})).await;
    let shop = Shop {
        channel: web_chat(&api.http, &tenant).await,
        tenant,
    };
    let document = shop.upload(&api.http, "handbook.pdf", &handbook()).await;
    assert_eq!(document["status"], "ready", "{document}");

    let path = format!("/api/webchat/{}/sessions", shop.channel);
    let session = api.http.post(&path, &json!({})).await.expect(201);
    let visitor = api.http.with_key(session["token"].as_str().unwrap());
    let body = json!({"text": "How long are returns free?", "client_id": "1"});
    let path = "/api/webchat/messages";
    visitor.post(path, &body).await.expect(202);
    // Sent again, as a browser does that saw no answer: it is the same message.
    visitor.post(path, &body).await.expect(202);

    let answer = until("the visitor is answered", || async {
        let page = visitor.get(&format!("{path}?after=1&wait=20")).await;
        let page = page.expect(200);
        let answer = page["data"].as_array().unwrap().first().cloned();
        answer.filter(|answer| answer["status"] == "sent")
    })
    .await;
    assert!(answer["text"].as_str().unwrap().contains("thirty days"));
    assert_eq!(answer["sources"][0]["title"], document["title"]);
    assert_eq!(answer["sources"][0]["page"], 2);
    let messages = shop.messages(&api.http).await;
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert!(stage.model.received().is_empty() && stage.graph.received().is_empty());
}

async fn web_chat(http: &crate::http::Http, tenant: &str) -> String {
    let path = format!("/api/tenants/{tenant}/channels");
    let channel = json!({"type": "webchat", "name": "Chat"});
    id(&http.post(&path, &channel).await.expect(201))
}
