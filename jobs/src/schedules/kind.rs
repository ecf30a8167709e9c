use super::{Error, Result};
use crate::kinds::{
    AnswerTurn, ChannelStatus, CheckAccounts, CheckChannel, CheckChannels, CheckProviders,
    DeliverWebhook, EmbedChunk, EraseContact, FetchMedia, FetchSource, InboundMessage,
    IngestDocument, MoveThread, RefreshSources, ReleaseConversations, RunEval, SendReply,
    TendIndex, Upkeep,
};
use crate::{Job, Lane, for_each_job};

/// What a schedule has to know of the kind of its jobs. A process leaves schedules of kinds that it
/// does not know to others.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    pub(super) name: &'static str,
    pub(super) lane: Lane,
    pub(super) max_attempts: i16,
    /// Whether jobs with such a payload can be scheduled.
    pub(super) check: fn(&serde_json::Value) -> Result<()>,
}

impl Kind {
    /// That of `J`.
    pub const fn of<J: Job>() -> Self {
        Self {
            name: J::KIND,
            lane: J::LANE,
            max_attempts: J::POLICY.max_attempts,
            check: check::<J>,
        }
    }

    pub(super) fn find<'k>(kinds: &'k [Self], name: &str) -> Option<&'k Self> {
        kinds.iter().find(|kind| kind.name == name)
    }
}

/// Reads the payload as the kind's. The jobs of a tick are the platform's own: no tenant, no order, no
/// limits, so kinds that want any of that cannot be scheduled.
fn check<J: Job>(payload: &serde_json::Value) -> Result<()> {
    let job: J = serde_json::from_value(payload.clone()).map_err(|error| {
        Error::refused(
            "payload",
            format!("does not fit a {} job: {error}", J::KIND),
        )
    })?;
    if payload.to_string().contains("\\u0000") {
        return Err(Error::refused("payload", "must not hold the character NUL"));
    }
    let options = job.options();
    let is_plain = options.tenant.is_none()
        && options.ordering_key.is_none()
        && options.unique.is_none()
        && options.delay.is_zero()
        && options.priority == 0
        && options.limit_keys == [None, None];
    if is_plain {
        Ok(())
    } else {
        let reason = "is of jobs with a tenant, an order or limits, which cannot be scheduled";
        Err(Error::refused("kind", reason))
    }
}

macro_rules! list {
    ($($payload:ident => $module:ident,)*) => {
        /// Every kind of this build.
        pub fn kinds() -> Vec<Kind> {
            vec![$(Kind::of::<$payload>(),)*]
        }
    };
}

for_each_job!(list);
