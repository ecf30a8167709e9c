//! Query parameters that an operation does not have are refused instead of ignored.

use std::collections::HashMap;
use std::sync::Arc;

use poem::endpoint::BoxEndpoint;
use poem::http::Method;
use poem::{EndpointExt as _, Request};
use poem_openapi::registry::{MetaApi, MetaOperation, MetaParamIn, Registry};
use poem_openapi::{OpenApi, OperationId};

use crate::Problem;
use crate::auth::Caller;
use crate::problem::FieldProblem;

/// Operations that take nothing in their query but the parameters that they have: a filter whose name
/// is misspelt would show, or change, more than was meant.
///
/// This holds for those that take an API key. The others are called by browsers and proxies, which
/// put in names of their own.
pub(crate) struct Strict<T>(pub(crate) T);

type RouteTable = HashMap<String, HashMap<Method, BoxEndpoint<'static>>>;

impl<T: OpenApi> OpenApi for Strict<T> {
    fn meta() -> Vec<MetaApi> {
        T::meta()
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn add_routes(self, table: &mut RouteTable) {
        let known = known(T::meta());
        let mut routes = RouteTable::new();
        self.0.add_routes(&mut routes);
        for (path, methods) in routes {
            let methods = methods.into_iter().map(|(method, endpoint)| {
                match known.get(&(shape(&path), method.clone())) {
                    Some(known) => (method, checked(endpoint, Arc::clone(known))),
                    None => (method, endpoint),
                }
            });
            let methods: Vec<_> = methods.collect();
            table.entry(path).or_default().extend(methods);
        }
    }
}

/// What an operation takes in its query.
struct Known {
    operation: Option<&'static str>,
    names: Vec<String>,
}

impl Known {
    fn of(operation: MetaOperation) -> Self {
        let parameters = operation.params.into_iter();
        let of_query = parameters.filter(|parameter| parameter.in_type == MetaParamIn::Query);
        Self {
            operation: operation.operation_id,
            names: of_query.map(|parameter| parameter.name).collect(),
        }
    }

    /// Refuses what is unknown, all of it at once.
    fn check(&self, request: &Request) -> poem::Result<()> {
        // Who calls without a key is to hear of that first.
        if request.uri().query().is_none() || request.data::<Caller>().is_none() {
            return Ok(());
        }
        let sent: Vec<(String, String)> = request.params()?;
        let mut unknown: Vec<String> = sent.into_iter().map(|(name, _)| name).collect();
        unknown.retain(|name| !self.names.contains(name));
        unknown.sort_unstable();
        unknown.dedup();
        if unknown.is_empty() {
            return Ok(());
        }
        let named = |name| FieldProblem::new(name, "is not a parameter of this operation");
        let unknown = unknown.into_iter().map(named).collect();
        let mut refused = poem::Error::from(Problem::invalid(unknown));
        if let Some(operation) = self.operation {
            refused.set_data(OperationId(operation));
        }
        Err(refused)
    }
}

/// What each operation with a key takes, by the shape of its path and its method.
fn known(apis: Vec<MetaApi>) -> HashMap<(String, Method), Arc<Known>> {
    let mut known = HashMap::new();
    for path in apis.into_iter().flat_map(|api| api.paths) {
        for operation in path.operations {
            let mut security = operation.security.iter();
            if security.any(|schemes| schemes.contains_key("api_key")) {
                let method = operation.method.clone();
                known.insert((shape(&path.path), method), Arc::new(Known::of(operation)));
            }
        }
    }
    known
}

/// A path whose parameters have no names: the router and the specification write them differently.
fn shape(path: &str) -> String {
    let parts = path.split('/').map(|part| {
        let is_parameter = part.starts_with([':', '{']);
        if is_parameter { "*" } else { part }
    });
    parts.collect::<Vec<_>>().join("/")
}

fn checked(endpoint: BoxEndpoint<'static>, known: Arc<Known>) -> BoxEndpoint<'static> {
    endpoint
        .before(move |request: Request| {
            let checked = known.check(&request);
            std::future::ready(checked.map(|()| request))
        })
        .boxed()
}
