//! Settings as a process reads them, and the files that describe them.
#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as the test does"
)]

mod documents;
mod loading;
