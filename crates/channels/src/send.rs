use std::time::Duration;

use crate::Health;

/// A message that the channel took; whether it arrives, statuses will tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The channel's id of the message, the `external_id` of its statuses.
    pub external_id: String,
}

/// What a failed send asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendClass {
    /// Not sent; try again, not before `after` if it is given.
    Retry {
        /// How long to wait at least.
        after: Option<Duration>,
    },
    /// Most likely not sent, for reasons the operator does not know itself; try again a few times.
    RetryFew,
    /// Too many messages to this contact; try again after 4^n seconds.
    PairLimit,
    /// Too many messages or calls of this number or page; nothing of it should be sent for a while.
    Throughput,
    /// The contact's last message is too long ago for a free answer.
    WindowClosed,
    /// This message will never be taken, or not before days: trying again is a person's to decide.
    Permanent,
    /// The contact told the operator that they want no more messages of the business.
    OptedOut,
    /// The credentials are dead or lack a permission; the channel must be connected anew.
    TokenDead,
    /// The operator has blocked or limited the number or page; nothing more should be sent before a
    /// person looked.
    ChannelBlocked,
    /// The account's set-up at the operator is incomplete: payment, registration, display name.
    Config,
    /// Perhaps sent: the request left and no usable answer came. Only the status or the echo that
    /// carries the tag can tell; where sends are idempotent it may simply be tried again.
    Unknown,
}

/// What to do about a failed send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What becomes of the message.
    pub next: Next,
    /// What must not send meanwhile.
    pub pause: Option<Pause>,
    /// How the channel is found to be; a person is to be told.
    pub health: Option<Health>,
}

/// What becomes of a message whose send failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Send it again after so long.
    Retry {
        /// How long to wait.
        after: Duration,
    },
    /// Wait for the report that carries its tag.
    Reconcile,
    /// It failed, visibly.
    GiveUp,
}

/// What must not send for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// Messages to the same contact.
    Contact(Duration),
    /// The whole number or page.
    Channel(Duration),
    /// The whole number or page, until a person has looked.
    UntilLooked,
}

/// How long a number or page pauses when the operator says that it sends too much.
const THROUGHPUT_PAUSE: Duration = Duration::from_secs(10);

/// The longest wait between two tries.
const MAX_WAIT: Duration = Duration::from_mins(10);

/// How often a send is tried again whose failure the operator does not know the reason of.
const MAX_FEW: u32 = 3;

/// How often a send is tried again that the operator says to try again.
const MAX_TRIES: u32 = 12;

impl SendClass {
    /// Decides by the class and by how many sends of the message have failed, this one included;
    /// from 1. Waits have no jitter: whoever waits adds it.
    pub fn decide(self, failures: u32) -> Decision {
        let failures = failures.max(1);
        let (next, pause) = match self {
            Self::Retry { after } if failures <= MAX_TRIES => {
                let wait = after.unwrap_or(Duration::ZERO).max(doubling(failures));
                (Next::Retry { after: wait }, after.map(Pause::Channel))
            }
            Self::RetryFew if failures <= MAX_FEW => {
                let after = doubling(failures);
                (Next::Retry { after }, None)
            }
            // Source: facts of Meta's error 131056: 4^n seconds, from 1.
            Self::PairLimit if failures <= MAX_TRIES => {
                let after = Duration::from_secs(4_u64.pow((failures - 1).min(4)));
                (Next::Retry { after }, Some(Pause::Contact(after)))
            }
            Self::Throughput if failures <= MAX_TRIES => {
                let after = THROUGHPUT_PAUSE.max(doubling(failures));
                (Next::Retry { after }, Some(Pause::Channel(after)))
            }
            Self::Unknown => (Next::Reconcile, None),
            Self::TokenDead | Self::ChannelBlocked => (Next::GiveUp, Some(Pause::UntilLooked)),
            Self::Retry { .. }
            | Self::RetryFew
            | Self::PairLimit
            | Self::Throughput
            | Self::WindowClosed
            | Self::Permanent
            | Self::OptedOut
            | Self::Config => (Next::GiveUp, None),
        };
        Decision {
            next,
            pause,
            health: self.health(),
        }
    }

