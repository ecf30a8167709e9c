//! The program as it runs: the API and workers as processes of their own on a real Postgres, Meta
//! and the model provider as listeners of this test. Needs the feature `failpoints`.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "what the tests share fails as they do"
)]

mod answers;
mod commands;
mod crashes;
mod documents;
#[path = "../../../../workers/tests/it/every_format.rs"]
mod every_format;
mod formats;
mod handed_off;
mod http;
mod lines;
mod matrix;
mod media;
mod metrics;
#[expect(dead_code, reason = "others use the rest of it")]
#[path = "../../../rag/tests/it/office_writer.rs"]
mod office_writer;
mod outage;
#[expect(dead_code, reason = "others use the rest of it")]
#[path = "../../../../workers/tests/it/pages.rs"]
mod pages;
#[path = "../../../rag/tests/it/pdf_writer.rs"]
mod pdf_writer;
mod prices;
mod process;
mod reindexing;
mod shop;
mod sleepers;
mod stage;
mod storm;
mod visitor;
mod webchat_crashes;
