//! Streams of model providers: whatever a server answers and however its bytes are cut, the events
//! are those of the answer in one piece; a stream ends with one end or one error.
#![no_main]

use std::sync::LazyLock;

use arbitrary::Arbitrary;
use domain::LlmSettings;
use futures::StreamExt as _;
use fuzz::{Answer, Server};
use libfuzzer_sys::fuzz_target;
use llm::{Event, Message, Models, PlatformProviders, Prices, Request, Timeouts};
use outbound::Guard;
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};
use url::Url;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    wire: Wire,
    bom: bool,
    is_whole: bool,
    pieces: Vec<Piece<'a>>,
    cuts: Vec<u16>,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Wire {
    Chat,
    Responses,
    Anthropic,
    Ollama,
}

#[derive(Arbitrary, Debug)]
enum Piece<'a> {
    Raw(&'a [u8]),
    Sign(u8),
    Frame(u8, &'a str, u64),
}

const SIGNS: [&[u8]; 14] = [
    b"\n",
    b"\r",
    b"\r\n",
    b"\n\n",
    b"\r\r",
    b"data:",
    b"data: ",
    b"event: error\n",
    b":\n",
    b"id: 1\n",
    b"retry: 10\n",
    b"data: [DONE]\n\n",
    b"\xef\xbb\xbf",
    b"{}\n",
];

/// Everything that is made once.
struct Bench {
    runtime: Runtime,
    server: Server,
    models: Models,
    prices: Prices,
}

static BENCH: LazyLock<Bench> = LazyLock::new(|| {
    let server = Server::start();
    let url: Url = server.url().parse().expect("an address");
    let platform = PlatformProviders {
        openai_api_key: Some("a-key".into()),
        anthropic_api_key: Some("a-key".into()),
        openai_base_url: Some(url.clone()),
        openai_responses: true,
        anthropic_base_url: Some(url.clone()),
        ollama_base_url: Some(url),
        ..PlatformProviders::default()
    };
    let models = Models::new(platform, &Guard::default(), Timeouts::default());
    Bench {
        runtime: Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime"),
        server,
        models: models.expect("TLS can be set up"),
        prices: Prices::bundled().expect("the table is valid"),
    }
});

fuzz_target!(|input: Input<'_>| {
    let body = body(&input);
    let is_events = !matches!(input.wire, Wire::Ollama);
    let content_type = match (is_events, input.is_whole) {
        (true, true) => "application/json",
        (true, false) => "text/event-stream",
        (false, _) => "application/x-ndjson",
    };
    let whole = ask(input.wire, content_type, vec![body.clone()]);
    let cut = ask(input.wire, content_type, cut(&body, &input.cuts));
    assert_eq!(whole, cut);
    let single: Vec<Vec<u8>> = body.iter().map(|byte| vec![*byte]).collect();
    if single.len() < 200 {
        assert_eq!(whole, ask(input.wire, content_type, single));
    }
});

fn body(input: &Input<'_>) -> Vec<u8> {
    let mut body = Vec::new();
    // In one piece there is no part that is whole before the rest is broken.
    if !input.is_whole || matches!(input.wire, Wire::Ollama) {
        if input.bom && !matches!(input.wire, Wire::Ollama) {
            body.extend_from_slice(b"\xef\xbb\xbf");
        }
        // What has begun is not asked for again.
        body.extend(frame(input.wire, &first(input.wire)));
    }
    for piece in &input.pieces {
        match piece {
            Piece::Raw(bytes) => body.extend_from_slice(bytes),
            Piece::Sign(at) => body.extend_from_slice(SIGNS[usize::from(*at) % SIGNS.len()]),
            Piece::Frame(at, text, number) => {
                body.extend(frame(input.wire, &known(input.wire, *at, text, *number)));
            }
        }
    }
    if input.is_whole && !matches!(input.wire, Wire::Ollama) {
        return whole(input).to_string().into_bytes();
    }
    body
}

fn frame(wire: Wire, data: &Value) -> Vec<u8> {
    match wire {
        Wire::Ollama => format!("{data}\n").into_bytes(),
        _ => format!("data: {data}\n\n").into_bytes(),
    }
}

fn first(wire: Wire) -> Value {
    match wire {
        Wire::Chat => json!({"choices": [{"delta": {"content": "x"}}]}),
        Wire::Responses => json!({"type": "response.output_text.delta", "delta": "x"}),
        Wire::Anthropic => json!({
            "type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "x"}
        }),
        Wire::Ollama => json!({"message": {"content": "x"}}),
    }
}

/// An answer of a server that does not stream.
fn whole(input: &Input<'_>) -> Value {
    let text: String = input
        .pieces
        .iter()
        .filter_map(|piece| match piece {
            Piece::Frame(_, text, _) => Some(*text),
            _ => None,
        })
        .collect();
    match input.wire {
        Wire::Chat | Wire::Ollama => json!({
            "choices": [{"message": {"content": format!("x{text}")}, "finish_reason": "stop"}]
        }),
        Wire::Responses => json!({
            "type": "response.completed", "response": {"status": "completed", "output": [text]}
        }),
        Wire::Anthropic => json!({
            "type": "message", "stop_reason": "end_turn",
            "content": [{"type": "text", "text": format!("x{text}")}],
        }),
    }
}

