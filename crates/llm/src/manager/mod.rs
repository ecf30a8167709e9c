//! From a tenant's settings to one model that answers: whoever is first in order and can.
//!
//! [`Manager`] gives a [`Chain`] for settings and keys; a chain is a [`Model`](crate::Model) that
//! goes from one link to the next until the first event has come, and never after. Each account
//! has a [`Circuit`] that lets nobody through for a while once calls to it keep failing. What
//! every call took and how it ended is told to an [`Observer`].

mod call;
mod chain;
mod check;
mod circuit;
mod estimate;
mod fault;
mod keys;
mod link;
mod registry;
#[cfg(test)]
mod tests;

pub use call::{Call, Observer};
pub use chain::Chain;
pub use check::{Checked, Probe};
pub use circuit::{Circuit, CircuitPolicy, CircuitView};
pub use estimate::estimate_tokens;
pub use fault::Fault;
pub use keys::Keys;
pub use link::{KeyOwner, LinkView};
pub use registry::{Circuits, Manager, ManagerPolicy};
