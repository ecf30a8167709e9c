use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::{Content, Media};
use http::Method;
use serde_json::{Value, json};
use url::Url;

use super::error::{class_of, class_of_code};
use super::media::{HOSTS, MAX_INBOUND_BYTES, check_file};
use super::plan::refused;
use super::send::read_sent;
use super::{WhatsappConfig, WhatsappSecrets, message};
use crate::lenient::{integer, text};
use crate::limit::hidden;
use crate::media::lies_on;
use crate::meta::{Graph, read_answer, read_id, read_subscription};
use crate::{
    Action, Audience, Check, CheckKind, Connection, FileTraits, Finding, Health, HttpAnswer,
    HttpRequest, Limit, MediaError, MediaStep, Outgoing, Permit, Platform, RequestBody, SendClass,
    SendError, Sent, Unsupported, Upload,
};

/// Messages a second of one number, in and out, unless its settings say otherwise.
///
/// Source: <https://developers.facebook.com/docs/whatsapp/throughput>, 2026-05, as the pair's.
const NUMBER_PER_SECOND: u32 = 80;

/// How long until one more message may go to the same contact, and how many may go at once.
const PAIR_EVERY: Duration = Duration::from_secs(6);
const PAIR_BURST: u32 = 45;

/// A WhatsApp number, ready to send.
pub(super) struct Number {
    config: WhatsappConfig,
    secrets: WhatsappSecrets,
    graph: Graph,
    app_id: Option<String>,
}

impl fmt::Debug for Number {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Number")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl Number {
    pub(super) fn new(
        config: WhatsappConfig,
        secrets: WhatsappSecrets,
        platform: &Platform,
    ) -> Self {
        Self {
            config,
            secrets,
            graph: platform.graph.clone(),
            app_id: platform.app_id.clone(),
        }
    }

    fn request(&self, method: Method, segments: &[&str]) -> HttpRequest {
        self.graph
            .request(method, segments)
            .bearer(&self.secrets.access_token)
    }

    fn messages(&self, body: Value) -> HttpRequest {
        let segments = [self.config.phone_number_id.as_str(), "messages"];
        self.request(Method::POST, &segments).json(body)
    }

    /// Whether a file may be fetched from `url` with our token.
    fn is_own(&self, url: &Url) -> bool {
        lies_on(url, &HOSTS) || url.origin() == self.graph.url.origin()
    }

    fn bytes(
        &self,
        url: &str,
        sha256: Option<String>,
        mime_type: Option<String>,
    ) -> Result<MediaStep, MediaError> {
        let url = Url::parse(url)
            .ok()
            .filter(|url| self.is_own(url))
            .ok_or(MediaError::ForeignAddress)?;
        let mut request = HttpRequest::new(Method::GET, url, Audience::Operator)
            .bearer(&self.secrets.access_token);
        request.max_answer_bytes = MAX_INBOUND_BYTES;
        Ok(MediaStep::Bytes {
            request,
            sha256,
            mime_type,
        })
    }
}

impl Connection for Number {
    fn encode(&self, outgoing: &Outgoing<'_>) -> Result<HttpRequest, Unsupported> {
        let is_template = matches!(outgoing.content, Content::Template(_));
        match outgoing.permit {
            Permit::Free => {}
            Permit::Approved if is_template => {}
            Permit::Approved
            | Permit::HumanAgent
            | Permit::InsteadTemplate(_)
            | Permit::Refused(_) => {
                return Err(refused("only a template may leave now"));
            }
        }
        let body = message::body(outgoing).map_err(refused)?;
        Ok(self.messages(body))
    }

    fn read_sent(&self, _: &str, answer: &HttpAnswer) -> Result<Sent, SendError> {
        read_sent(answer)
    }

    fn class_of_code(&self, code: i64) -> Option<SendClass> {
        class_of_code(code)
    }

    fn limits(&self, _: &Content, to: &str) -> Vec<Limit> {
        let number = &self.config.phone_number_id;
        let set = self.config.messages_per_second.filter(|rate| *rate > 0);
        let rate = set.unwrap_or(NUMBER_PER_SECOND);
        vec![
            Limit::per_second(format!("wa-number:{number}"), rate),
            Limit {
                key: format!("wa-pair:{number}:{}", hidden(to)),
                every: PAIR_EVERY,
                burst: PAIR_BURST,
                is_contacts: true,
            },
        ]
    }

