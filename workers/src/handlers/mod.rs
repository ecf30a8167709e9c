//! One file for each kind of job, named like it: what the kind does, in a call or two.

pub(crate) mod answer_turn;
pub(crate) mod channel_status;
pub(crate) mod check_accounts;
pub(crate) mod check_channel;
pub(crate) mod check_channels;
pub(crate) mod check_providers;
pub(crate) mod deliver_webhook;
pub(crate) mod embed_chunk;
pub(crate) mod erase_contact;
pub(crate) mod fetch_media;
pub(crate) mod fetch_source;
pub(crate) mod inbound_message;
pub(crate) mod ingest_document;
pub(crate) mod move_thread;
pub(crate) mod refresh_sources;
pub(crate) mod release_conversations;
pub(crate) mod run_eval;
pub(crate) mod send_reply;
pub(crate) mod tend_index;
pub(crate) mod upkeep;
