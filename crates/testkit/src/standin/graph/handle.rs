use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use poem::Response;
use poem::http::{Method, StatusCode, header};
use serde_json::{Value, json};

use super::error::error_response;
use super::messenger;
use super::{GraphBehaviour, GraphReply, Inner, SentMessage, ThreadMove};
use crate::standin::listen::{Exchange, Reaction, json_response};
use crate::standin::script::control;
use crate::standin::whatsapp::new_wamid;

const MAX_TEXT_CHARS: usize = 4096;

/// A body that passed Meta's checks.
enum Valid {
    Message {
        recipient: String,
        is_user_id: bool,
        text: String,
        tag: Option<String>,
    },
    Done,
}

pub(super) async fn handle(inner: Arc<Inner>, exchange: Exchange) -> Reaction {
    if let Some(response) = control(&exchange, &inner.script, &inner.sent).await {
        return Reaction::Answer(response);
    }
    let segments: Vec<&str> = exchange.path.trim_matches('/').split('/').collect();
    let is_send = matches!(&segments[..], [_, _, "messages"]) && exchange.method == Method::POST;
    // A mark that nobody waits for is no send.
    if is_send && !is_mark(&exchange.body) {
        inner.requests.push(exchange.at);
    }
    let expected = inner.options.token.as_deref();
    if exchange.bearer().is_none() || expected.is_some_and(|token| exchange.bearer() != Some(token))
    {
        return Reaction::Answer(error_response(190, "Cannot parse access token"));
    }
    if let [
        _,
        page,
        path @ ("take_thread_control" | "pass_thread_control"),
    ] = &segments[..]
    {
        return Reaction::Answer(move_thread(&inner, page, path, &exchange.body));
    }
    let [_, from, "messages"] = &segments[..] else {
        let host = exchange.headers.get(header::HOST);
        let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
        let base = format!("http://{host}");
        if exchange.method == Method::GET && !exchange.path.starts_with("/__files/") {
            inner.looks.push(exchange.at);
            let mut holds = inner.holds_looks.subscribe();
            // It fails only once the server is gone.
            holds.wait_for(|hold| !hold).await.ok();
        }
        return Reaction::Answer(inner.things.answer(&exchange, &segments, &base));
    };
    if !is_send {
        return Reaction::Answer(error_response(100, "Unsupported request"));
    }
    match serde_json::from_slice(&exchange.body) {
        Ok(body) => take(&inner, from, body, exchange.at).await,
        Err(error) => Reaction::Answer(error_response(100, &format!("Invalid JSON: {error}"))),
    }
}

/// Whether a body says that a message was read, or that somebody writes.
fn is_mark(body: &[u8]) -> bool {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    body["status"] == "read" || body.get("sender_action").is_some()
}

/// Takes what is sent from a number or a page, if it is in Meta's form.
async fn take(inner: &Arc<Inner>, from: &str, body: Value, at: DateTime<Utc>) -> Reaction {
    let is_page = body.get("messaging_product").is_none() && body.get("recipient").is_some();
    let valid = if is_page {
        of_page(&body)
    } else {
        validate(&body)
    };
    match valid {
        Ok(Valid::Done) => {
            let answer = if is_page {
                json!({"recipient_id": body["recipient"]["id"]})
            } else {
                json!({"success": true})
            };
            inner.marks.push(body);
            Reaction::Answer(json_response(StatusCode::OK, &answer))
        }
        Ok(Valid::Message {
            recipient,
            is_user_id,
            text,
            tag,
        }) => {
            let wamid = match (is_page, is_user_id) {
                (true, _) => messenger::new_mid(),
                (false, true) => new_wamid(""),
                (false, false) => new_wamid(&recipient),
            };
            let message = SentMessage {
                phone_number_id: from.to_owned(),
                wamid,
                to: recipient,
                is_user_id,
                text,
                tag,
                at,
                body,
            };
            send(inner, message, is_page).await
        }
        Err(details) => Reaction::Answer(error_response(100, &details)),
    }
}

fn move_thread(inner: &Inner, page: &str, path: &str, body: &[u8]) -> Response {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let is_whole = path == "take_thread_control" || body["target_app_id"].is_string();
    if !is_whole || !body["recipient"]["id"].is_string() {
        return error_response(100, "Invalid parameter");
    }
    inner.moves.push(ThreadMove {
        page: page.to_owned(),
        path: path.to_owned(),
        body,
    });
    json_response(StatusCode::OK, &json!({"success": true}))
}

