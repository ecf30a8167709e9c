//! The settings of a process: read once at the start, from the environment and `.env`.

mod allow;

pub use allow::{AllowRule, InvalidAllowRule};
