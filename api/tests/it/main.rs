//! The API over a database of each test's own.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what the tests share fails as they do"
)]

mod agent_files;
mod app;
mod channels;
mod connected_anew;
mod conversations;
mod documents;
mod evals;
mod gathered_posts;
mod idempotency;
mod isolation;
mod jobs_control;
mod keys;
mod long_posts;
mod metrics;
mod odd_input;
mod openapi;
mod problems;
mod providers;
mod queues;
mod queues_live;
mod resources;
mod schedules;
mod search;
mod server;
mod tenant_keys;
mod things;
mod traces;
mod usage;
mod verify_tokens;
mod webchat;
mod webchat_attachments;
mod webchat_events;
mod webchat_identity;
mod webchat_live;
mod webchat_order;
mod webchat_play;
mod webchat_process;
mod webchat_python;
mod webchat_resume;
mod webchat_stage;
mod whatsapp;
