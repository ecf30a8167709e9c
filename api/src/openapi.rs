//! The specification of the API, made from the types of its handlers.

use std::collections::HashMap;
use std::sync::LazyLock;

use poem::endpoint::make_sync;
use poem::{Endpoint, Response};
use poem_openapi::{OpenApiService, OperationId};
use serde_json::{Value, json};

use crate::parameters::Strict;
use crate::routes::{self, Routes};

const DESCRIPTION: &str = "\
Everything is JSON in snake_case. Keys travel as `Authorization: Bearer mck_…`. Errors are \
`application/problem+json` with a stable `code`. Lists answer `{\"data\", \"next_cursor\"}` and take \
`cursor` and `limit`. POST and PUT take an `Idempotency-Key`.";

/// The routes with their specification.
pub(crate) fn service() -> OpenApiService<Strict<Routes>, ()> {
    OpenApiService::new(
        Strict(routes::all()),
        "Meta Chat Platform",
        env!("CARGO_PKG_VERSION"),
    )
    .description(DESCRIPTION)
}

/// The specification as it is served and committed: pretty JSON with a line end.
pub fn openapi_json() -> String {
    let mut text = serde_json::to_string_pretty(&*SPEC).unwrap_or_default();
    text.push('\n');
    text
}

static SPEC: LazyLock<Value> = LazyLock::new(|| {
    let mut spec = serde_json::from_str(&service().spec()).unwrap_or_default();
    add_idempotency_key(&mut spec);
    spec
});

/// Writes the header down that a middleware reads, for every write that takes it.
fn add_idempotency_key(spec: &mut Value) {
    let Some(paths) = spec.get_mut("paths").and_then(Value::as_object_mut) else {
        return;
    };
    for path in paths.values_mut() {
        for method in ["post", "put"] {
            let Some(operation) = path.get_mut(method).and_then(Value::as_object_mut) else {
                continue;
            };
            // A visitor's writes carry an id of their own.
            let takes_key = operation
                .get("security")
                .is_some_and(|of| of[0]["api_key"].is_array());
            if !takes_key {
                continue;
            }
            let parameters = operation.entry("parameters").or_insert_with(|| json!([]));
            if let Some(parameters) = parameters.as_array_mut() {
                parameters.push(json!({
                    "name": "Idempotency-Key",
                    "in": "header",
                    "required": false,
                    "description": "1 to 255 characters of your choice. For a day, the same key with \
                        the same request gives the same answer without doing it again.",
                    "schema": {"type": "string", "maxLength": 255},
                }));
            }
        }
    }
}

pub(crate) fn json_endpoint() -> impl Endpoint<Output = Response> + 'static {
    make_sync(|_| {
        Response::builder()
            .content_type("application/json")
            .body(openapi_json())
    })
}

pub(crate) fn docs_endpoint() -> impl Endpoint<Output = Response> + 'static {
    let page = service().swagger_ui_html();
    make_sync(move |_| {
        Response::builder()
            .content_type("text/html; charset=utf-8")
            .body(page.clone())
    })
}

/// An operation as the log and the problems name it.
struct Operation {
    path: &'static str,
    parameters: Vec<&'static str>,
}

static OPERATIONS: LazyLock<HashMap<&'static str, Operation>> = LazyLock::new(|| {
    let paths = SPEC["paths"].as_object();
    let operations = paths.into_iter().flatten().flat_map(|(path, methods)| {
        let parameters: Vec<&str> = path
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
            .collect();
        let methods = methods.as_object().into_iter().flatten();
        methods.filter_map(move |(_, operation)| {
            let id = operation.get("operationId")?.as_str()?;
            Some((
                id,
                Operation {
                    path,
                    parameters: parameters.clone(),
                },
            ))
        })
    });
    operations.collect()
});

/// The path of an operation, with its parameters in braces.
pub(crate) fn path_of(operation: &str) -> Option<&'static str> {
    OPERATIONS.get(operation).map(|operation| operation.path)
}

/// The name of a path parameter that the framework knows by its number, as `param0`.
pub(crate) fn path_parameter(operation: Option<OperationId>, name: &str) -> &'static str {
    operation
        .and_then(|operation| OPERATIONS.get(operation.0))
        .zip(
            name.strip_prefix("param")
                .and_then(|number| number.parse::<usize>().ok()),
        )
        .and_then(|(operation, number)| operation.parameters.get(number).copied())
        .unwrap_or("path")
}
