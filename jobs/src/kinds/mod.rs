//! The kinds of jobs of the product, one file each.
//!
//! A new kind is its file here, a handler of the same name in `workers`, and a line in
//! [`for_each_job!`](crate::for_each_job): the worker expands the same list, so a kind without a
//! handler does not compile.

mod answer_turn;
mod channel_status;
mod check_accounts;
mod check_channel;
mod check_channels;
mod check_providers;
mod deliver_webhook;
mod embed_chunk;
mod erase_contact;
mod fetch_media;
mod fetch_source;
mod inbound_message;
mod ingest_document;
mod move_thread;
mod refresh_sources;
mod release_conversations;
mod run_eval;
mod send_reply;
mod tend_index;
mod upkeep;

pub use answer_turn::AnswerTurn;
pub use channel_status::ChannelStatus;
pub use check_accounts::CheckAccounts;
pub use check_channel::CheckChannel;
pub use check_channels::CheckChannels;
pub use check_providers::CheckProviders;
pub use deliver_webhook::DeliverWebhook;
pub use embed_chunk::EmbedChunk;
pub use erase_contact::EraseContact;
pub use fetch_media::FetchMedia;
pub use fetch_source::FetchSource;
pub use inbound_message::InboundMessage;
pub use ingest_document::IngestDocument;
pub use move_thread::MoveThread;
pub use refresh_sources::RefreshSources;
pub use release_conversations::ReleaseConversations;
pub use run_eval::RunEval;
pub use send_reply::SendReply;
pub use tend_index::TendIndex;
pub use upkeep::Upkeep;

/// Expands a macro with every kind: its payload type and the name of its handler's module.
#[macro_export]
macro_rules! for_each_job {
    ($expand:ident) => {
        $expand! {
            AnswerTurn => answer_turn,
            ChannelStatus => channel_status,
            CheckAccounts => check_accounts,
            CheckChannel => check_channel,
            CheckChannels => check_channels,
            CheckProviders => check_providers,
            DeliverWebhook => deliver_webhook,
            EmbedChunk => embed_chunk,
            EraseContact => erase_contact,
            FetchMedia => fetch_media,
            FetchSource => fetch_source,
            InboundMessage => inbound_message,
            IngestDocument => ingest_document,
            MoveThread => move_thread,
            RefreshSources => refresh_sources,
            ReleaseConversations => release_conversations,
            RunEval => run_eval,
            SendReply => send_reply,
            TendIndex => tend_index,
            Upkeep => upkeep,
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Job;

    macro_rules! names {
        ($($payload:ident => $module:ident,)*) => { vec![$((<$payload as Job>::KIND, stringify!($module)),)*] };
    }

    #[test]
    fn every_kind_is_named_like_its_file() {
        for (kind, module) in for_each_job!(names) {
            assert_eq!(kind.replace('-', "_"), module);
        }
    }
}
