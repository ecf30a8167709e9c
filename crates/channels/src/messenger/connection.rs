use std::fmt;

use chrono::{DateTime, Utc};
use domain::{Content, Media, MediaKind};
use http::Method;
use serde_json::{Value, json};
use url::Url;

use super::error::{class_of, class_of_code};
use super::message::INBOX_APP_ID;
use super::plan::refused;
use super::{MessengerConfig, MessengerSecrets, SUBSCRIBED_FIELDS, message};
use crate::lenient::text;
use crate::media::lies_on;
use crate::meta::{Graph, read_answer, read_subscription};
use crate::{
    Action, Audience, Check, CheckKind, Connection, FileTraits, Finding, Health, HttpAnswer,
    HttpRequest, Limit, MediaError, MediaStep, Outgoing, Platform, RequestBody, SendClass,
    SendError, Sent, Unsupported, Upload,
};

/// The largest file that is fetched or uploaded, in bytes.
///
/// Source: <https://developers.facebook.com/docs/messenger-platform/send-messages/saving-assets>
/// (2026-04-22).
const MAX_FILE_BYTES: usize = 25 * 1024 * 1024;

/// Hosts that Meta keeps Messenger's files on.
const HOSTS: [&str; 2] = ["fbsbx.com", "fbcdn.net"];

/// Calls a second of one page: with words, and with sound or film.
///
/// Source: <https://developers.facebook.com/docs/messenger-platform/overview/rate-limiting>.
const PAGE_PER_SECOND: u32 = 300;
const PAGE_MEDIA_PER_SECOND: u32 = 10;

/// A page, ready to send.
pub(super) struct Page {
    config: MessengerConfig,
    secrets: MessengerSecrets,
    graph: Graph,
    app_id: Option<String>,
}

impl fmt::Debug for Page {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Page")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl Page {
    pub(super) fn new(
        config: MessengerConfig,
        secrets: MessengerSecrets,
        platform: &Platform,
    ) -> Self {
        Self {
            config,
            secrets,
            graph: platform.graph.clone(),
            app_id: platform.app_id.clone(),
        }
    }

    fn request(&self, method: Method, thing: &str) -> HttpRequest {
        self.graph
            .request(method, &[&self.config.page_id, thing])
            .bearer(&self.secrets.page_access_token)
    }

    fn post(&self, thing: &str, body: Value) -> HttpRequest {
        self.request(Method::POST, thing).json(body)
    }
}

impl Connection for Page {
    fn encode(&self, outgoing: &Outgoing<'_>) -> Result<HttpRequest, Unsupported> {
        let body = message::body(outgoing).map_err(refused)?;
        Ok(self.post("messages", body))
    }

    fn read_sent(&self, tag: &str, answer: &HttpAnswer) -> Result<Sent, SendError> {
        let json = read_answer(answer, class_of)?;
        // A reaction has no id of its own, and the next one to the same person must have another.
        text(&json, "message_id")
            .or_else(|| text(&json, "recipient_id").map(|_| format!("action:{tag}")))
            .map(|external_id| Sent { external_id })
            .ok_or_else(|| {
                SendError::of(
                    SendClass::Unknown,
                    "the Graph API's answer names no message",
                )
            })
    }

    fn class_of_code(&self, code: i64) -> Option<SendClass> {
        class_of_code(code, None)
    }

    fn limits(&self, content: &Content, _: &str) -> Vec<Limit> {
        let page = &self.config.page_id;
        let all = Limit::per_second(format!("fb-page:{page}"), PAGE_PER_SECOND);
        let is_heavy = matches!(
            content,
            Content::Media(media) if matches!(media.media_kind, MediaKind::Audio | MediaKind::Video)
        );
        let heavy = is_heavy
            .then(|| Limit::per_second(format!("fb-page-media:{page}"), PAGE_MEDIA_PER_SECOND));
        [Some(all), heavy].into_iter().flatten().collect()
    }

