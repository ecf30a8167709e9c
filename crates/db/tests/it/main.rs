//! Roles, isolation and signals against a real Postgres.

#[cfg(test)]
mod isolation;
#[cfg(test)]
mod signals;
