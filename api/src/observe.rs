//! What surrounds every request: its id, its place in a trace, its line in the log, its metrics, and
//! an answer whatever happens.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use poem::http::{HeaderValue, Method, StatusCode};
use poem::{Endpoint, IntoResponse as _, Request, Response};
use poem_openapi::OperationId;
use telemetry::trace;
use uuid::Uuid;

use crate::auth::CallerTenant;
use crate::{AppState, Problem, metrics, openapi, problem};

const HEADER: &str = "x-request-id";

/// Source: <https://www.w3.org/TR/trace-context/> (2021-11-23).
const CALLERS_TRACE_HEADER: &str = "traceparent";

/// Source: <https://github.com/w3c/trace-context>, `spec/21-http_response_header_format.md`, a draft.
const TRACE_HEADER: &str = "traceresponse";

/// The longest id that is taken over from a caller.
const MAX_ID_CHARS: usize = 64;

/// What a request is known by in answers and in the log.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(Arc<str>);

impl RequestId {
    /// The id of a request that [`observe`] let in.
    pub(crate) fn of(request: &Request) -> Self {
        request
            .data::<Self>()
            .cloned()
            .unwrap_or_else(|| Self(Arc::from("")))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The caller's id if it is harmless, else a fresh one.
    fn take(request: &Request) -> Self {
        let given = request.header(HEADER).filter(|id| {
            (1..=MAX_ID_CHARS).contains(&id.len())
                && id
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        });
        Self(given.map_or_else(|| Uuid::new_v4().simple().to_string().into(), Into::into))
    }
}

/// Calls an endpoint; an error becomes its answer.
pub(crate) async fn answer(endpoint: &impl Endpoint, request: Request) -> Response {
    let id = RequestId::of(&request);
    match endpoint.call(request).await {
        Ok(output) => output.into_response(),
        Err(error) => problem::render(error, id.as_str()),
    }
}

/// Gives the request an id and its place in a trace, calls on, counts it, and writes one line to
/// the log.
///
/// The line has no body, no query and no header: tokens travel in all of them.
pub(crate) async fn observe<E: Endpoint>(
    endpoint: Arc<E>,
    mut request: Request,
) -> poem::Result<Response> {
    let id = RequestId::take(&request);
    request.set_data(id.clone());
    let scope = trace::request_scope(id.as_str(), traceparent(&request));
    let context = scope.context();
    let mut response = scope.run(Box::pin(served(&*endpoint, request, &id))).await;
    let headers = [(HEADER, id.as_str()), (TRACE_HEADER, &context.to_string())];
    for (name, text) in headers {
        if let Ok(value) = HeaderValue::from_str(text) {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}

/// The caller's `traceparent`; one of several counts as none, as the standard has it.
fn traceparent(request: &Request) -> Option<&str> {
    let mut sent = request.headers().get_all(CALLERS_TRACE_HEADER).iter();
    match (sent.next(), sent.next()) {
        (Some(one), None) => one.to_str().ok(),
        _ => None,
    }
}

async fn served(endpoint: &impl Endpoint, request: Request, id: &RequestId) -> Response {
    let method = request.method().clone();
    let state = request.data::<Arc<AppState>>().map(Arc::clone);
    let begun = Instant::now();
    let answered = AssertUnwindSafe(answer(endpoint, request))
        .catch_unwind()
        .await;
    let response = answered.unwrap_or_else(|panic| {
        let problem = Problem::internal(format!("a handler panicked: {}", words(&*panic)));
        problem::render(problem.into(), id.as_str())
    });
    let took = begun.elapsed();
    if let Some(state) = state {
        state.metrics.answered(&method, &response, took);
    }
    log(&method, &response, took);
    response
}

fn log(method: &Method, response: &Response, took: Duration) {
    let operation = response.data::<OperationId>().map(|operation| operation.0);
    let route = operation
        .and_then(openapi::path_of)
        .or_else(|| metrics::pattern_of(response))
        .unwrap_or(metrics::UNMATCHED);
    let tenant = match response.data::<CallerTenant>() {
        Some(CallerTenant(Some(tenant))) => tenant.to_string(),
        Some(CallerTenant(None)) => "operator".to_owned(),
        None => "none".to_owned(),
    };
    let status = response.status();
    let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let status_code = status.as_u16();
    if status.is_success() && route == "/api/health" {
        tracing::debug!(%method, route, status = status_code, duration_ms, "health asked");
    } else if status >= StatusCode::INTERNAL_SERVER_ERROR {
        tracing::warn!(
            %method, route, status = status_code, duration_ms,
            tenant.id = tenant, "request served with an error of ours"
        );
    } else {
        tracing::info!(
            %method, route, status = status_code, duration_ms,
            tenant.id = tenant, "request served"
        );
    }
}

fn words(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without words")
}

#[cfg(test)]
mod tests {
    use poem::EndpointExt as _;
    use poem::endpoint::make_sync;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_a_problem_like_any_other() {
        let broken = make_sync(|_| -> Response { panic!("the secret is hunter2") });
        let endpoint = broken.around(observe).map_to_response();
        let mut response = endpoint.get_response(Request::default()).await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let id = response.headers()[HEADER].to_str().unwrap().to_owned();
        let body = response.take_body().into_string().await.unwrap();
        assert!(body.contains("\"code\":\"internal\""), "{body}");
        assert!(body.contains(&id), "{body}");
        assert!(!body.contains("hunter2"), "{body}");
    }
}