    /// What it says about the channel; `None` where it says something about the message only.
    pub const fn health(self) -> Option<Health> {
        match self {
            Self::TokenDead => Some(Health::TokenDead),
            Self::ChannelBlocked => Some(Health::Restricted),
            Self::Config => Some(Health::Misconfigured),
            Self::Retry { .. }
            | Self::RetryFew
            | Self::PairLimit
            | Self::Throughput
            | Self::WindowClosed
            | Self::Permanent
            | Self::OptedOut
            | Self::Unknown => None,
        }
    }
}

/// 1, 2, 4, … seconds, up to ten minutes.
fn doubling(failures: u32) -> Duration {
    Duration::from_secs(1_u64 << (failures - 1).min(10)).min(MAX_WAIT)
}

/// Why a message is not known to be sent.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct SendError {
    /// What it asks of the caller.
    pub class: SendClass,
    /// The operator's code, where there was one.
    pub code: Option<i64>,
    /// The operator's second code, where there was one.
    pub subcode: Option<i64>,
    /// What happened, in the operator's words where it answered; holds no secret.
    pub message: String,
    /// The failure of the connection, where it failed.
    #[source]
    pub source: Option<outbound::Error>,
}

impl SendError {
    pub(crate) fn of(class: SendClass, message: impl Into<String>) -> Self {
        Self {
            class,
            code: None,
            subcode: None,
            message: message.into(),
            source: None,
        }
    }

    /// A failure before any answer: whether the message may have been taken, the connection tells.
    pub fn of_connection(error: outbound::Error) -> Self {
        let (class, message) = match &error {
            outbound::Error::Refused(_) | outbound::Error::Invalid(_) => {
                (SendClass::Config, "the channel's address cannot be called")
            }
            outbound::Error::Unreachable(_) => (
                SendClass::Retry { after: None },
                "the channel's operator cannot be reached",
            ),
            outbound::Error::TimedOut(_)
            | outbound::Error::Interrupted(_)
            | outbound::Error::TooLarge { .. } => (
                SendClass::Unknown,
                "no usable answer came after the message had left",
            ),
        };
        Self {
            source: Some(error),
            ..Self::of(class, message)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(class: SendClass) -> Vec<u64> {
        (1..=20)
            .map_while(|failures| match class.decide(failures).next {
                Next::Retry { after } => Some(after.as_secs()),
                Next::Reconcile | Next::GiveUp => None,
            })
            .collect()
    }

    #[test]
    fn waits_grow_and_end() {
        assert_eq!(waits(SendClass::RetryFew), [1, 2, 4]);
        assert_eq!(
            waits(SendClass::PairLimit)[..6],
            [1, 4, 16, 64, 256, 256],
            "4^n seconds"
        );
        let asked = Some(Duration::from_mins(1));
        let all = waits(SendClass::Retry { after: asked });
        assert_eq!(all.len(), 12);
        assert_eq!((all[0], all[6], all[11]), (60, 64, 600));
        assert_eq!(waits(SendClass::Throughput)[0], 10);
        for class in [
            SendClass::WindowClosed,
            SendClass::Permanent,
            SendClass::OptedOut,
            SendClass::TokenDead,
            SendClass::ChannelBlocked,
            SendClass::Config,
            SendClass::Unknown,
        ] {
            assert_eq!(waits(class), [0; 0], "{class:?}");
        }
    }

    #[test]
    fn a_dead_token_stops_the_channel_and_a_full_pair_only_itself() {
        let dead = SendClass::TokenDead.decide(1);
        assert_eq!(dead.next, Next::GiveUp);
        assert_eq!(dead.pause, Some(Pause::UntilLooked));
        assert_eq!(dead.health, Some(Health::TokenDead));
        let pair = SendClass::PairLimit.decide(2);
        assert_eq!(pair.pause, Some(Pause::Contact(Duration::from_secs(4))));
        assert_eq!(pair.health, None);
        assert_eq!(SendClass::Unknown.decide(1).next, Next::Reconcile);
        let busy = SendClass::Throughput.decide(1);
        assert_eq!(busy.pause, Some(Pause::Channel(Duration::from_secs(10))));
        assert_eq!(
            SendClass::Retry { after: None }.decide(u32::MAX).next,
            Next::GiveUp
        );
    }
}
