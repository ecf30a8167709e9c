mod chat;

use poem::Response;
use poem::http::{HeaderValue, Method, StatusCode};
use serde_json::{Value, json};

use super::listen::{Exchange, json_response};
use super::model::{Dialect, Frames, ModelFault, Operation, Said, Spoken, provider_server, vector};

/// How many numbers its vectors have, as those of `nomic-embed-text`.
const DIMENSIONS: usize = 768;

provider_server! {
    /// An Ollama server: `/api/chat` (streamed or not), `/api/embed`, `/api/tags` and `/api/show`.
    ///
    /// It has `llama3.2`, which calls tools, `llava`, which reads images, and `nomic-embed-text`;
    /// every other model answers too.
    OllamaServer, Ollama, ""
}

#[derive(Debug)]
struct Ollama;

impl Dialect for Ollama {
    fn operation(&self, method: &Method, path: &str) -> Option<Operation> {
        Some(match (method, path) {
            (&Method::GET, "/api/tags") | (&Method::POST, "/api/show") => Operation::Look,
            (&Method::POST, "/api/chat") => Operation::Chat,
            (&Method::POST, "/api/embed") => Operation::Embed,
            _ => return None,
        })
    }

    fn key<'a>(&self, exchange: &'a Exchange) -> Option<&'a str> {
        exchange.bearer()
    }

    fn check(&self, operation: Operation, _: &Exchange, body: &Value) -> Option<Response> {
        let is_asked = matches!(operation, Operation::Chat | Operation::Embed);
        (is_asked && body["model"].as_str().is_none_or(str::is_empty))
            .then(|| refusal(StatusCode::BAD_REQUEST, "model is required"))
    }

    fn fault(&self, fault: &ModelFault, model: &str) -> Option<Response> {
        let busy = "server busy, please try again.  maximum pending requests exceeded";
        Some(match fault {
            ModelFault::Unauthorized => refusal(StatusCode::UNAUTHORIZED, "unauthorized"),
            ModelFault::RateLimited {
                retry_after_seconds,
            } => {
                let mut limited = refusal(StatusCode::TOO_MANY_REQUESTS, "too many requests");
                let headers = limited.headers_mut();
                headers.insert("retry-after", HeaderValue::from(*retry_after_seconds));
                limited
            }
            ModelFault::QuotaExceeded => {
                refusal(StatusCode::PAYMENT_REQUIRED, "you have used up your plan")
            }
            ModelFault::ServerError => {
                let message = "model runner has unexpectedly stopped, this may be due to \
                    resource limitations or an internal error";
                refusal(StatusCode::INTERNAL_SERVER_ERROR, message)
            }
            ModelFault::Overloaded => refusal(StatusCode::SERVICE_UNAVAILABLE, busy),
            ModelFault::ModelMissing => {
                let message = format!("model {model:?} not found, try pulling it first");
                refusal(StatusCode::NOT_FOUND, &message)
            }
            ModelFault::ContextTooLong => {
                let message = "the input length exceeds the context length";
                refusal(StatusCode::BAD_REQUEST, message)
            }
            ModelFault::Unsupported => {
                let message = format!("registry.ollama.ai/library/{model} does not support tools");
                refusal(StatusCode::BAD_REQUEST, &message)
            }
            ModelFault::BadRequest => {
                refusal(StatusCode::BAD_REQUEST, "invalid character '}' in literal")
            }
            ModelFault::Drop
            | ModelFault::Hang
            | ModelFault::CutStream { .. }
            | ModelFault::Stall { .. }
            | ModelFault::ErrorInStream { .. } => return None,
        })
    }

    fn prompt(&self, _: Operation, body: &Value) -> Vec<Spoken> {
        Spoken::all(&body["messages"])
    }

    fn is_streamed(&self, body: &Value) -> bool {
        body["stream"] != false
    }

    fn whole(&self, said: &Said) -> Response {
        chat::whole(said)
    }

    fn frames(&self, said: &Said) -> Frames {
        chat::frames(said)
    }

    fn embed(&self, body: &Value) -> Response {
        let texts: Vec<&str> = match &body["input"] {
            Value::String(text) => vec![text],
            Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
            _ => return refusal(StatusCode::BAD_REQUEST, "invalid input type"),
        };
        let tokens = texts.iter().map(|text| text.split_whitespace().count());
        let tokens: usize = tokens.sum();
        let vectors = texts.iter().map(|text| vector(text, DIMENSIONS));
        let vectors: Vec<_> = vectors.collect();
        let answer = json!({
            "model": body["model"], "embeddings": vectors, "total_duration": 14_143_917,
            "load_duration": 1_019_500, "prompt_eval_count": tokens,
        });
        json_response(StatusCode::OK, &answer)
    }

    fn look(&self, path: &str, body: &Value) -> Response {
        if path == "/api/show" {
            let name = body["model"].as_str().unwrap_or_default();
            let capabilities = match name {
                "llava" => json!(["completion", "vision"]),
                "nomic-embed-text" => json!(["embedding"]),
                _ => json!(["completion", "tools"]),
            };
            let shown = json!({
                "details": details("llama"), "capabilities": capabilities,
                "model_info": {"general.architecture": "llama", "llama.context_length": 131_072},
            });
            return json_response(StatusCode::OK, &shown);
        }
        let model = |name: &str, family: &str, size: u64| {
            json!({
                "name": format!("{name}:latest"), "model": format!("{name}:latest"),
                "modified_at": "2026-11-01T09:30:00Z", "size": size,
                "digest": "a80c4f17acd55265feec403c7aef86be0c25983ab279d83f3bcd3abbcb5b8b72",
                "details": details(family),
            })
        };
        let models = [
            model("llama3.2", "llama", 2_019_393_189),
            model("llava", "llama", 4_733_363_377),
            model("nomic-embed-text", "nomic-bert", 274_302_450),
        ];
        json_response(StatusCode::OK, &json!({"models": models}))
    }

    fn id_header(&self) -> &'static str {
        "x-request-id"
    }
}

fn refusal(status: StatusCode, message: &str) -> Response {
    json_response(status, &json!({"error": message}))
}

fn details(family: &str) -> Value {
    json!({"format": "gguf", "family": family, "quantization_level": "Q4_K_M"})
}
