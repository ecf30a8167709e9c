//! Limits: which hold for a flow, how much of them is left, and who is counted against them.
//!
//! What was set is kept in memory, fetched at once when somebody says so and every half second
//! otherwise; how much is left is read and taken under the row's lock, so that every process
//! together keeps to it.

mod allot;
mod rows;
mod seen;
mod settings;

pub(super) use allot::{Allotment, allot, put_back};
pub(crate) use rows::release;
pub(super) use rows::{Busy, lock_rows, take, take_one};
pub(super) use seen::Seen;
pub(super) use settings::{LimitSettings, refresh_for_ever};
