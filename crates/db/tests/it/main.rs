//! Roles, isolation and signals against a real Postgres.

#[cfg(test)]
mod commits;
#[cfg(test)]
mod drops;
#[cfg(test)]
mod isolation;
#[cfg(test)]
mod partitions;
#[cfg(test)]
mod signals;
mod young;
