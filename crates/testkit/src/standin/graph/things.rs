use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use poem::Response;
use poem::http::{Method, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::error::error_response;
use crate::standin::listen::{Exchange, json_response};

/// Where no file lies, for ids are digits.
const DEAD_ADDRESS: &str = "over";

/// What the Graph API knows besides messages: files, and whether apps are subscribed.
#[derive(Debug, Default)]
pub(super) struct Things(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    files: HashMap<String, File>,
    /// How many of the next addresses of files are over before anybody fetches from them.
    dead_addresses: usize,
    addresses_asked_for: usize,
    uploads: Vec<Upload>,
    /// Codes of errors that the next uploads meet, in order.
    upload_errors: VecDeque<i64>,
    is_unsubscribed: bool,
    refuses_subscriptions: bool,
    subscribed_app: Option<String>,
    looks_error: Option<i64>,
    quality: Option<String>,
}

#[derive(Clone, Debug)]
struct File {
    mime_type: String,
    bytes: Bytes,
}

/// A file that was uploaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// The number or page it was uploaded to.
    pub to: String,
    /// The id it got.
    pub id: String,
    /// The whole form, as it came.
    pub body: Bytes,
}

impl Things {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add_file(&self, id: &str, mime_type: &str, bytes: Bytes) {
        let mime_type = mime_type.to_owned();
        let file = File { mime_type, bytes };
        self.state().files.insert(id.to_owned(), file);
    }

    pub(super) fn expire_addresses(&self, count: usize) {
        self.state().dead_addresses = count;
    }

    pub(super) fn addresses_asked_for(&self) -> usize {
        self.state().addresses_asked_for
    }

    pub(super) fn uploads(&self) -> Vec<Upload> {
        self.state().uploads.clone()
    }

    pub(super) fn refuse_uploads(&self, codes: &[i64]) {
        self.state().upload_errors.extend(codes);
    }

    pub(super) fn unsubscribe(&self) {
        self.state().is_unsubscribed = true;
    }

    pub(super) fn refuse_subscriptions(&self, refuse: bool) {
        self.state().refuses_subscriptions = refuse;
    }

    pub(super) fn set_subscribed_app(&self, id: &str) {
        self.state().subscribed_app = Some(id.to_owned());
    }

    pub(super) fn refuse_looks(&self, code: Option<i64>) {
        self.state().looks_error = code;
    }

    pub(super) fn set_quality(&self, quality: &str) {
        self.state().quality = Some(quality.to_owned());
    }

    /// Answers what is no send; `base` is the server's own address.
    pub(super) fn answer(&self, exchange: &Exchange, segments: &[&str], base: &str) -> Response {
        match (&exchange.method, segments) {
            (&Method::GET, ["__files", id]) => self.bytes(id),
            (&Method::GET, [_, "me"]) => {
                if let Some(code) = self.state().looks_error {
                    return error_response(code, "As set.");
                }
                // The token is the page's own: its id stands in it, as `page-<id>`.
                let id = exchange
                    .bearer()
                    .and_then(|token| token.strip_prefix("page-"));
                ok(&json!({"id": id.unwrap_or("0"), "name": "Shop"}))
            }
            (&Method::GET, [_, _, "subscribed_apps"]) => {
                ok(&json!({"data": self.state().subscribed()}))
            }
            (&Method::POST, [_, _, "subscribed_apps"]) => {
                if self.state().refuses_subscriptions {
                    return error_response(100, "As set.");
                }
                self.state().is_unsubscribed = false;
                ok(&json!({"success": true}))
            }
            (&Method::POST, [_, to, path @ ("media" | "message_attachments")]) => {
                if let Some(code) = self.state().upload_errors.pop_front() {
                    return error_response(code, "As set.");
                }
                let id = format!("{}", 1000 + self.state().uploads.len());
                self.state().uploads.push(Upload {
                    to: (*to).to_owned(),
                    id: id.clone(),
                    body: exchange.body.clone(),
                });
                let name = if *path == "media" {
                    "id"
                } else {
                    "attachment_id"
                };
                ok(&json!({name: id}))
            }
            (&Method::GET, [_, id]) => self.node(id, base),
            _ => error_response(100, "Unsupported request"),
        }
    }

    fn node(&self, id: &str, base: &str) -> Response {
        let mut state = self.state();
        let is_files = state.files.contains_key(id);
        let is_dead = is_files && state.dead_addresses > 0;
        state.dead_addresses -= usize::from(is_dead);
        state.addresses_asked_for += usize::from(is_files);
        let at = if is_dead { DEAD_ADDRESS } else { id };
        match state.files.get(id) {
            Some(file) => ok(&json!({
                "messaging_product": "whatsapp",
                "url": format!("{base}/__files/{at}"),
                "mime_type": file.mime_type,
                "sha256": hex::encode(Sha256::digest(&file.bytes)),
                "file_size": file.bytes.len().to_string(),
                "id": id,
            })),
            // A number: every id that is no file's.
            None if state.looks_error.is_some() => {
                error_response(state.looks_error.unwrap_or_default(), "As set.")
            }
            None => ok(&json!({
                "id": id,
                "display_phone_number": "+1 555-078-3881",
                "quality_rating": state.quality.as_deref().unwrap_or("GREEN"),
            })),
        }
    }

    fn bytes(&self, id: &str) -> Response {
        match self.state().files.get(id) {
            Some(file) => Response::builder()
                .content_type(&file.mime_type)
                .body(file.bytes.clone()),
            None => StatusCode::NOT_FOUND.into(),
        }
    }
}

impl State {
    fn subscribed(&self) -> Value {
        if self.is_unsubscribed {
            return json!([]);
        }
        let app = self.subscribed_app.as_deref().unwrap_or("1");
        json!([{"id": app, "subscribed_fields": ["messages", "messaging_postbacks"]}])
    }
}

fn ok(body: &Value) -> Response {
    json_response(StatusCode::OK, body)
}
