//! What the client of a model adds to the model's own time.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use domain::LlmSettings;
use futures::StreamExt as _;
use llm::{Event, Message, Model, Models, PlatformProviders, Request, Timeouts};
use outbound::Guard;
use serde_json::json;
use testkit::standin::{OpenAiBehaviour, OpenAiOptions, OpenAiServer};

use super::ranking::as_f64;
use crate::report::{Aim, Report, Row};
use crate::stats::median;

/// Tokens of an answer: the stand-in sends each as a piece of its own.
const TOKENS: usize = 500;
/// Answers before those that count.
const WARM_UP: usize = 20;
/// Which model of the stand-in's.
const MODEL: &str = "gpt-4o-mini";

/// How long one answer took.
struct Took {
    first: Duration,
    all: Duration,
}

/// Measures the time to the first token and that of each token, beside a bare HTTP client.
pub(super) async fn measure(answers: usize, report: &mut Report) -> anyhow::Result<()> {
    outbound::install_crypto();
    let server = OpenAiServer::start(OpenAiOptions::default()).await?;
    server.otherwise(OpenAiBehaviour::text(&"word ".repeat(TOKENS)));
    let platform = PlatformProviders {
        openai_api_key: Some("key-of-the-stand-in".into()),
        openai_base_url: Some(server.base_url().parse()?),
        ..PlatformProviders::default()
    };
    let models = Models::new(platform, &Guard::default(), Timeouts::default())?;
    let settings = LlmSettings {
        provider: "openai".to_owned(),
        model: MODEL.to_owned(),
        ..LlmSettings::default()
    };
    let model = models.model_for(&settings, None)?;
    let client = bare_client()?;
    let url = format!("{}/chat/completions", server.base_url());
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..WARM_UP + answers {
        ours.push(by_us(&*model).await?);
        bare.push(by_hand(&client, &url).await?);
    }
    let ms = |times: &[Took], of: fn(&Took) -> Duration| -> f64 {
        let times = times.iter().skip(WARM_UP);
        median(
            &times
                .map(|took| of(took).as_secs_f64() * 1000.0)
                .collect::<Vec<_>>(),
        )
    };
    let first = |took: &Took| took.first;
    let all = |took: &Took| took.all;
    let added_first = ms(&ours, first) - ms(&bare, first);
    let added_token = (ms(&ours, all) - ms(&bare, all)) / as_f64(TOKENS);
    for (name, added, limit) in [
        ("streaming_added_to_first_token", added_first, 5.0),
        ("streaming_added_to_each_token", added_token, 0.2),
    ] {
        let row = Row::new(name, "ms", &[added]).aim(Aim::AtMost(limit));
        report.push(row.note("ours less a bare HTTP client that reads the same bytes"));
    }
    Ok(())
}

async fn by_us(model: &dyn Model) -> anyhow::Result<Took> {
    let request = Request {
        messages: vec![Message::user("Say something long.")],
        ..Request::default()
    };
    let begun = Instant::now();
    let mut events = model.stream(request).await?;
    let (mut first, mut tokens) = (None, 0);
    while let Some(event) = events.next().await {
        if let Event::TextDelta(_) = event? {
            first.get_or_insert_with(|| begun.elapsed());
            tokens += 1;
        }
    }
    ensure!(tokens >= TOKENS, "{tokens} tokens of {TOKENS} came");
    Ok(Took {
        first: first.context("no token came")?,
        all: begun.elapsed(),
    })
}

/// Reads the same stream without understanding it.
async fn by_hand(client: &reqwest::Client, url: &str) -> anyhow::Result<Took> {
    let body = json!({
        "model": MODEL,
        "stream": true,
        "stream_options": {"include_usage": true},
        "messages": [{"role": "user", "content": "Say something long."}],
    });
    let begun = Instant::now();
    let response = client.post(url).json(&body).send().await?;
    let mut bytes = response.error_for_status()?.bytes_stream();
    let (mut first, mut read) = (None, 0);
    while let Some(piece) = bytes.next().await {
        read += piece?.len();
        first.get_or_insert_with(|| begun.elapsed());
    }
    ensure!(read > TOKENS, "{read} bytes came");
    Ok(Took {
        first: first.context("nothing came")?,
        all: begun.elapsed(),
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "the client that ours is compared with"
)]
fn bare_client() -> anyhow::Result<reqwest::Client> {
    Ok(reqwest::Client::builder().no_proxy().build()?)
}
