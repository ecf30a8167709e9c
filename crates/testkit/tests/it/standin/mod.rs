mod anthropic;
mod graph;
mod ollama;
mod openai;
mod process;
mod receiver;

use std::time::Duration;

/// Long enough for whatever a test waits for; reached only when the test fails.
const PATIENCE: Duration = Duration::from_secs(10);

/// A client for loopback addresses.
#[expect(
    clippy::disallowed_methods,
    reason = "the product's guarded client refuses loopback addresses"
)]
fn client() -> reqwest::Client {
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    let builder = reqwest::Client::builder().no_proxy();
    builder
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap()
}
