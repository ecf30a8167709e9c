//! The use cases on a real engine: what comes in, what the models say and what goes out are played
//! by stand-ins, the database is each test's own.
#![expect(clippy::unwrap_used, reason = "what the tests share fails as they do")]

mod addresses;
mod agent_files;
mod answers;
mod budgets;
mod changes;
mod channel_apps;
mod channel_health;
mod citations;
mod contact_limits;
mod contents;
mod documents;
mod edits;
mod evals;
mod every_format;
mod formats;
mod given_up;
mod http_channel;
mod library;
mod limits;
mod looks;
mod marks;
mod media;
mod messenger;
mod moderation;
#[path = "../../../crates/rag/tests/it/office_writer.rs"]
#[expect(dead_code, reason = "the tests of the readers use all of it")]
mod office_writer;
mod overtaking;
mod pages;
#[path = "../../../crates/rag/tests/it/pdf_writer.rs"]
mod pdf_writer;
mod people;
mod platform;
mod prompts;
mod provider_checks;
mod reading;
mod refusals;
mod reindexing;
mod reports;
mod resends;
mod sends;
mod settling;
mod sources;
mod spending;
mod stage;
mod stopped_channels;
mod switched_off;
mod switches;
mod threads;
mod tool_ends;
mod tools;
mod traces;
mod turns;
mod unanswered;
mod upkeep;
mod vectors;
mod webhooks;
mod wishes;
