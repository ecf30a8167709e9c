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

        /// Runs a job by its kind's handler, within its kind's time.
        pub(crate) async fn run(assistant: Assistant, handle: JobHandle) -> Result<(), Failure> {
            match handle.job.kind.as_str() {
                $($payload::KIND => {
                    let payload: $payload = handle.job.decode()?;
                    let limit = $payload::POLICY.timeout;
                    let work = handlers::$module::run(&assistant, &handle, payload);
                    match tokio::time::timeout(limit, Box::pin(work)).await {
                        Ok(outcome) => outcome,
                        Err(_) => Err(Failure::TimedOut(limit)),
                    }
                })*
                other => Err(Failure::dead(format!("no handler for jobs of kind {other}"))),
            }
        }
    };
}

for_each_job!(dispatch);
