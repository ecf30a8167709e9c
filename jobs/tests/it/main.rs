//! The engine against a real Postgres.

#[cfg(test)]
mod batches;
#[cfg(test)]
mod cancelling;
#[cfg(test)]
mod crashes;
#[cfg(test)]
mod deadlines;
#[cfg(test)]
mod enqueueing;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod ordering;
#[cfg(test)]
mod outcomes;
