//! The subcommands.

pub(crate) mod admin;
mod demo;
pub(crate) mod doctor;
pub(crate) mod migrate;
mod scrape;
pub(crate) mod serve;
pub(crate) mod up;
