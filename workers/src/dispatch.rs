use assistant::Assistant;
use jobs::kinds::{
    AnswerTurn, ChannelStatus, DeliverWebhook, EmbedChunk, InboundMessage, IngestDocument,
    SendReply, Upkeep,
};
use jobs::{Failure, Job, JobHandle, KindInfo, for_each_job};

use crate::handlers;

macro_rules! dispatch {
    ($($payload:ident => $module:ident,)*) => {
        /// The kinds this program has handlers for.
        pub fn known_kinds() -> Vec<KindInfo> {
            vec![$(KindInfo::of::<$payload>(),)*]
        }

        /// Runs a job by its kind's handler.
        pub(crate) async fn run(assistant: Assistant, handle: JobHandle) -> Result<(), Failure> {
            match handle.job.kind {
                $($payload::KIND => {
                    let payload: $payload = handle.job.decode()?;
                    let work = handlers::$module::run(&assistant, &handle, payload);
                    Box::pin(work).await
                })*
                other => Err(Failure::dead(format!("no handler for jobs of kind {other}"))),
            }
        }
    };
}

for_each_job!(dispatch);
