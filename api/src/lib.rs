//! HTTP in, HTTP out: routes, OpenAPI, keys and problems.
//!
//! A handler takes a [`Caller`](auth::Caller), makes one call and maps its result. Errors become
//! HTTP in [`problem`] and nowhere else. The types of the handlers are the specification:
//! [`openapi_json`] writes it down.

pub mod answer;
pub mod auth;
mod idempotency;
mod live;
pub mod metrics;
mod observe;
mod openapi;
mod parameters;
pub mod payload;
pub mod problem;
mod queue_feed;
mod rate_limit;
pub mod routes;
mod serve;
mod state;

pub use live::webchat_events_json;
pub use metrics::serve_metrics;
pub use openapi::openapi_json;
pub use problem::Problem;
pub use serve::{serve, server};
pub use state::{AppState, Limits, StateParts};
