//! The engine against a real Postgres.

#[cfg(test)]
mod batches;
#[cfg(test)]
mod cancelling;
#[cfg(test)]
mod counting;
#[cfg(test)]
mod crashes;
#[cfg(test)]
mod deadlines;
#[cfg(test)]
mod enqueueing;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod keeping;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod ordering;
#[cfg(test)]
mod outcomes;
#[cfg(test)]
mod scheduling;
