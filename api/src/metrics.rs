//! What is counted of every request, and where Prometheus scrapes it.
//!
//! `/metrics` needs an operator's key on the API's address; a listener of its own serves it without
//! one, for networks that only the operator reaches. Neither is part of the specification: the
//! format is Prometheus', and no client is to be made from it.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use poem::http::Method;
use poem::listener::TcpAcceptor;
use poem::web::Data;
use poem::{EndpointExt as _, PathPattern, Request, Response, Route, Server, get, handler};
use poem_openapi::OperationId;
use telemetry::metrics::{
    CONTENT_TYPE, Counters, Histograms, Labels, OTHER, Registry, short_histograms,
};
use tokio::net::TcpListener;

use crate::auth::Caller;
use crate::{AppState, Problem};

/// Where metrics are scraped, on either listener.
pub(crate) const PATH: &str = "/metrics";

/// What a request is counted under whose path is none of ours.
pub(crate) const UNMATCHED: &str = "unmatched";

/// How long a scrape may take to finish once the process ends.
const DRAIN: Duration = Duration::from_secs(1);

/// What is counted of the requests of one process.
#[derive(Clone, Debug)]
pub struct HttpMetrics {
    requests: Counters<3>,
    durations: Histograms<2>,
}

impl HttpMetrics {
    /// Metrics that a process's registry shows.
    pub fn new(registry: &Registry) -> Self {
        let metrics = Self {
            requests: Counters::default(),
            durations: short_histograms(),
        };
        registry.add("http", |part| {
            part.register(
                "metachat_http_requests",
                "Requests answered, by method, operation and status",
                metrics.requests.clone(),
            );
            part.register(
                "metachat_http_request_duration_seconds",
                "From a request's head to the head of its answer",
                metrics.durations.clone(),
            );
        });
        metrics
    }

    /// Counts a request that was answered.
    pub fn answered(&self, method: &Method, response: &Response, took: Duration) {
        let (method, operation) = (method_name(method), operation_of(response));
        let status = response.status().as_str().to_owned();
        let labels: Labels<3> = [
            ("method", method.into()),
            ("operation", operation.clone()),
            ("status", status.into()),
        ];
        self.requests.get_or_create(&labels).inc();
        let labels = [("method", method.into()), ("operation", operation)];
        self.durations
            .get_or_create(&labels)
            .observe(took.as_secs_f64());
    }
}

/// A caller may send any word as method: what is not known shares one name.
fn method_name(method: &Method) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"];
    let known = KNOWN.iter().find(|known| **known == method.as_str());
    known.copied().unwrap_or(OTHER)
}

/// The operation's id, or the pattern of a path outside the specification; never the path itself,
/// of which callers can make as many as they like.
fn operation_of(response: &Response) -> Cow<'static, str> {
    if let Some(operation) = response.data::<OperationId>() {
        return operation.0.into();
    }
    match pattern_of(response) {
        Some(pattern) => pattern.to_owned().into(),
        None => UNMATCHED.into(),
    }
}

/// The pattern of the path that a request was routed by; `None` if it led nowhere.
pub(crate) fn pattern_of(response: &Response) -> Option<&str> {
    let pattern = response.data::<PathPattern>()?;
    Some(&*pattern.0).filter(|pattern| !pattern.is_empty())
}

/// Shows the metrics to an operator.
#[handler]
pub(crate) async fn for_operators(
    request: &Request,
    Data(state): Data<&Arc<AppState>>,
) -> Result<Response, Problem> {
    let caller = request.data::<Caller>().ok_or_else(Problem::unauthorized)?;
    if caller.tenant().is_some() {
        return Err(Problem::operator_only());
    }
    Ok(written(&state.registry).await)
}

#[handler]
async fn for_anyone(Data(registry): Data<&Registry>) -> Response {
    written(registry).await
}

#[handler]
fn alive() -> &'static str {
    "ok\n"
}

async fn written(registry: &Registry) -> Response {
    Response::builder()
        .content_type(CONTENT_TYPE)
        .body(registry.render().await)
}

/// Serves `/metrics`, and `/livez` for who asks whether the process is alive, to anyone who reaches
/// the socket, until `shutdown` resolves.
///
/// # Errors
/// If the socket cannot be listened on.
pub async fn serve_metrics(
    listener: TcpListener,
    registry: Registry,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let routes = Route::new()
        .at(PATH, get(for_anyone))
        .at("/livez", get(alive))
        .data(registry);
    Server::new_with_acceptor(TcpAcceptor::from_tokio(listener)?)
        .run_with_graceful_shutdown(routes, shutdown, Some(DRAIN))
        .await
}
