use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How a [`GraphServer`](super::GraphServer) treats one valid send; by default it takes it and reports `sent`, then `delivered`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct GraphBehaviour {
    /// What the caller gets to see.
    pub reply: GraphReply,
    /// How long the reply waits after the message was taken or refused, in milliseconds.
    pub delay_ms: u64,
    /// The statuses of a message that was taken.
    pub statuses: StatusPlan,
}

/// What the caller of the send API gets to see.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum GraphReply {
    /// The message is taken: 200 and its id.
    #[default]
    Accept,
    /// The message is not taken: a bare HTTP error, such as 500.
    Status {
        /// The HTTP status.
        status: u16,
    },
    /// The message is not taken: 429 and `Retry-After`.
    RateLimited {
        /// The header's value in seconds.
        retry_after_seconds: u64,
    },
    /// The message is not taken: an error body of this code, under the HTTP status Meta uses for it.
    Error {
        /// Meta's code, such as 131056.
        code: i64,
    },
    /// The message is taken and its statuses come, but the connection closes without a response.
    AcceptThenDrop,
    /// The message is not taken and the connection closes without a response.
    RefuseThenDrop,
    /// The message is taken and its statuses come, but no response ever does.
    AcceptThenHang,
    /// The message is not taken and no response ever comes.
    Hang,
}

impl GraphReply {
    /// Whether the message counts as sent.
    pub(super) fn takes_message(&self) -> bool {
        matches!(
            self,
            Self::Accept | Self::AcceptThenDrop | Self::AcceptThenHang
        )
    }
}

/// The statuses of one message, each a POST of its own, one after the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StatusPlan(pub Vec<StatusStep>);

/// One status to report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusStep {
    /// `sent`, `delivered`, `read`, `played` or `failed`.
    pub status: String,
    /// How long to wait before it, in milliseconds.
    #[serde(default)]
    pub after_ms: u64,
    /// Meta's code of a failure.
    #[serde(default)]
    pub error_code: Option<i64>,
}

impl Default for StatusPlan {
    fn default() -> Self {
        Self::of(["sent", "delivered"])
    }
}

impl StatusPlan {
    /// These statuses in this order, without waits; a repeated one is a duplicate.
    pub fn of<'a>(statuses: impl IntoIterator<Item = &'a str>) -> Self {
        let step = |status: &str| StatusStep {
            status: status.to_owned(),
            after_ms: 0,
            error_code: None,
        };
        Self(statuses.into_iter().map(step).collect())
    }

    /// No status at all.
    pub fn withheld() -> Self {
        Self(Vec::new())
    }

    /// `sent` and `delivered`, twice each.
    pub fn duplicated() -> Self {
        Self::of(["sent", "sent", "delivered", "delivered"])
    }

    /// `delivered` before `sent`.
    pub fn reordered() -> Self {
        Self::of(["delivered", "sent"])
    }

    /// `failed` with Meta's `code`.
    pub fn failed(code: i64) -> Self {
        let mut plan = Self::of(["failed"]);
        for step in &mut plan.0 {
            step.error_code = Some(code);
        }
        plan
    }

    /// The same plan, beginning only after `wait`.
    #[must_use]
    pub fn delayed(mut self, wait: Duration) -> Self {
        if let Some(first) = self.0.first_mut() {
            first.after_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        }
        self
    }
}

impl GraphBehaviour {
    /// Takes the message and reports these statuses.
    pub fn statuses(statuses: StatusPlan) -> Self {
        Self {
            statuses,
            ..Self::default()
        }
    }

    /// Refuses the message with an error of Meta's.
    pub fn error(code: i64) -> Self {
        GraphReply::Error { code }.into()
    }

    /// The same behaviour, with the reply held back for `delay`.
    #[must_use]
    pub fn delayed(mut self, delay: Duration) -> Self {
        self.delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        self
    }
}

impl From<GraphReply> for GraphBehaviour {
    fn from(reply: GraphReply) -> Self {
        Self {
            reply,
            ..Self::default()
        }
    }
}
