//! Live events on a real Postgres.

#[cfg(test)]
mod events;