fn of_page(body: &Value) -> Result<Valid, String> {
    Ok(match messenger::validate(body)? {
        messenger::Valid::Action => Valid::Done,
        messenger::Valid::Message {
            recipient,
            text,
            tag,
        } => Valid::Message {
            recipient,
            is_user_id: false,
            text,
            tag,
        },
    })
}

async fn send(inner: &Arc<Inner>, message: SentMessage, is_page: bool) -> Reaction {
    let GraphBehaviour {
        reply,
        delay_ms,
        statuses,
    } = inner.script.take();
    let answer = if is_page {
        messenger::accepted(&message.to, &message.wamid)
    } else {
        accepted(&message)
    };
    if reply.takes_message() {
        inner.sent.push(message.clone());
        inner.report(message, statuses);
    }
    tokio::time::sleep(Duration::from_millis(delay_ms)).await;
    match reply {
        GraphReply::Accept => Reaction::Answer(json_response(StatusCode::OK, &answer)),
        GraphReply::Status { status } => Reaction::Answer(
            StatusCode::from_u16(status)
                .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
                .into(),
        ),
        GraphReply::RateLimited {
            retry_after_seconds,
        } => Reaction::Answer(
            Response::builder()
                .status(StatusCode::TOO_MANY_REQUESTS)
                .header(header::RETRY_AFTER, retry_after_seconds)
                .finish(),
        ),
        GraphReply::Error { code } => Reaction::Answer(error_response(code, "As scripted.")),
        GraphReply::AcceptThenDrop | GraphReply::RefuseThenDrop => Reaction::Drop,
        GraphReply::AcceptThenHang | GraphReply::Hang => std::future::pending().await,
    }
}

fn accepted(message: &SentMessage) -> Value {
    let digits = message.to.trim_start_matches('+');
    let contact = if message.is_user_id {
        json!({"input": message.to, "user_id": message.to})
    } else {
        json!({"input": message.to, "wa_id": digits})
    };
    json!({
        "messaging_product": "whatsapp",
        "contacts": [contact],
        "messages": [{"id": message.wamid}],
    })
}

/// Checks a body as Meta does; the error is the text of its `details`.
fn validate(body: &Value) -> Result<Valid, String> {
    if body["messaging_product"] != "whatsapp" {
        return Err("The parameter messaging_product is required.".to_owned());
    }
    if body["status"] == "read" {
        return match body["message_id"].as_str() {
            Some(id) if id.starts_with("wamid.") => Ok(Valid::Done),
            _ => Err("The parameter message_id is required.".to_owned()),
        };
    }
    // With both, Meta follows `to`.
    let named = |key: &str| body[key].as_str().filter(|value| !value.is_empty());
    let (recipient, is_user_id) = match (named("to"), named("recipient")) {
        (Some(to), _) => (to, false),
        (None, Some(recipient)) => (recipient, true),
        (None, None) => return Err("The parameter to is required.".to_owned()),
    };
    if !is_user_id
        && !recipient
            .trim_start_matches('+')
            .bytes()
            .all(|c| c.is_ascii_digit())
    {
        return Err("Param to is not a valid phone number.".to_owned());
    }
    let text = match body["type"].as_str().unwrap_or("text") {
        "text" => text_of(body)?,
        kind @ ("image" | "video" | "audio" | "document" | "sticker" | "template"
        | "interactive" | "reaction" | "location") => {
            if body.get(kind).is_none() {
                return Err(format!("The parameter {kind} is required."));
            }
            String::new()
        }
        _ => return Err("Param type is not one that is known.".to_owned()),
    };
    Ok(Valid::Message {
        recipient: recipient.to_owned(),
        is_user_id,
        text,
        tag: body["biz_opaque_callback_data"].as_str().map(str::to_owned),
    })
}

fn text_of(body: &Value) -> Result<String, String> {
    let text = body["text"]["body"].as_str().unwrap_or_default();
    match text.chars().count() {
        0 => Err("The parameter text['body'] is required.".to_owned()),
        1..=MAX_TEXT_CHARS => Ok(text.to_owned()),
        _ => Err("Param text['body'] must be at most 4096 characters long.".to_owned()),
    }
}
