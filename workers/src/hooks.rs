use std::sync::Arc;

use assistant::Assistant;
use jobs::kinds::{
    AnswerTurn, ChannelStatus, DeliverWebhook, EmbedChunk, FetchMedia, FetchSource, InboundMessage,
    IngestDocument, RunEval, SendReply,
};
use jobs::{DeadHook, DeadHooks, Job};

/// What each kind does when a job of its is dead, in the transaction that buries it.
pub(crate) fn all(assistant: &Assistant) -> DeadHooks {
    macro_rules! hook {
        ($on_dead:path) => {{
            let assistant = assistant.clone();
            let hook: DeadHook = Arc::new(move |tx, dead| {
                let assistant = assistant.clone();
                Box::pin(async move { $on_dead(&assistant, tx, dead).await })
            });
            hook
        }};
    }
    let on_dead_delivery: DeadHook =
        Arc::new(|tx, dead| Box::pin(async move { events::on_dead(tx, dead).await }));
    DeadHooks::from([
        (AnswerTurn::KIND, hook!(assistant::answer::on_dead)),
        (
            ChannelStatus::KIND,
            hook!(assistant::receive::status::on_dead),
        ),
        (
            InboundMessage::KIND,
            hook!(assistant::receive::message::on_dead),
        ),
        (SendReply::KIND, hook!(assistant::deliver::on_dead)),
        (IngestDocument::KIND, hook!(assistant::ingest::on_dead)),
        (EmbedChunk::KIND, hook!(assistant::ingest::on_dead)),
        (FetchMedia::KIND, hook!(assistant::receive::media::on_dead)),
        (FetchSource::KIND, hook!(assistant::ingest::fetch::on_dead)),
        (RunEval::KIND, hook!(assistant::evals::on_dead)),
        (DeliverWebhook::KIND, on_dead_delivery),
    ])
}
