//! What comes in by webhooks: each message twice, in any order.

use chrono::TimeDelta;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use secrets::{WebhookSecret, sign_with_all};
use serde_json::{Value, json};
use testkit::standin::{
    MessengerPost, Sender, SignedPost, TextMessage, WhatsappClient, WhatsappPost,
};

use super::{APP_SECRET, CUSTOMERS, MESSAGES, NUMBER, PAGE};
use crate::http::Http;
use crate::process::until;

/// One post as its operator makes it.
#[derive(Clone)]
pub(super) enum Post {
    Meta { url: String, signed: SignedPost },
    Other { path: String, event: Value },
}

/// The channels that are posted to, by their ids.
pub(super) struct Posted {
    pub(super) whatsapp: String,
    pub(super) messenger: String,
    pub(super) own: String,
}

/// What everybody writes, each message twice, in any order.
pub(super) fn posts(rng: &mut StdRng, http: &Http, channels: &Posted) -> Vec<Post> {
    let now = domain::Clock::system().now();
    let mut posts = Vec::new();
    for customer in 0..CUSTOMERS {
        for nth in 0..MESSAGES {
            let text = format!("Question {nth} of customer {customer}?");
            // Some channels tell whole seconds.
            let at = now - TimeDelta::seconds(i64::try_from(MESSAGES - nth).unwrap());
            let mut message = TextMessage::new(
                Sender::phone(&format!("3361234{customer:04}"), "Ada"),
                &text,
            );
            message.at = at;
            posts.push(Post::Meta {
                url: format!("{}/webhooks/whatsapp/{}", http.base(), channels.whatsapp),
                signed: WhatsappPost::to_number(NUMBER)
                    .text(&message)
                    .sign(APP_SECRET),
            });
            let (person, mid) = (format!("70000{customer:04}"), format!("m_{customer}_{nth}"));
            let post = MessengerPost::of_page(PAGE).text(&person, &mid, &text, at);
            posts.push(Post::Meta {
                url: format!("{}/webhooks/messenger/{}", http.base(), channels.messenger),
                signed: post.sign(APP_SECRET),
            });
            posts.push(Post::Other {
                path: format!("/webhooks/http/{}", channels.own),
                event: json!({
                    "type": "message", "id": format!("in-{customer}-{nth}"), "text": text,
                    "timestamp": at.to_rfc3339(), "contact": {"id": format!("c-{customer}")},
                }),
            });
        }
    }
    let again = posts.clone();
    posts.extend(again);
    posts.shuffle(rng);
    posts
}

/// Posts until it was taken, as operators do: again after a refusal that passes, and after no answer.
pub(super) async fn deliver(http: &Http, secret: &WebhookSecret, post: Post) {
    until("the post is taken", || async {
        let status = match &post {
            Post::Meta { url, signed } => {
                let meta = WhatsappClient::new(url, APP_SECRET).unwrap();
                meta.post_signed(signed.clone()).await
            }
            Post::Other { path, event } => deliver_other(http, secret, path, event).await,
        };
        let Ok(status) = status else { return None };
        assert!(matches!(status, 200 | 503), "{status}");
        (status == 200).then_some(())
    })
    .await;
}

async fn deliver_other(
    http: &Http,
    secret: &WebhookSecret,
    path: &str,
    event: &Value,
) -> Result<u16, reqwest::Error> {
    let stamp = domain::Clock::system().now().timestamp();
    let body = event.to_string();
    let name = event["id"].as_str().unwrap();
    let secrets = std::slice::from_ref(secret);
    let signature = sign_with_all(secrets, name, stamp, body.as_bytes());
    let headers = [
        ("webhook-id", name),
        ("webhook-timestamp", &*stamp.to_string()),
        ("webhook-signature", &*signature),
    ];
    let reply = http.try_post_as(path, &headers, body).await?;
    Ok(reply.status.as_u16())
}
