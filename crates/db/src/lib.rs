//! The database handle: connections, roles, transactions that know their tenant, and signals sent
//! after commit.
//!
//! Nothing outside of `db`, `store` and `jobs` holds a connection. A [`TenantTx`] meets one tenant's
//! rows, by row-level security and not by good will; a [`SystemTx`] crosses tenants and is for the
//! few functions that must.

mod error;
mod extensions;
mod partitions;
mod pool;
mod preflight;
mod signal;
mod tx;
mod young;

pub use error::Error;
pub use extensions::Extensions;
pub use partitions::{Dropped, Partitioned};
pub use pool::{Db, DbOptions, MIGRATOR};
pub use signal::{LiveCarrier, Signal, Topic};
pub use tx::{AfterCommit, SystemTx, TenantTx, Tx};

/// What every function of this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;
