use std::time::Duration;

use domain::{Clock, EventId, ModerationSettings, OnFailure};
use http::{Method, StatusCode, header};
use outbound::Client;
use secrecy::{ExposeSecret as _, SecretString};
use secrets::WebhookSecret;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::{Moderator, Said, Verdict};
use crate::Assistant;

/// The most that an answer may weigh.
const MAX_ANSWER_BYTES: usize = 16 * 1024;
/// The most characters of a reason that reach the log.
const MAX_REASON_CHARS: usize = 200;

/// A tenant's own service, which is posted each text, signed, and answers what is to become of it.
pub(super) struct Hook<'a> {
    client: &'a Client,
    clock: &'a Clock,
    settings: &'a ModerationSettings,
    url: &'a Url,
    secret: Option<&'a SecretString>,
}

/// Why there is no verdict.
#[derive(Debug, thiserror::Error)]
enum NoVerdict {
    /// Nothing is posted unsigned.
    #[error("there is no secret to sign with")]
    Secret,
    /// It answered, but not with 2xx; redirects are not followed.
    #[error("the service answered {0}")]
    Answered(StatusCode),
    /// The answer holds no verdict.
    #[error("the service's answer is none of its form")]
    Unreadable(#[source] serde_json::Error),
    /// There was no answer, or none in time.
    #[error(transparent)]
    NoAnswer(#[from] outbound::Error),
}

/// What the service answers.
#[derive(Deserialize)]
struct Answer {
    verdict: Word,
    #[serde(default)]
    reason: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    Allow,
    Block,
}

impl<'a> Hook<'a> {
    pub(super) fn new(
        assistant: &'a Assistant,
        settings: &'a ModerationSettings,
        url: &'a Url,
        secret: Option<&'a SecretString>,
    ) -> Self {
        Self {
            client: &assistant.guarded,
            clock: &assistant.clock,
            settings,
            url,
            secret,
        }
    }

    async fn ask(&self, said: &Said<'_>) -> Result<Answer, NoVerdict> {
        let secret = self.secret.ok_or(NoVerdict::Secret)?.expose_secret();
        let secret: WebhookSecret = secret.parse().map_err(|_| NoVerdict::Secret)?;
        let body = body(said);
        // The same turn may be asked about again after it was edited: each post is one of its own.
        let id = format!("mod_{}", EventId::new());
        let timestamp = self.clock.now().timestamp();
        let signature = secret.sign(&id, timestamp, body.as_bytes());
        let response = self
            .client
            .request(Method::POST, self.url)?
            .timeout(Duration::from_secs(self.settings.timeout_seconds.into()))
            .header(header::CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .body(body)
            .send()
            .await
            .map_err(outbound::Error::from)?;
        let status = response.status();
        if !status.is_success() {
            return Err(NoVerdict::Answered(status));
        }
        let answer = outbound::read_capped(response, MAX_ANSWER_BYTES).await?;
        serde_json::from_slice(&answer).map_err(NoVerdict::Unreadable)
    }

    fn without_verdict(&self, said: &Said<'_>, error: &NoVerdict) -> Verdict {
        tracing::warn!(
            tenant.id = %said.tenant_id,
            conversation.id = %said.conversation_id,
            error = %error,
            "a moderation service gave no verdict"
        );
        match self.settings.on_failure {
            OnFailure::Allow => Verdict::Allow,
            OnFailure::Block => Verdict::Block {
                reason: error.to_string(),
            },
        }
    }
}

#[async_trait::async_trait]
impl Moderator for Hook<'_> {
    fn name(&self) -> &'static str {
        "service"
    }

    async fn judge(&self, said: &Said<'_>) -> Verdict {
        match self.ask(said).await {
            Ok(answer) => answer.into_verdict(),
            Err(error) => self.without_verdict(said, &error),
        }
    }
}

/// What the service is posted.
fn body(said: &Said<'_>) -> String {
    let body = json!({
        "type": "moderation",
        "direction": said.direction.as_str(),
        "tenant_id": said.tenant_id,
        "conversation_id": said.conversation_id,
        "channel": said.channel.as_str(),
        "text": said.text,
    });
    body.to_string()
}

impl Answer {
    fn into_verdict(self) -> Verdict {
        match self.verdict {
            Word::Allow => Verdict::Allow,
            Word::Block => Verdict::Block {
                reason: for_log(self.reason.as_str().unwrap_or_default()),
            },
        }
    }
}

/// What a stranger said, short and on one line.
fn for_log(reason: &str) -> String {
    let plain = reason.chars().filter(|c| !c.is_control());
    plain.take(MAX_REASON_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(answer: &str) -> Option<Verdict> {
        let answer: Result<Answer, _> = serde_json::from_str(answer);
        answer.ok().map(Answer::into_verdict)
    }

    fn block(reason: &str) -> Verdict {
        let reason = reason.to_owned();
        Verdict::Block { reason }
    }

    #[test]
    fn a_verdict_is_one_of_two_words_and_whatever_else_is_there_does_not_matter() {
        assert_eq!(read(r#"{"verdict": "allow"}"#), Some(Verdict::Allow));
        let more = r#"{"verdict": "allow", "reason": null, "score": 0.1}"#;
        assert_eq!(read(more), Some(Verdict::Allow));
        assert_eq!(read(r#"{"verdict": "block"}"#), Some(block("")));
        let reason = r#"{"verdict": "block", "reason": "threat"}"#;
        assert_eq!(read(reason), Some(block("threat")));
        // What is blocked stays so, however it is explained.
        assert_eq!(
            read(r#"{"verdict": "block", "reason": 7}"#),
            Some(block(""))
        );
        for none in [
            "",
            "allow",
            "{}",
            "[]",
            "null",
            r#"{"verdict": "Allow"}"#,
            r#"{"verdict": "maybe"}"#,
            r#"{"verdict": true}"#,
            r#"{"verdict": "allow", "verdict": "block"}"#,
        ] {
            assert_eq!(read(none), None, "{none}");
        }
    }

    #[test]
    fn a_reason_makes_one_short_line_of_the_log() {
        let reason = format!("line\n\u{1b}[31m{}", "x".repeat(1000));
        let logged = for_log(&reason);
        assert_eq!(logged.chars().count(), MAX_REASON_CHARS);
        assert!(logged.starts_with("line[31mxx"), "{logged}");
    }
}
