use std::sync::Arc;
use std::time::Duration;

use poem::Response;
use poem::http::{Method, StatusCode, header};
use serde_json::{Value, json};

use super::error::error_response;
use super::{GraphBehaviour, GraphReply, Inner, SentMessage};
use crate::standin::listen::{Exchange, Reaction, json_response};
use crate::standin::script::control;
use crate::standin::whatsapp::new_wamid;

const MAX_TEXT_CHARS: usize = 4096;

/// A body that passed Meta's checks.
enum Valid {
    Text {
        recipient: String,
        is_user_id: bool,
        text: String,
        tag: Option<String>,
    },
    ReadMark,
}

pub(super) async fn handle(inner: Arc<Inner>, exchange: Exchange) -> Reaction {
    if let Some(response) = control(&exchange, &inner.script, &inner.sent).await {
        return Reaction::Answer(response);
    }
    let segments: Vec<&str> = exchange.path.trim_matches('/').split('/').collect();
    let ([_, number, "messages"], &Method::POST) = (&segments[..], &exchange.method) else {
        return Reaction::Answer(error_response(100, "Unsupported request"));
    };
    inner.requests.push(exchange.at);
    let expected = inner.options.token.as_deref();
    if exchange.bearer().is_none() || expected.is_some_and(|token| exchange.bearer() != Some(token))
    {
        return Reaction::Answer(error_response(190, "Cannot parse access token"));
    }
    match validate(&exchange.body) {
        Ok(Valid::ReadMark) => {
            Reaction::Answer(json_response(StatusCode::OK, &json!({"success": true})))
        }
        Ok(Valid::Text {
            recipient,
            is_user_id,
            text,
            tag,
        }) => {
            let message = SentMessage {
                phone_number_id: (*number).to_owned(),
                wamid: new_wamid(if is_user_id { "" } else { &recipient }),
                to: recipient,
                is_user_id,
                text,
                tag,
                at: exchange.at,
            };
            send(&inner, message).await
        }
        Err(details) => Reaction::Answer(error_response(100, &details)),
    }
}

async fn send(inner: &Arc<Inner>, message: SentMessage) -> Reaction {
    let GraphBehaviour {
        reply,
        delay_ms,
        statuses,
    } = inner.script.take();
    let answer = accepted(&message);
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
fn validate(body: &[u8]) -> Result<Valid, String> {
    let body: Value =
        serde_json::from_slice(body).map_err(|error| format!("Invalid JSON: {error}"))?;
    if body["messaging_product"] != "whatsapp" {
        return Err("The parameter messaging_product is required.".to_owned());
    }
    if body["status"] == "read" {
        return match body["message_id"].as_str() {
            Some(id) if id.starts_with("wamid.") => Ok(Valid::ReadMark),
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
    if body.get("type").is_some_and(|kind| kind != "text") {
        return Err("Param type must be text.".to_owned());
    }
    let text = body["text"]["body"].as_str().unwrap_or_default();
    match text.chars().count() {
        0 => return Err("The parameter text['body'] is required.".to_owned()),
        1..=MAX_TEXT_CHARS => {}
        _ => return Err("Param text['body'] must be at most 4096 characters long.".to_owned()),
    }
    Ok(Valid::Text {
        recipient: recipient.to_owned(),
        is_user_id,
        text: text.to_owned(),
        tag: body["biz_opaque_callback_data"].as_str().map(str::to_owned),
    })
}
