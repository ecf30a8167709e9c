use std::sync::Arc;
use std::time::Duration;

use poem::web::Data;
use poem_openapi::{Enum, Object, OpenApi};

use super::Tag;
use crate::answer::{Answer, Found};
use crate::{AppState, Problem};

/// How long the database may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// How the service is.
#[derive(Debug, Enum)]
#[oai(rename_all = "snake_case")]
enum State {
    /// It works.
    Ok,
}

/// The parts that were looked at.
#[derive(Debug, Object)]
struct Checks {
    /// Whether the database answers.
    database: State,
}

/// How the service is.
#[derive(Debug, Object)]
struct Health {
    /// `ok`: ready to serve.
    status: State,
    /// The version that runs.
    version: String,
    /// The parts that were looked at.
    checks: Checks,
}

pub(crate) struct HealthRoutes;

#[OpenApi(prefix_path = "/api", tag = "Tag::Health")]
impl HealthRoutes {
    /// Tell whether the service is ready
    ///
    /// 200 when it can serve, 503 when it cannot. Needs no key.
    #[oai(path = "/health", method = "get", operation_id = "get_health")]
    async fn get(&self, state: Data<&Arc<AppState>>) -> Result<Found<Health>, Problem> {
        state.db.ping(PATIENCE).await?;
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let checks = Checks {
            database: State::Ok,
        };
        Ok(Answer(Health {
            status: State::Ok,
            version,
            checks,
        }))
    }
}
