//! What tests stand on: a database of their own on a temporary server, and stand-ins for the
//! services outside.
//!
//! The binary `with-postgres` starts the server; `make test` runs every test under it.

pub mod exposition;
pub mod raw;
pub mod socket_io;
pub mod standin;
mod test_db;

pub use test_db::{BIN_VARIABLE, TestDb, URL_VARIABLE, postgres_programs};
