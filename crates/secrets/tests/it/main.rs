//! Sealing and key files, as other crates use them.
#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as the test does"
)]

mod keyfiles;
mod sealing;
