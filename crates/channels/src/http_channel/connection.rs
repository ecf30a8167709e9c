use std::fmt;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use domain::{Content, Media, OutgoingMedia};
use http::{HeaderName, HeaderValue, Method};
use secrecy::ExposeSecret;
use secrets::{WebhookSecret, sign_with_all};
use serde_json::{Value, json};
use url::Url;

use super::{HttpConfig, HttpSecrets, refused};
use super::{ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER};
use crate::lenient::text;
use crate::plan::{numbered, place};
use crate::{
    Action, Audience, BrokenSettings, Check, CheckKind, Connection, FileTraits, Finding, Health,
    HttpAnswer, HttpRequest, Limit, Markup, MediaError, MediaStep, Outgoing, Permit, RequestBody,
    SendClass, SendError, Sent, Unsupported, Upload, to_markup,
};

/// The largest file that is fetched, in bytes.
const MAX_FILE_BYTES: usize = 25 * 1024 * 1024;

/// The longest id of a message that is taken from an answer, in bytes.
const MAX_ID_BYTES: usize = 512;

/// The most characters of a reason that is kept.
const MAX_REASON_CHARS: usize = 300;

/// A tenant's own system, ready to be posted to.
pub(super) struct OtherSystem {
    config: HttpConfig,
    secrets: Vec<WebhookSecret>,
}

impl fmt::Debug for OtherSystem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("OtherSystem")
            .field("host", &self.config.send_url.host_str())
            .finish_non_exhaustive()
    }
}

impl OtherSystem {
    pub(super) fn new(config: HttpConfig, secrets: &HttpSecrets) -> Result<Self, BrokenSettings> {
        let secrets: Result<Vec<WebhookSecret>, _> = secrets
            .signing()
            .into_iter()
            .map(|secret| secret.expose_secret().parse())
            .collect();
        let secrets = secrets.map_err(|_| BrokenSettings {
            reason: "the secrets: one is not a signing secret".to_owned(),
        })?;
        Ok(Self { config, secrets })
    }

    /// A post signed with every secret, so that the other side may change to the other one at its
    /// own time.
    fn post(&self, id: &str, now: DateTime<Utc>, body: &Value) -> Result<HttpRequest, Unsupported> {
        let body = Bytes::from(body.to_string());
        let stamp = now.timestamp();
        let signature = sign_with_all(&self.secrets, id, stamp, &body);
        let mut request = HttpRequest::new(
            Method::POST,
            self.config.send_url.clone(),
            Audience::Stranger,
        );
        for (name, value) in [
            (ID_HEADER, id),
            (TIMESTAMP_HEADER, &stamp.to_string()),
            (SIGNATURE_HEADER, &signature),
        ] {
            let value = HeaderValue::from_str(value)
                .map_err(|_| refused("the message's id is not one of ours"))?;
            request.headers.push((HeaderName::from_static(name), value));
        }
        request.body = RequestBody::SignedJson(body);
        Ok(request)
    }
}

/// The content as plain text, for a system that shows nothing else; empty where there are no words.
fn plain(content: &Content) -> String {
    let markdown = match content {
        Content::Text { body } => body.clone(),
        Content::Media(OutgoingMedia { caption, .. }) => caption.clone().unwrap_or_default(),
        Content::Location(location) => return place(location),
        Content::Choices(choices) => numbered(choices),
        Content::Template(_) | Content::Reaction { .. } => String::new(),
    };
    to_markup(Markup::Plain, &markdown)
}

impl Connection for OtherSystem {
    fn encode(&self, outgoing: &Outgoing<'_>) -> Result<HttpRequest, Unsupported> {
        match outgoing.permit {
            Permit::Free | Permit::Approved | Permit::HumanAgent => {}
            Permit::InsteadTemplate(_) | Permit::Refused(_) => {
                return Err(refused("it may not leave"));
            }
        }
        let content = serde_json::to_value(outgoing.content)
            .map_err(|_| refused("it cannot be written as JSON"))?;
        let body = json!({
            "type": "message",
            "id": outgoing.tag,
            "timestamp": outgoing.now.to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
            "to": outgoing.to,
            "author": outgoing.author,
            "text": plain(outgoing.content),
            "content": content,
            "reply_to": outgoing.reply_to,
        });
        self.post(outgoing.tag, outgoing.now, &body)
    }

