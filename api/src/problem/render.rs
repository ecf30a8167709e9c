use poem::error::{
    MethodNotAllowedError, NotFoundError, ParseMultipartError, ReadBodyError, ResponseError,
};
use poem::http::StatusCode;
use poem::{PathPattern, Response};
use poem_openapi::OperationId;
use poem_openapi::error::{
    AuthorizationError, ContentTypeError, ParseParamError, ParsePathError, ParseRequestPayloadError,
};

use super::Problem;

/// Turns any error of a route into its answer.
pub(crate) fn render(error: poem::Error, request_id: &str) -> Response {
    let operation = error.data::<OperationId>().copied();
    let pattern = error.data::<PathPattern>().cloned();
    let mut response = if error.is_from_response() {
        error.into_response()
    } else {
        classify(error, operation).into_http(request_id)
    };
    if let Some(operation) = operation {
        response.set_data(operation);
    }
    if let Some(pattern) = pattern {
        response.set_data(pattern);
    }
    response
}

/// Gives what the framework reports our own words: its texts quote input and inner names.
fn classify(error: poem::Error, operation: Option<OperationId>) -> Problem {
    let error = match error.downcast::<Problem>() {
        Ok(problem) => return problem,
        Err(error) => error,
    };
    if error.is::<NotFoundError>() {
        return Problem::not_found();
    }
    if error.is::<MethodNotAllowedError>() {
        let detail = "This path does not take this method.";
        return Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail);
    }
    if error.is::<AuthorizationError>() {
        return Problem::unauthorized();
    }
    if let Some(error) = error.downcast_ref::<ParsePathError>() {
        let name = crate::openapi::path_parameter(operation, error.name);
        return Problem::invalid_field(name, "is not in its form");
    }
    if let Some(error) = error.downcast_ref::<ParseParamError>() {
        return Problem::invalid_field(error.name, "is missing or not in its form");
    }
    if error.is::<ContentTypeError>() || is_other_media(&error) {
        return Problem::unsupported_media("This path does not take this Content-Type.");
    }
    if error.is::<ReadBodyError>()
        || error.is::<ParseRequestPayloadError>()
        || error.is::<ParseMultipartError>()
    {
        let detail = "The body cannot be read.";
        return Problem::new(StatusCode::BAD_REQUEST, "unreadable_body", detail);
    }
    if error.status().is_client_error() {
        let detail = "The request cannot be understood.";
        return Problem::new(error.status(), "bad_request", detail);
    }
    Problem::internal(error.to_string())
}

fn is_other_media(error: &poem::Error) -> bool {
    error
        .downcast_ref::<ParseMultipartError>()
        .is_some_and(|error| error.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE)
}
