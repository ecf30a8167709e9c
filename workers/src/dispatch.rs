use assistant::Assistant;
use jobs::kinds::{
    AnswerTurn, ChannelStatus, CheckAccounts, CheckChannel, CheckChannels, CheckProviders,
    DeliverWebhook, EmbedChunk, EraseContact, FetchMedia, FetchSource, InboundMessage,
    IngestDocument, MoveThread, RefreshSources, ReleaseConversations, RunEval, SendReply,
    TendIndex, Upkeep,
};
use jobs::{Batch, Failure, Job, JobHandle, KindInfo, for_each_job};

use crate::{handlers, together};

/// Runs what was claimed together: one job, or several of a kind that takes batches.
pub(crate) async fn run(assistant: Assistant, batch: Batch) -> Vec<Result<(), Failure>> {
    match batch.handles.as_slice() {
        [handle] => vec![run_one(&assistant, handle).await],
        handles if batch.kind() == EmbedChunk::KIND => {
            Box::pin(together::run::<EmbedChunk>(&assistant, handles)).await
        }
        handles if batch.kind() == ChannelStatus::KIND => {
            Box::pin(together::run::<ChannelStatus>(&assistant, handles)).await
        }
        handles => {
            let mut results = Vec::with_capacity(handles.len());
            for handle in handles {
                results.push(run_one(&assistant, handle).await);
            }
            results
        }
    }
}

macro_rules! dispatch {
    ($($payload:ident => $module:ident,)*) => {
        /// The kinds this program has handlers for.
        pub fn known_kinds() -> Vec<KindInfo> {
            vec![$(KindInfo::of::<$payload>(),)*]
        }

        /// Runs a job by its kind's handler.
        async fn run_one(assistant: &Assistant, handle: &JobHandle) -> Result<(), Failure> {
            match handle.job.kind {
                $($payload::KIND => {
                    let payload: $payload = handle.job.decode()?;
                    let work = handlers::$module::run(assistant, handle, payload);
                    Box::pin(work).await
                })*
                other => Err(Failure::dead(format!("no handler for jobs of kind {other}"))),
            }
        }
    };
}

for_each_job!(dispatch);
