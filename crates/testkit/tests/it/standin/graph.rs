use std::time::Duration;

use reqwest::Response;
use serde_json::{Value, json};
use testkit::standin::{
    GraphBehaviour, GraphOptions, GraphReply, GraphServer, Receiver, ReceiverReply, StatusPlan,
    StatusWebhook, meta_signature,
};

use super::{PATIENCE, client};

async fn graph() -> GraphServer {
    GraphServer::start(GraphOptions {
        token: Some("EAA-token".to_owned()),
        ..GraphOptions::default()
    })
    .await
    .unwrap()
}

async fn graph_with_webhook() -> (GraphServer, Receiver) {
    let (graph, receiver) = (graph().await, Receiver::start(0).await.unwrap());
    graph.send_statuses_to(StatusWebhook {
        url: format!("{}/webhooks/whatsapp", receiver.url()),
        app_secret: "app-secret".to_owned(),
    });
    (graph, receiver)
}

fn text(body: &str) -> Value {
    json!({
        "messaging_product": "whatsapp", "recipient_type": "individual", "to": "+33612345678",
        "type": "text", "text": {"body": body}, "biz_opaque_callback_data": "tag-1",
    })
}

async fn try_send(
    graph: &GraphServer,
    token: &str,
    body: &Value,
) -> Result<Response, reqwest::Error> {
    client()
        .post(format!("{}/v25.0/106540352242922/messages", graph.url()))
        .bearer_auth(token)
        .json(body)
        .timeout(Duration::from_secs(2))
        .send()
        .await
}

async fn send(graph: &GraphServer, body: &Value) -> (u16, Value) {
    let response = try_send(graph, "EAA-token", body).await.unwrap();
    let status = response.status().as_u16();
    (status, response.json().await.unwrap_or_default())
}

/// The `(status, tag)` pairs of the posts, in order of arrival, each signed rightly.
async fn statuses(receiver: &Receiver, n: usize) -> Vec<(String, String)> {
    let posts = receiver.wait_for(n, PATIENCE).await.unwrap();
    posts
        .iter()
        .map(|post| {
            let signature = meta_signature("app-secret", &post.body);
            assert_eq!(post.header("x-hub-signature-256"), Some(signature.as_str()));
            let body: Value = serde_json::from_slice(&post.body).unwrap();
            assert_eq!(body["object"], "whatsapp_business_account");
            let value = &body["entry"][0]["changes"][0]["value"];
            assert_eq!(value["metadata"]["phone_number_id"], "106540352242922");
            let status = &value["statuses"][0];
            let word = |key: &str| status[key].as_str().unwrap().to_owned();
            assert_eq!(word("recipient_id"), "33612345678");
            (word("status"), word("biz_opaque_callback_data"))
        })
        .collect()
}

fn tagged(words: &[&str]) -> Vec<(String, String)> {
    words
        .iter()
        .map(|word| ((*word).to_owned(), "tag-1".to_owned()))
        .collect()
}

#[tokio::test]
async fn takes_a_text_and_reports_it_sent_then_delivered_under_its_tag() {
    let (graph, receiver) = graph_with_webhook().await;
    let (status, answer) = send(&graph, &text("Good day")).await;
    assert_eq!(status, 200);
    assert_eq!(
        answer["contacts"],
        json!([{"input": "+33612345678", "wa_id": "33612345678"}])
    );
    let sent = graph.wait_for(1, PATIENCE).await.unwrap();
    assert_eq!(answer["messages"][0]["id"], *sent[0].wamid);
    assert!(sent[0].wamid.starts_with("wamid."));
    assert_eq!(
        (&*sent[0].phone_number_id, &*sent[0].text),
        ("106540352242922", "Good day")
    );
    assert_eq!(sent[0].tag.as_deref(), Some("tag-1"));
    assert_eq!(statuses(&receiver, 2).await, tagged(&["sent", "delivered"]));
}

#[tokio::test]
async fn a_wrong_token_is_error_190_and_takes_nothing_from_the_script() {
    let graph = graph().await;
    graph.script([GraphReply::Status { status: 500 }]);
    let response = try_send(&graph, "other", &text("x")).await.unwrap();
    assert_eq!(response.status(), 401);
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["error"]["code"], 190);
    assert_eq!(body["error"]["type"], "OAuthException");
    assert_eq!(send(&graph, &text("x")).await.0, 500);
    assert_eq!((graph.received().len(), graph.requests().len()), (0, 2));
}

#[tokio::test]
async fn a_body_meta_would_refuse_is_error_100() {
    let graph = graph().await;
    let without = |key: &str| {
        let mut body = text("x");
        body.as_object_mut().unwrap().remove(key);
        body
    };
    let mut image = text("x");
    image["type"] = json!("image");
    let wrong = [
        without("messaging_product"),
        without("to"),
        without("text"),
        image,
        text(""),
        text(&"é".repeat(4097)),
    ];
    for body in wrong {
        let (status, answer) = send(&graph, &body).await;
        assert_eq!(
            (status, &answer["error"]["code"]),
            (400, &json!(100)),
            "{body}"
        );
    }
    assert_eq!(send(&graph, &text(&"é".repeat(4096))).await.0, 200);
    assert_eq!(graph.received().len(), 1);
}

#[tokio::test]
async fn a_user_id_goes_in_recipient_and_comes_back_as_user_id() {
    let graph = graph().await;
    let body = json!({"messaging_product": "whatsapp", "recipient": "US.1349", "type": "text",
        "text": {"body": "Hi"}});
    let (_, answer) = send(&graph, &body).await;
    assert_eq!(
        answer["contacts"],
        json!([{"input": "US.1349", "user_id": "US.1349"}])
    );
    assert!(graph.received()[0].is_user_id);
}

