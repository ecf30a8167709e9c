mod chat;
mod embeddings;
mod error;
mod responses;

use poem::Response;
use poem::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::listen::{Exchange, json_response};
use super::model::{Dialect, Frames, ModelFault, Operation, Said, Spoken, provider_server};

provider_server! {
    /// OpenAI's API: `/v1/chat/completions` and `/v1/responses` (streamed or not), `/v1/embeddings`
    /// and `/v1/models`.
    OpenAiServer, OpenAi, "/v1"
}

#[derive(Debug)]
struct OpenAi;

impl Dialect for OpenAi {
    fn operation(&self, method: &Method, path: &str) -> Option<Operation> {
        Some(match (method, path) {
            (&Method::GET, "/v1/models") => Operation::Look,
            (&Method::POST, "/v1/embeddings") => Operation::Embed,
            (&Method::POST, "/v1/chat/completions") => Operation::Chat,
            (&Method::POST, "/v1/responses") => Operation::Respond,
            _ => return None,
        })
    }

    fn key<'a>(&self, exchange: &'a Exchange) -> Option<&'a str> {
        exchange.bearer()
    }

    fn check(&self, operation: Operation, _: &Exchange, body: &Value) -> Option<Response> {
        let list = match operation {
            Operation::Chat => "messages",
            Operation::Respond => "input",
            Operation::Embed | Operation::Look => return None,
        };
        if body["model"].as_str().is_none_or(str::is_empty) {
            let message = "you must provide a model parameter";
            return Some(error::invalid_request(message, "model"));
        }
        if operation == Operation::Respond {
            return responses::check(body);
        }
        body[list].as_array().is_none_or(Vec::is_empty).then(|| {
            error::invalid_request(&format!("Missing required parameter: '{list}'."), list)
        })
    }

    fn fault(&self, fault: &ModelFault, model: &str) -> Option<Response> {
        error::fault_response(fault, model)
    }

    fn prompt(&self, operation: Operation, body: &Value) -> Vec<Spoken> {
        match operation {
            Operation::Respond => responses::prompt(body),
            _ => Spoken::all(&body["messages"]),
        }
    }

    fn whole(&self, said: &Said) -> Response {
        match said.operation {
            Operation::Respond => responses::whole(said),
            _ => chat::whole(said),
        }
    }

    fn frames(&self, said: &Said) -> Frames {
        match said.operation {
            Operation::Respond => responses::frames(said),
            _ => chat::frames(said),
        }
    }

    fn embed(&self, body: &Value) -> Response {
        embeddings::embed(body)
    }

    fn look(&self, _: &str, _: &Value) -> Response {
        let model = |id: &str| json!({"id": id, "object": "model", "created": 1_715_367_049, "owned_by": "system"});
        json_response(
            StatusCode::OK,
            &json!({
                "object": "list",
                "data": [model("gpt-4o-mini"), model("text-embedding-3-small")],
            }),
        )
    }

    fn id_header(&self) -> &'static str {
        "x-request-id"
    }
}
