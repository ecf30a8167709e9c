//! Events against a real Postgres, a running engine, and endpoints on the loopback.

#![expect(clippy::expect_used, clippy::panic, reason = "tests")]

mod delivering;
mod emitting;
mod failing;
mod harness;
mod secrets_kept;