#[tokio::test]
async fn a_read_mark_is_no_message() {
    let graph = graph().await;
    let body = json!({"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.x"});
    assert_eq!(send(&graph, &body).await, (200, json!({"success": true})));
    assert_eq!(graph.received(), []);
}

#[tokio::test]
async fn refusals_come_as_scripted_and_take_no_message() {
    let graph = graph().await;
    graph.script([
        GraphReply::Status { status: 500 },
        GraphReply::RateLimited {
            retry_after_seconds: 3,
        },
    ]);
    graph.script([131_056, 131_047, 190, 130_429, 131_016].map(|code| GraphReply::Error { code }));
    assert_eq!(send(&graph, &text("x")).await.0, 500);
    let limited = try_send(&graph, "EAA-token", &text("x")).await.unwrap();
    assert_eq!(limited.status(), 429);
    assert_eq!(limited.headers()["retry-after"], "3");
    for expected in [
        (400, 131_056),
        (400, 131_047),
        (401, 190),
        (400, 130_429),
        (500, 131_016),
    ] {
        let (status, answer) = send(&graph, &text("x")).await;
        assert_eq!(
            (status, answer["error"]["code"].as_i64().unwrap()),
            expected
        );
    }
    assert_eq!(graph.received(), []);
    assert_eq!(send(&graph, &text("x")).await.0, 200);
}

#[tokio::test]
async fn a_taken_message_whose_answer_is_lost_still_has_its_statuses() {
    let (graph, receiver) = graph_with_webhook().await;
    graph.script([GraphReply::AcceptThenDrop]);
    let error = try_send(&graph, "EAA-token", &text("x")).await.unwrap_err();
    assert!(!error.is_timeout() && !error.is_connect(), "{error:?}");
    assert_eq!(graph.received().len(), 1);
    assert_eq!(statuses(&receiver, 2).await, tagged(&["sent", "delivered"]));
}

#[tokio::test]
async fn a_refused_message_whose_connection_drops_was_never_taken() {
    let graph = graph().await;
    graph.script([
        GraphReply::RefuseThenDrop,
        GraphReply::Hang,
        GraphReply::AcceptThenHang,
    ]);
    let dropped = try_send(&graph, "EAA-token", &text("1")).await.unwrap_err();
    assert!(!dropped.is_timeout(), "{dropped:?}");
    for body in ["2", "3"] {
        let hung = try_send(&graph, "EAA-token", &text(body))
            .await
            .unwrap_err();
        assert!(hung.is_timeout(), "{hung:?}");
    }
    let taken: Vec<String> = graph.received().into_iter().map(|sent| sent.text).collect();
    assert_eq!(taken, ["3"]);
}

#[tokio::test]
async fn statuses_are_withheld_duplicated_reordered_or_failed_as_scripted() {
    let (graph, receiver) = graph_with_webhook().await;
    graph.script([
        GraphBehaviour::statuses(StatusPlan::withheld()),
        GraphBehaviour::statuses(StatusPlan::duplicated()),
    ]);
    send(&graph, &text("withheld")).await;
    send(&graph, &text("duplicated")).await;
    let mut expected = tagged(&["sent", "sent", "delivered", "delivered"]);
    assert_eq!(statuses(&receiver, 4).await, expected);

    graph.otherwise(GraphBehaviour::statuses(
        StatusPlan::reordered().delayed(Duration::from_millis(50)),
    ));
    send(&graph, &text("reordered")).await;
    expected.extend(tagged(&["delivered", "sent"]));
    assert_eq!(statuses(&receiver, 6).await, expected);

    graph.report(graph.received()[0].clone(), StatusPlan::failed(131_047));
    expected.extend(tagged(&["failed"]));
    assert_eq!(statuses(&receiver, 7).await, expected);
    let last: Value = serde_json::from_slice(&receiver.received()[6].body).unwrap();
    let status = &last["entry"][0]["changes"][0]["value"]["statuses"][0];
    assert_eq!(status["id"], *graph.received()[0].wamid);
    assert_eq!(status["errors"][0]["code"], 131_047);
}

#[tokio::test]
async fn a_status_the_webhook_refuses_is_posted_again() {
    let (graph, receiver) = graph_with_webhook().await;
    receiver.script([ReceiverReply::Status { status: 503 }, ReceiverReply::Drop]);
    send(&graph, &text("x")).await;
    let posted = graph.wait_for_statuses(2, PATIENCE).await.unwrap();
    assert_eq!(
        (&*posted[0].status, &*posted[1].status),
        ("sent", "delivered")
    );
    assert_eq!(
        statuses(&receiver, 4).await,
        tagged(&["sent", "sent", "sent", "delivered"])
    );
}

#[tokio::test]
async fn an_address_of_a_file_is_over_as_often_as_told() {
    let graph = graph().await;
    graph.add_file("555", "image/png", "the bytes of a picture");
    graph.expire_addresses(1);
    let get = |url: String| client().get(url).bearer_auth("EAA-token").send();
    let fetch = async || {
        let answer = get(format!("{}/v25.0/555", graph.url())).await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        get(answer["url"].as_str().unwrap().to_owned())
            .await
            .unwrap()
    };
    assert_eq!(fetch().await.status(), 404);
    let file = fetch().await;
    assert_eq!(file.text().await.unwrap(), "the bytes of a picture");
    assert_eq!(graph.addresses_asked_for(), 2);
}
