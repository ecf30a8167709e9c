use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::UnknownName;
use crate::state::named;

named! {
    /// What happens to answers once a month's budget is spent.
    "reaction to a spent budget" WhenSpent {
        /// The fallback text is sent.
        Stop = "stop",
        /// The built-in answerer takes over, which costs nothing.
        Builtin = "builtin",
        /// Nothing, beyond the event.
        Continue = "continue",
    }
    /// What a model was called for.
    "purpose of a call" CallPurpose {
        /// An answer to a contact.
        Answer = "answer",
        /// Vectors of a document's passages.
        Embedding = "embedding",
        /// The vector of what is searched for.
        Search = "search",
        /// A better order of what was found.
        Rerank = "rerank",
        /// A question of an evaluation.
        Eval = "eval",
    }
    /// How a call to a model ended.
    "outcome of a call" CallOutcome {
        /// The answer was whole.
        Completed = "completed",
        /// There was none, or it broke off.
        Failed = "failed",
        /// Nobody waited for the rest of it.
        Dropped = "dropped",
    }
    /// How a provider does, as seen by the calls that a tenant made to it.
    "health" Health {
        /// The newest call went well.
        Healthy = "healthy",
        /// Calls fail, and are made all the same.
        Degraded = "degraded",
        /// So many failed that none is made for a while, or a person has to act.
        Down = "down",
    }
    /// Whether calls are let through to a provider.
    "state of a circuit" CircuitState {
        /// They are.
        Closed = "closed",
        /// One is, to see how it goes.
        HalfOpen = "half_open",
        /// None is, until a time.
        Open = "open",
    }
    /// How much of a month's budget an event tells of.
    "budget level" BudgetLevel {
        /// The share that is warned of.
        Warning = "warning",
        /// All of it.
        Exhausted = "exhausted",
    }
}
