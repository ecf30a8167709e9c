use std::sync::{Arc, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::Clock;
use serde_json::json;

use super::{Inner, SentMessage, StatusPlan, StatusStep};
use crate::standin::messenger::MessengerPost;
use crate::standin::whatsapp::{MessageStatusItem, WhatsappClient, WhatsappPost};

/// The longest pause between two attempts to report a status.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Where statuses go and how they are signed.
#[derive(Clone, Debug)]
pub struct StatusWebhook {
    /// The webhook address.
    pub url: String,
    /// The secret of the Meta app.
    pub app_secret: String,
}

/// A status the webhook took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostedStatus {
    /// The message it is about.
    pub wamid: String,
    /// `sent`, `delivered` and so on.
    pub status: String,
    /// When the webhook answered 200.
    pub at: DateTime<Utc>,
}

impl Inner {
    pub(super) fn set_webhook(&self, webhook: StatusWebhook) {
        *self.webhook.lock().unwrap_or_else(PoisonError::into_inner) = Some(webhook);
    }

    pub(super) fn set_pages_webhook(&self, webhook: StatusWebhook) {
        let place = self.pages_webhook.lock();
        *place.unwrap_or_else(PoisonError::into_inner) = Some(webhook);
    }

    /// Starts to post the statuses of a message, one after the other, each until it is answered 200.
    pub(super) fn report(self: &Arc<Self>, message: SentMessage, plan: StatusPlan) {
        let of_pages = self.pages_webhook.lock();
        let of_pages = of_pages.unwrap_or_else(PoisonError::into_inner).clone();
        let of_numbers = self.webhook.lock();
        let of_numbers = of_numbers.unwrap_or_else(PoisonError::into_inner).clone();
        let webhook = match of_pages {
            Some(webhook) if message.is_pages() => Some(webhook),
            _ => of_numbers,
        };
        let Some(webhook) = webhook else { return };
        let inner = Arc::clone(self);
        let stopped = self.stop.clone().cancelled_owned();
        tokio::spawn(async move {
            tokio::select! {
                () = stopped => {}
                () = inner.post_all(&webhook, &message, plan) => {}
            }
        });
    }

    async fn post_all(&self, webhook: &StatusWebhook, message: &SentMessage, plan: StatusPlan) {
        let caller =
            WhatsappClient::with_client(self.client.clone(), &webhook.url, &webhook.app_secret);
        for step in plan.0 {
            tokio::time::sleep(Duration::from_millis(step.after_ms)).await;
            let post = if message.is_pages() {
                of_page(message, &step).sign(&webhook.app_secret)
            } else {
                let status = item(message, &step);
                WhatsappPost::to_number(&message.phone_number_id)
                    .status(&status)
                    .sign(&webhook.app_secret)
            };
            let mut pause = Duration::from_millis(100);
            // Like Meta, which repeats whatever was not answered by 200.
            while caller.post_signed(post.clone()).await.ok() != Some(200) {
                tokio::time::sleep(pause).await;
                pause = LONGEST_PAUSE.min(pause * 2);
            }
            self.posted.push(PostedStatus {
                wamid: message.wamid.clone(),
                status: step.status,
                at: Clock::system().now(),
            });
        }
    }
}

impl SentMessage {
    /// Whether a page sent it, and no number.
    fn is_pages(&self) -> bool {
        self.body.get("messaging_product").is_none() && self.body.get("recipient").is_some()
    }
}

/// What a page's app is told of what the page sent: the echo of it, that it arrived, that it was read.
fn of_page(message: &SentMessage, step: &StatusStep) -> MessengerPost {
    let post = MessengerPost::of_page(&message.phone_number_id);
    let at = Clock::system().now();
    let mids = json!({"mids": [message.wamid], "watermark": at.timestamp_millis()});
    match step.status.as_str() {
        "delivered" => post.from_person(&message.to, at, "delivery", &mids),
        "read" => {
            let watermark = json!({"watermark": at.timestamp_millis()});
            post.from_person(&message.to, at, "read", &watermark)
        }
        _ => {
            let tag = message.tag.as_deref();
            post.echo(&message.to, &message.wamid, &message.text, tag, at)
        }
    }
}

fn item(message: &SentMessage, step: &StatusStep) -> MessageStatusItem {
    let error = step
        .error_code
        .map(|code| (code, super::error::known(code).1.to_owned()));
    MessageStatusItem {
        wamid: message.wamid.clone(),
        status: step.status.clone(),
        recipient: message.to.trim_start_matches('+').to_owned(),
        tag: message.tag.clone(),
        error,
        at: Clock::system().now(),
    }
}
