use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use poem::Response;
use poem::http::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::listen::{Exchange, json_response};
use super::record::Record;

#[derive(Debug, Default)]
struct Plan<B> {
    next: VecDeque<B>,
    otherwise: B,
}

/// What a stand-in does with its next requests; clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Script<B>(Arc<Mutex<Plan<B>>>);

impl<B: Clone> Script<B> {
    /// Adds behaviours, each for one request, after those that wait already.
    pub(super) fn extend(&self, behaviours: impl IntoIterator<Item = B>) {
        self.plan().next.extend(behaviours);
    }

    /// Sets what holds for every request once the script is empty.
    pub(super) fn otherwise(&self, behaviour: B) {
        self.plan().otherwise = behaviour;
    }

    /// Takes the next behaviour.
    pub(super) fn take(&self) -> B {
        let mut plan = self.plan();
        match plan.next.pop_front() {
            Some(behaviour) => behaviour,
            None => plan.otherwise.clone(),
        }
    }

    fn plan(&self) -> std::sync::MutexGuard<'_, Plan<B>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers the paths by which another process sets the script and reads the record; `None` for all others.
pub(super) async fn control<B, T>(
    exchange: &Exchange,
    script: &Script<B>,
    record: &Record<T>,
) -> Option<Response>
where
    B: Clone + DeserializeOwned,
    T: Clone + Serialize,
{
    match (&exchange.method, exchange.path.as_str()) {
        (&Method::POST, "/__behaviours") => {
            let list = serde_json::from_slice::<Vec<B>>(&exchange.body);
            Some(taken(list.map(|behaviours| script.extend(behaviours))))
        }
        (&Method::PUT, "/__behaviours") => {
            let one = serde_json::from_slice::<B>(&exchange.body);
            Some(taken(one.map(|behaviour| script.otherwise(behaviour))))
        }
        (&Method::GET, "/__received") => {
            let n = exchange.query_number("at_least").unwrap_or(0);
            let timeout = exchange.query_number("timeout_ms").unwrap_or(0);
            let wait = record
                .wait_for(
                    usize::try_from(n).unwrap_or(usize::MAX),
                    Duration::from_millis(timeout),
                )
                .await;
            Some(match wait {
                Ok(all) => json_response(StatusCode::OK, &all),
                Err(_) => json_response(StatusCode::REQUEST_TIMEOUT, &record.all()),
            })
        }
        _ => None,
    }
}

fn taken(parsed: Result<(), serde_json::Error>) -> Response {
    match parsed {
        Ok(()) => StatusCode::NO_CONTENT.into(),
        Err(error) => json_response(StatusCode::BAD_REQUEST, &error.to_string()),
    }
}
