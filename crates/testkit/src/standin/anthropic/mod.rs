mod error;
mod message;

use poem::Response;
use poem::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::listen::{Exchange, json_response};
use super::model::{Dialect, Frames, ModelFault, Operation, Said, Spoken, provider_server};

/// The version whose rules it holds requests to.
const VERSION: &str = "2026-10-21";

provider_server! {
    /// Anthropic's API of version 2026-10-21: `/v1/messages` (streamed or not) and `/v1/models`.
    AnthropicServer, Anthropic, ""
}

#[derive(Debug)]
struct Anthropic;

impl Dialect for Anthropic {
    fn operation(&self, method: &Method, path: &str) -> Option<Operation> {
        Some(match (method, path) {
            (&Method::GET, "/v1/models") => Operation::Look,
            (&Method::POST, "/v1/messages") => Operation::Chat,
            _ => return None,
        })
    }

    fn key<'a>(&self, exchange: &'a Exchange) -> Option<&'a str> {
        let key = exchange.headers.get("x-api-key");
        let key = key.and_then(|key| key.to_str().ok());
        key.or_else(|| exchange.bearer())
    }

    fn check(&self, operation: Operation, exchange: &Exchange, body: &Value) -> Option<Response> {
        let version = exchange.headers.get("anthropic-version");
        if version.is_none_or(|version| version != VERSION) {
            return Some(error::invalid("anthropic-version: header is required"));
        }
        match operation {
            Operation::Chat => message::check(body).map(|wrong| error::invalid(&wrong)),
            _ => None,
        }
    }

    fn fault(&self, fault: &ModelFault, model: &str) -> Option<Response> {
        error::fault_response(fault, model)
    }

    fn prompt(&self, _: Operation, body: &Value) -> Vec<Spoken> {
        let mut prompt = vec![Spoken::new("system", &body["system"])];
        prompt.extend(Spoken::all(&body["messages"]));
        prompt
    }

    fn whole(&self, said: &Said) -> Response {
        message::whole(said)
    }

    fn frames(&self, said: &Said) -> Frames {
        message::frames(said)
    }

    fn embed(&self, _: &Value) -> Response {
        StatusCode::NOT_FOUND.into()
    }

    fn look(&self, _: &str, _: &Value) -> Response {
        let model = |id: &str, name: &str, tokens: u64| {
            json!({
                "type": "model", "id": id, "display_name": name,
                "created_at": "2026-10-01T00:00:00Z", "lifecycle": "active",
                "max_input_tokens": tokens, "max_tokens": 128_000,
            })
        };
        let models = [
            model("claude-sonnet-5-5", "Claude Sonnet 5.5", 1_000_000),
            model("claude-haiku-5-5", "Claude Haiku 5.5", 1_000_000),
        ];
        json_response(
            StatusCode::OK,
            &json!({
                "data": models, "has_more": false,
                "first_id": "claude-sonnet-5-5", "last_id": "claude-haiku-5-5",
            }),
        )
    }

    fn id_header(&self) -> &'static str {
        "request-id"
    }
}
