//! The engine against a real Postgres.

#[cfg(test)]
mod control;
#[cfg(test)]
mod control_bulk;
#[cfg(test)]
mod control_limits;
#[cfg(test)]
mod crashes;
#[cfg(test)]
mod desk;
#[cfg(test)]
mod enqueueing;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod inspect;
#[cfg(test)]
mod inspect_queues;
#[cfg(test)]
mod inspect_waiting;
#[cfg(test)]
mod ordering;
#[cfg(test)]
mod outcomes;
