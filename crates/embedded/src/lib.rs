//! The embedded database: Postgres 18 with pgvector, fetched once, run as a child process.
//!
//! It listens on a Unix socket only, asks for a password, and belongs to one folder: two checkouts
//! never meet, and what a killed process left behind is put in order by the next start.

mod account;
mod binaries;
mod cluster;
mod discard;
mod error;
mod home;
mod install;
mod orphan;
mod progress;
mod server;

pub use binaries::Binaries;
pub use discard::{discard, discard_leftovers};
pub use error::{Error, Result};
pub use install::install;
pub use progress::{Progress, ProgressFn, tell_slow_steps};
pub use server::{DATABASE, Options, Server};