/// Frames that providers send, with a text and a number of the fuzzer's.
fn known(wire: Wire, at: u8, text: &str, number: u64) -> Value {
    let index = number % 3;
    let frames = match wire {
        Wire::Chat => vec![
            json!({"choices": [{"delta": {"content": text}}]}),
            json!({"choices": [{"delta": {"refusal": text}}]}),
            json!({"choices": [{"delta": {"tool_calls": [{"index": index, "id": text,
                "function": {"name": "f", "arguments": ""}}]}}]}),
            json!({"choices": [{"delta": {"tool_calls": [{"index": index,
                "function": {"arguments": text}}]}}]}),
            json!({"choices": [{"delta": {}, "finish_reason": "stop"}]}),
            json!({"choices": [{"delta": {}, "finish_reason": text}]}),
            json!({"choices": [], "usage": {"prompt_tokens": number, "completion_tokens": number,
                "prompt_tokens_details": {"cached_tokens": number, "cache_write_tokens": number}}}),
            json!({"error": {"message": text, "code": number}}),
        ],
        Wire::Responses => vec![
            json!({"type": "response.output_text.delta", "delta": text}),
            json!({"type": "response.output_item.added", "output_index": index,
                "item": {"type": "function_call", "call_id": text, "name": "f", "arguments": ""}}),
            json!({"type": "response.function_call_arguments.delta", "output_index": index,
                "delta": text}),
            json!({"type": "response.output_item.done", "output_index": index,
                "item": {"type": "function_call", "call_id": "c", "name": text, "arguments": "{}"}}),
            json!({"type": "response.output_item.done", "item": {"type": "reasoning"}}),
            json!({"type": "response.completed", "response": {"status": "completed",
                "usage": {"input_tokens": number, "output_tokens": number,
                    "input_tokens_details": {"cached_tokens": number}}}}),
            json!({"type": "response.incomplete", "response": {"status": "incomplete",
                "incomplete_details": {"reason": text}}}),
            json!({"type": "response.failed", "response": {"error": {"message": text}}}),
        ],
        Wire::Anthropic => vec![
            json!({"type": "content_block_delta", "index": index,
                "delta": {"type": "text_delta", "text": text}}),
            json!({"type": "content_block_start", "index": index,
                "content_block": {"type": "tool_use", "id": text, "name": "f", "input": {}}}),
            json!({"type": "content_block_delta", "index": index,
                "delta": {"type": "input_json_delta", "partial_json": text}}),
            json!({"type": "content_block_start", "index": index,
                "content_block": {"type": "thinking", "thinking": text}}),
            json!({"type": "content_block_delta", "index": index,
                "delta": {"type": "signature_delta", "signature": text}}),
            json!({"type": "message_start", "message": {"usage": {"input_tokens": number,
                "cache_read_input_tokens": number, "cache_creation_input_tokens": number}}}),
            json!({"type": "message_delta", "delta": {"stop_reason": text},
                "usage": {"output_tokens": number}}),
            json!({"type": "message_stop"}),
            json!({"type": "error", "error": {"type": text, "message": text}}),
        ],
        Wire::Ollama => vec![
            json!({"message": {"content": text}}),
            json!({"message": {"thinking": text}}),
            json!({"message": {"tool_calls": [{"function": {"name": text, "arguments": {"a": 1}}}]}}),
            json!({"done": true, "done_reason": text, "prompt_eval_count": number,
                "eval_count": number, "prompt_eval_cached_count": number}),
            json!({"error": text}),
        ],
    };
    frames[usize::from(at) % frames.len()].clone()
}

fn cut(body: &[u8], cuts: &[u16]) -> Vec<Vec<u8>> {
    let mut at: Vec<usize> = cuts
        .iter()
        .map(|cut| usize::from(*cut) % body.len().max(1))
        .collect();
    at.extend([0, body.len()]);
    at.sort_unstable();
    at.windows(2)
        .map(|ends| body[ends[0]..ends[1]].to_vec())
        .collect()
}

/// What the model says by this answer, event by event.
fn ask(wire: Wire, content_type: &'static str, pieces: Vec<Vec<u8>>) -> Vec<String> {
    let bench = &*BENCH;
    bench.server.set(Answer {
        content_type,
        pieces,
    });
    let (provider, model) = match wire {
        Wire::Chat => ("openai", "gpt-4o-mini"),
        Wire::Responses => ("openai", "gpt-6-luna"),
        Wire::Anthropic => ("anthropic", "claude-haiku-5-5"),
        Wire::Ollama => ("ollama", "llama3.2"),
    };
    let settings = LlmSettings {
        provider: provider.to_owned(),
        model: model.to_owned(),
        ..LlmSettings::default()
    };
    let model = bench
        .models
        .model_for(&settings, None)
        .expect("the settings name a model");
    let request = Request {
        messages: vec![Message::user("When do you open?")],
        ..Request::default()
    };
    bench.runtime.block_on(async {
        let mut said = Vec::new();
        let mut stream = match model.stream(request).await {
            Ok(stream) => stream,
            Err(error) => return vec![format!("{error:?}")],
        };
        let mut is_over = false;
        while let Some(event) = stream.next().await {
            assert!(!is_over, "something follows the end");
            is_over = matches!(event, Ok(Event::Done { .. }) | Err(_));
            if let Ok(Event::Usage(usage)) = &event {
                bench.prices.cost("openai", "gpt-4o-mini", *usage);
            }
            said.push(format!("{event:?}"));
        }
        assert!(is_over, "a stream ended without an end: {said:?}");
        said
    })
}