    fn act(&self, action: Action<'_>) -> Vec<HttpRequest> {
        let read = |message: &str| {
            json!({
                "messaging_product": "whatsapp", "status": "read", "message_id": message,
            })
        };
        match action {
            Action::MarkRead { message, .. } => vec![self.messages(read(message))],
            Action::Typing { message, .. } => {
                let mut body = read(message);
                body["typing_indicator"] = json!({"type": "text"});
                vec![self.messages(body)]
            }
            Action::TypingOff { .. } | Action::TakeThread { .. } | Action::PassThread { .. } => {
                Vec::new()
            }
        }
    }

    fn fetch(&self, media: &Media) -> Result<MediaStep, MediaError> {
        match (&media.id, &media.url) {
            (Some(id), _) => {
                let mut request = self.request(Method::GET, &[id]);
                request
                    .url
                    .query_pairs_mut()
                    .append_pair("phone_number_id", &self.config.phone_number_id);
                Ok(MediaStep::Address(request))
            }
            (None, Some(url)) => self.bytes(url, media.sha256.clone(), media.mime_type.clone()),
            (None, None) => Err(MediaError::Missing),
        }
    }

    fn read_address(&self, answer: &HttpAnswer) -> Result<MediaStep, MediaError> {
        let json = read_answer(answer, class_of).map_err(MediaError::Refused)?;
        let size = integer(&json, "file_size").and_then(|size| usize::try_from(size).ok());
        if size.is_some_and(|size| size > MAX_INBOUND_BYTES) {
            return Err(MediaError::TooLarge {
                max_bytes: MAX_INBOUND_BYTES,
            });
        }
        let url = text(&json, "url").ok_or(MediaError::Missing)?;
        self.bytes(&url, text(&json, "sha256"), text(&json, "mime_type"))
    }

    fn check_file(&self, file: &FileTraits<'_>) -> Result<(), MediaError> {
        check_file(file)
    }

    fn upload(&self, file: &Upload<'_>) -> Result<Option<HttpRequest>, MediaError> {
        self.check_file(&file.traits())?;
        let segments = [self.config.phone_number_id.as_str(), "media"];
        let mut request = self.request(Method::POST, &segments);
        request.body = RequestBody::Form {
            fields: vec![
                ("messaging_product", "whatsapp".to_owned()),
                ("type", file.mime_type.to_owned()),
            ],
            file_field: "file",
            filename: file.filename.to_owned(),
            mime_type: file.mime_type.to_owned(),
            bytes: file.bytes.clone(),
        };
        Ok(Some(request))
    }

    fn read_uploaded(&self, answer: &HttpAnswer) -> Result<String, SendError> {
        read_id(&read_answer(answer, class_of)?)
    }

    fn checks(&self, _: DateTime<Utc>) -> Vec<Check> {
        let mut credentials = self.request(Method::GET, &[&self.config.phone_number_id]);
        credentials
            .url
            .query_pairs_mut()
            .append_pair("fields", "id,display_phone_number,quality_rating");
        let mut checks = vec![Check {
            kind: CheckKind::Credentials,
            request: credentials,
        }];
        if let Some(account) = &self.config.business_account_id {
            checks.push(Check {
                kind: CheckKind::Subscription,
                request: self.request(Method::GET, &[account, "subscribed_apps"]),
            });
        }
        checks
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
            CheckKind::Subscription => read_subscription(&json, self.app_id.as_deref(), &[]),
            CheckKind::Credentials => {
                if text(&json, "id").as_ref() != Some(&self.config.phone_number_id) {
                    let note = "the token opens, but not this number";
                    return Finding::new(Health::Misconfigured, note);
                }
                match text(&json, "quality_rating").as_deref() {
                    Some("RED") => Finding::new(Health::Warned, "the number's quality is low"),
                    _ => Finding::new(Health::Working, "the token opens the number"),
                }
            }
        }
    }

    fn subscribe(&self) -> Option<HttpRequest> {
        let account = self.config.business_account_id.as_ref()?;
        Some(self.request(Method::POST, &[account, "subscribed_apps"]))
    }
}
