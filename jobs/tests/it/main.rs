//! The engine against a real Postgres.

#[cfg(test)]
mod batches;
#[cfg(test)]
mod cancelling;
#[cfg(test)]
mod control;
#[cfg(test)]
mod control_bulk;
#[cfg(test)]
mod control_limits;
#[cfg(test)]
mod counting;
#[cfg(test)]
mod crashes;
#[cfg(test)]
mod deadlines;
#[cfg(test)]
mod desk;
#[cfg(test)]
mod direct;
#[cfg(test)]
mod enqueueing;
#[cfg(test)]
mod fencing;
#[cfg(test)]
mod gathering;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod inspect;
#[cfg(test)]
mod inspect_queues;
#[cfg(test)]
mod inspect_waiting;
#[cfg(test)]
mod keeping;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod measuring;
#[cfg(test)]
mod ordering;
#[cfg(test)]
mod outcomes;
#[cfg(test)]
mod promises;
#[cfg(test)]
mod scheduling;
#[cfg(test)]
mod setting;
#[cfg(test)]
mod stuck;