    fn read_sent(&self, tag: &str, answer: &HttpAnswer) -> Result<Sent, SendError> {
        let json = answer.json();
        if answer.is_success() {
            let id = text(&json, "id").filter(|id| id.len() <= MAX_ID_BYTES);
            return Ok(Sent {
                external_id: id.unwrap_or_else(|| tag.to_owned()),
            });
        }
        let class = match answer.status {
            408 | 425 | 429 | 500.. => SendClass::Retry {
                after: answer.retry_after,
            },
            410 => SendClass::ChannelBlocked,
            // A redirect is not followed, for its target was not set by the tenant.
            300..=399 | 401 | 403 | 404 | 405 => SendClass::Config,
            _ => SendClass::Permanent,
        };
        let reason = text(&json, "error").map(|reason| {
            let reason: String = reason.chars().take(MAX_REASON_CHARS).collect();
            format!(": {reason}")
        });
        let message = format!(
            "the system answered {}{}",
            answer.status,
            reason.unwrap_or_default()
        );
        Err(SendError {
            code: Some(i64::from(answer.status)),
            ..SendError::of(class, message)
        })
    }

    fn class_of_code(&self, _: i64) -> Option<SendClass> {
        None
    }

    fn limits(&self, _: &Content, _: &str) -> Vec<Limit> {
        Vec::new()
    }

    fn act(&self, _: Action<'_>) -> Vec<HttpRequest> {
        Vec::new()
    }

    fn fetch(&self, media: &Media) -> Result<MediaStep, MediaError> {
        let url = media.url.as_ref().ok_or(MediaError::Missing)?;
        let url = Url::parse(url)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https"))
            .ok_or(MediaError::ForeignAddress)?;
        let mut request = HttpRequest::new(Method::GET, url, Audience::Stranger);
        request.max_answer_bytes = MAX_FILE_BYTES;
        Ok(MediaStep::Bytes {
            request,
            sha256: media.sha256.clone(),
            mime_type: media.mime_type.clone(),
        })
    }

    fn read_address(&self, _: &HttpAnswer) -> Result<MediaStep, MediaError> {
        Err(MediaError::Missing)
    }

    fn check_file(&self, _: &FileTraits<'_>) -> Result<(), MediaError> {
        Ok(())
    }

    /// The system fetches files: by their address, or by their id from our API.
    fn upload(&self, _: &Upload<'_>) -> Result<Option<HttpRequest>, MediaError> {
        Ok(None)
    }

    fn read_uploaded(&self, _: &HttpAnswer) -> Result<String, SendError> {
        let why = "files are not uploaded to this kind of channel";
        Err(SendError::of(SendClass::Permanent, why))
    }

    fn checks(&self, now: DateTime<Utc>) -> Vec<Check> {
        let id = format!("ping_{}", now.timestamp_millis());
        let body = json!({
            "type": "ping",
            "id": id,
            "timestamp": now.to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
        });
        let request = self.post(&id, now, &body).ok();
        request
            .map(|request| Check {
                kind: CheckKind::Credentials,
                request,
            })
            .into_iter()
            .collect()
    }

    fn read_check(&self, _: CheckKind, answer: Option<&HttpAnswer>) -> Finding {
        let Some(answer) = answer else {
            return Finding::new(Health::Unknown, "the system did not answer");
        };
        match self.read_sent("", answer) {
            Ok(_) => Finding::new(Health::Working, "the system took a signed post"),
            Err(error) => Finding::of_error(error),
        }
    }

    fn subscribe(&self) -> Option<HttpRequest> {
        None
    }
}
