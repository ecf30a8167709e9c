//! What connected clients see at once: typed events of a conversation, told to every process.
//!
//! [`publish`] tells them after a commit, [`publish_now`] at once; a [`Hub`] hands what its process
//! hears to whoever subscribed to the conversation. Events may be lost, and hold no more than is
//! needed to look: messages are read from their table by `seq`. They travel between processes by
//! Postgres, or, after [`carry_by_redis`], by Redis. [`DeltaCoalescer`] tells an answer
//! while it is being written.

mod deltas;
mod event;
mod hub;
mod publish;
mod redis;

pub use deltas::DeltaCoalescer;
pub use event::{LiveBody, LiveEvent};
pub use hub::{Hub, Subscription, Update};
pub use publish::{publish, publish_now};
pub use redis::{InvalidRedisUrl, carry_by_redis};