    fn act(&self, action: Action<'_>) -> Vec<HttpRequest> {
        let act = |to: &str, action: &str| {
            let body = json!({"recipient": {"id": to}, "sender_action": action});
            self.post("messages", body)
        };
        match action {
            Action::MarkRead { to, .. } => vec![act(to, "mark_seen")],
            Action::Typing { to, .. } => vec![act(to, "mark_seen"), act(to, "typing_on")],
            Action::TypingOff { to } => vec![act(to, "typing_off")],
            Action::TakeThread { .. } | Action::PassThread { .. }
                if !self.config.hand_off_to_inbox =>
            {
                Vec::new()
            }
            Action::TakeThread { to } => {
                vec![self.post("take_thread_control", json!({"recipient": {"id": to}}))]
            }
            Action::PassThread { to, note } => {
                let note: String = note.chars().take(1000).collect();
                let body = json!({
                    "recipient": {"id": to}, "target_app_id": INBOX_APP_ID, "metadata": note,
                });
                vec![self.post("pass_thread_control", body)]
            }
        }
    }

    /// Files lie at public addresses that need no token, and get none.
    fn fetch(&self, media: &Media) -> Result<MediaStep, MediaError> {
        let url = media.url.as_ref().ok_or(MediaError::Missing)?;
        let url = Url::parse(url)
            .ok()
            .filter(|url| lies_on(url, &HOSTS) || url.origin() == self.graph.url.origin())
            .ok_or(MediaError::ForeignAddress)?;
        let mut request = HttpRequest::new(Method::GET, url, Audience::Operator);
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

    fn check_file(&self, file: &FileTraits<'_>) -> Result<(), MediaError> {
        if file.size_bytes > MAX_FILE_BYTES as u64 {
            return Err(MediaError::TooLarge {
                max_bytes: MAX_FILE_BYTES,
            });
        }
        Ok(())
    }

    fn upload(&self, file: &Upload<'_>) -> Result<Option<HttpRequest>, MediaError> {
        self.check_file(&file.traits())?;
        let name = match file.media_kind {
            MediaKind::Image | MediaKind::Sticker => "image",
            MediaKind::Video => "video",
            MediaKind::Audio => "audio",
            MediaKind::Document => "file",
        };
        let message = json!({"attachment": {"type": name, "payload": {"is_reusable": true}}});
        let mut request = self.request(Method::POST, "message_attachments");
        request.body = RequestBody::Form {
            fields: vec![("message", message.to_string())],
            file_field: "filedata",
            filename: file.filename.to_owned(),
            mime_type: file.mime_type.to_owned(),
            bytes: file.bytes.clone(),
        };
        Ok(Some(request))
    }

    fn read_uploaded(&self, answer: &HttpAnswer) -> Result<String, SendError> {
        let json = read_answer(answer, class_of)?;
        text(&json, "attachment_id").ok_or_else(|| {
            SendError::of(SendClass::Unknown, "the Graph API's answer names no file")
        })
    }

    fn checks(&self, _: DateTime<Utc>) -> Vec<Check> {
        let mut credentials = self
            .graph
            .request(Method::GET, &["me"])
            .bearer(&self.secrets.page_access_token);
        credentials
            .url
            .query_pairs_mut()
            .append_pair("fields", "id,name");
        vec![
            Check {
                kind: CheckKind::Credentials,
                request: credentials,
            },
            Check {
                kind: CheckKind::Subscription,
                request: self.request(Method::GET, "subscribed_apps"),
            },
        ]
    }

    fn read_check(&self, kind: CheckKind, answer: Option<&HttpAnswer>) -> Finding {
        let Some(answer) = answer else {
            return Finding::new(Health::Unknown, "Meta did not answer");
        };
        let json = match read_answer(answer, class_of) {
            Ok(json) => json,
            Err(error) => return Finding::of_error(error),
        };
        match kind {
            CheckKind::Subscription => {
                read_subscription(&json, self.app_id.as_deref(), &SUBSCRIBED_FIELDS[..2])
            }
            CheckKind::Credentials if text(&json, "id").as_ref() == Some(&self.config.page_id) => {
                Finding::new(Health::Working, "the token is the page's")
            }
            CheckKind::Credentials => {
                Finding::new(Health::Misconfigured, "the token is not this page's")
            }
        }
    }

    fn subscribe(&self) -> Option<HttpRequest> {
        let fields = SUBSCRIBED_FIELDS.join(",");
        Some(self.post("subscribed_apps", json!({"subscribed_fields": fields})))
    }
}
