//! One file for each kind of job, named like it: what the kind does, in a call or two.

pub(crate) mod answer_turn;
pub(crate) mod channel_status;
pub(crate) mod deliver_webhook;
pub(crate) mod embed_chunk;
pub(crate) mod inbound_message;
pub(crate) mod ingest_document;
pub(crate) mod send_reply;
pub(crate) mod tend_index;
pub(crate) mod upkeep;
