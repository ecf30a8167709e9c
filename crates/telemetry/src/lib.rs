//! What a process tells of itself: its log, its metrics, and the trace that a piece of work belongs to.
//!
//! The log goes to the standard error stream, one line for each event; a line carries the fields of
//! the spans it was written in, so that everything done for one request can be found by its
//! `trace.id`. [`metrics`] is what Prometheus scrapes, [`trace`] what ties requests and jobs together.

mod log;
pub mod metrics;
pub mod trace;

pub use log::{Error, Format, dispatch, init};
