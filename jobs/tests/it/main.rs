//! The engine against a real Postgres.

#![expect(clippy::expect_used, reason = "tests")]

mod crashes;
mod enqueueing;
mod harness;
mod ordering;
mod outcomes;
