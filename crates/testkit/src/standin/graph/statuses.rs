use std::sync::{Arc, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::Clock;

use super::{Inner, SentMessage, StatusPlan, StatusStep};
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

    /// Starts to post the statuses of a message, one after the other, each until it is answered 200.
    pub(super) fn report(self: &Arc<Self>, message: SentMessage, plan: StatusPlan) {
        let webhook = self
            .webhook
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
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
            let status = item(message, &step);
            let post = WhatsappPost::to_number(&message.phone_number_id).status(&status);
            let mut pause = Duration::from_millis(100);
            // Like Meta, which repeats whatever was not answered by 200.
            while caller.post(&post).await.ok() != Some(200) {
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
