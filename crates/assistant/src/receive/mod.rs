//! A message comes in: first kept as it is, then understood.
//!
//! [`posts::receive`] and the web chat keep raw items and enqueue their jobs in one transaction,
//! which is all that a channel's 200 promises; posts that wait at the same moment share one.
//! [`message::store`] and [`status::apply`] are those
//! jobs; they never wait for a model.

mod account;
mod change;
mod changes;
mod directory;
mod echo;
mod gathering;
mod handover;
mod intake;
mod keeping;
/// The job that fetches files which contacts sent.
pub mod media;
/// The job that stores what a contact wrote.
pub mod message;
mod misses;
pub mod posts;
mod settled;
/// The job that applies what a channel reported.
pub mod status;
/// The same for several reports at once.
pub mod together;
mod verify;

pub use intake::Intake;
pub use settled::{Item, ItemOwner};
