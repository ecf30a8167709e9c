use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream;
use poem::http::StatusCode;
use poem::{Body, Response};
use serde_json::{Value, json};

use super::answer::text_of;
use super::error::server_error;
use super::{OpenAiFault, OpenAiReply};
use crate::standin::listen::{Connection, json_response};

/// What a chat request is answered with.
pub(super) struct Completion {
    id: String,
    model: String,
    created: i64,
    prompt_tokens: usize,
    include_usage: bool,
    /// `Text` or `ToolCall`.
    reply: OpenAiReply,
}

impl Completion {
    pub(super) fn new(body: &Value, created: i64, reply: OpenAiReply) -> Self {
        let messages = body["messages"].as_array().map_or(&[][..], Vec::as_slice);
        Self {
            id: format!("chatcmpl-{}", hex::encode(rand::random::<[u8; 12]>())),
            model: body["model"].as_str().unwrap_or_default().to_owned(),
            created,
            prompt_tokens: messages
                .iter()
                .map(|message| chunks(&text_of(message)).len())
                .sum(),
            include_usage: body["stream_options"]["include_usage"] == true,
            reply,
        }
    }

    /// The answer in one piece.
    pub(super) fn whole(&self) -> Response {
        let (message, finish) = match &self.reply {
            OpenAiReply::ToolCall { name, arguments } => (
                json!({"role": "assistant", "content": null, "tool_calls": [self.tool_call(name, arguments)]}),
                "tool_calls",
            ),
            OpenAiReply::Text { text } => (
                json!({"role": "assistant", "content": text, "refusal": null}),
                "stop",
            ),
            OpenAiReply::FromSources => (json!({"role": "assistant", "content": ""}), "stop"),
        };
        json_response(
            StatusCode::OK,
            &json!({
                "id": self.id,
                "object": "chat.completion",
                "created": self.created,
                "model": self.model,
                "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": finish}],
                "usage": self.usage(),
            }),
        )
    }

    /// The answer as server-sent events, `pause` before each chunk of text but the first.
    pub(super) fn streamed(
        &self,
        fault: Option<&OpenAiFault>,
        pause: Duration,
        connection: &Connection,
    ) -> Response {
        let mut events = vec![Step::Event(
            self.chunk(&json!({"role": "assistant", "content": ""}), None),
        )];
        let deltas = self.deltas();
        let (stop_after, end) = match fault {
            Some(OpenAiFault::CutStream { after_chunks }) => {
                (*after_chunks, Some(Step::Cut(connection.clone())))
            }
            Some(OpenAiFault::ErrorInStream { after_chunks }) => {
                (*after_chunks, Some(Step::Event(server_error())))
            }
            _ => (deltas.len(), None),
        };
        for (index, delta) in deltas.iter().take(stop_after).enumerate() {
            if index > 0 && !pause.is_zero() {
                events.push(Step::Pause(pause));
            }
            events.push(Step::Event(self.chunk(delta, None)));
        }
        match end {
            Some(end) => events.push(end),
            None => events.extend(self.ending()),
        }
        let body = stream::iter(events).filter_map(emit);
        Response::builder()
            .content_type("text/event-stream; charset=utf-8")
            .header("cache-control", "no-cache")
            .body(Body::from_bytes_stream(body))
    }

    fn ending(&self) -> Vec<Step> {
        let finish = match self.reply {
            OpenAiReply::ToolCall { .. } => "tool_calls",
            _ => "stop",
        };
        let mut events = vec![Step::Event(self.chunk(&json!({}), Some(finish)))];
        if self.include_usage {
            let mut usage = self.chunk(&json!({}), None);
            usage["choices"] = json!([]);
            usage["usage"] = self.usage();
            events.push(Step::Event(usage));
        }
        events.push(Step::Done);
        events
    }

    fn deltas(&self) -> Vec<Value> {
        match &self.reply {
            OpenAiReply::Text { text } => chunks(text)
                .iter()
                .map(|part| json!({"content": part}))
                .collect(),
            OpenAiReply::ToolCall { name, arguments } => {
                let mut first = self.tool_call(name, arguments);
                first["index"] = json!(0);
                first["function"]["arguments"] = json!("");
                let arguments = arguments.to_string();
                let fragments = chunks(&arguments).into_iter().map(
                    |part| json!({"tool_calls": [{"index": 0, "function": {"arguments": part}}]}),
                );
                std::iter::once(json!({"tool_calls": [first]}))
                    .chain(fragments)
                    .collect()
            }
            OpenAiReply::FromSources => Vec::new(),
        }
    }

    fn tool_call(&self, name: &str, arguments: &Value) -> Value {
        json!({
            "id": format!("call_{}", &self.id["chatcmpl-".len()..]),
            "type": "function",
            "function": {"name": name, "arguments": arguments.to_string()},
        })
    }

    fn chunk(&self, delta: &Value, finish: Option<&str>) -> Value {
        let mut chunk = json!({
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
            "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}],
        });
        if self.include_usage {
            chunk["usage"] = Value::Null;
        }
        chunk
    }

    fn usage(&self) -> Value {
        let completion_tokens = self.deltas().len();
        json!({
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": self.prompt_tokens + completion_tokens,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0},
        })
    }
}

/// One step of a stream.
enum Step {
    Event(Value),
    Pause(Duration),
    Done,
    Cut(Connection),
}

async fn emit(step: Step) -> Option<io::Result<Bytes>> {
    // Gives what came before to the connection, so that a cut does not swallow it.
    tokio::task::yield_now().await;
    match step {
        Step::Event(event) => Some(Ok(format!("data: {event}\n\n").into())),
        Step::Pause(pause) => {
            tokio::time::sleep(pause).await;
            None
        }
        Step::Done => Some(Ok(Bytes::from_static(b"data: [DONE]\n\n"))),
        Step::Cut(connection) => {
            // The server would end a failed body as if it were whole; this makes it fail to.
            connection.cut();
            Some(Err(io::ErrorKind::ConnectionReset.into()))
        }
    }
}

/// A text in the pieces that stand for tokens here: words, each with the white space before it.
fn chunks(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let (mut start, mut in_word) = (0, false);
    for (at, c) in text.char_indices() {
        if c.is_whitespace() && in_word {
            pieces.push(&text[start..at]);
            start = at;
        }
        in_word = !c.is_whitespace();
    }
    if start < text.len() {
        pieces.push(&text[start..]);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_make_up_the_whole_text() {
        assert_eq!(chunks(" We are  open.\n"), [" We", " are", "  open.", "\n"]);
        assert_eq!(chunks(""), [""; 0]);
    }
}
