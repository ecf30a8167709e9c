//! The client against real listeners on loopback.
#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as the test does"
)]

mod bodies;
mod guarding;
mod server;
