//! Live events on a real Postgres, and on a real Redis.

#[cfg(test)]
mod events;
#[cfg(test)]
mod redis;
