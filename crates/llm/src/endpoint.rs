use std::fmt;
use std::sync::Arc;

use outbound::Client;
use reqwest::{Method, RequestBuilder, Response};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;
use url::Url;

use crate::providers::Auth;
use crate::rate_limits::{Gate, RateLimits};
use crate::{Cause, Error, Phase, Timeouts, failure};

/// Where a provider is reached, by whom and with which key: what every wire format needs.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) provider: &'static str,
    pub(crate) base_url: Url,
    pub(crate) auth: Auth,
    /// Headers that every request carries.
    pub(crate) headers: &'static [(&'static str, &'static str)],
    pub(crate) key: Option<SecretString>,
    pub(crate) client: Client,
    pub(crate) timeouts: Timeouts,
    /// Shared by the clones: one limit counts for all that goes to one endpoint.
    pub(crate) gate: Arc<Gate>,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("provider", &self.provider)
            .field("host", &self.base_url.host_str())
            .finish_non_exhaustive()
    }
}

impl Endpoint {
    /// Posts `body` to a path below the base URL; the answer's head says success.
    pub(crate) async fn post(
        &self,
        path: &[&str],
        body: &(impl Serialize + Sync),
    ) -> Result<Response, Error> {
        self.send(self.request(Method::POST, path, &[])?.json(body))
            .await
    }

    /// Posts `body` and reads the whole answer, which may weigh `max_bytes` and take `total`.
    pub(crate) async fn post_for<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &(impl Serialize + Sync),
        max_bytes: usize,
    ) -> Result<T, Error> {
        self.whole(self.post(path, body), max_bytes).await
    }

    /// Reads the whole of what is at a path below the base URL.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        max_bytes: usize,
    ) -> Result<T, Error> {
        let response = async { self.send(self.request(Method::GET, path, query)?).await };
        self.whole(response, max_bytes).await
    }

    async fn whole<T: DeserializeOwned>(
        &self,
        response: impl Future<Output = Result<Response, Error>> + Send,
        max_bytes: usize,
    ) -> Result<T, Error> {
        let body = async {
            let body = outbound::read_capped(response.await?, max_bytes).await;
            body.map_err(|error| self.broken("it did not come whole", Some(error.into())))
        };
        let body = timeout(self.timeouts.total, body)
            .await
            .map_err(|_| self.timed_out(Phase::Total))??;
        serde_json::from_slice(&body)
            .map_err(|error| self.broken("it cannot be read", Some(error.into())))
    }

    /// Sets up a request; what the base URL ends with is not repeated, for some write it with
    /// the version and some without.
    fn request(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<RequestBuilder, Error> {
        let mut url = self.base_url.clone();
        let has_first = url
            .path_segments()
            .and_then(|segments| segments.rev().find(|segment| !segment.is_empty()))
            .is_some_and(|last| path.first() == Some(&last));
        let path = if has_first { &path[1..] } else { path };
        url.path_segments_mut()
            .map_err(|()| self.misconfigured("the base URL cannot have a path", None))?
            .pop_if_empty()
            .extend(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let request = self.client.request(method, &url);
        let mut request = request.map_err(|error| self.failed_to_send(error))?;
        for (name, value) in self.headers {
            request = request.header(*name, *value);
        }
        let Some(key) = &self.key else {
            return Ok(request);
        };
        Ok(match self.auth {
            Auth::Bearer => request.bearer_auth(key.expose_secret()),
            Auth::ApiKey => request.header("x-api-key", key.expose_secret()),
        })
    }

    /// Sends a request and heeds what the answer says about limits.
    async fn send(&self, request: RequestBuilder) -> Result<Response, Error> {
        let response = request.send().await;
        let response = response.map_err(|error| self.failed_to_send(error.into()))?;
        self.gate.note(&RateLimits::read(response.headers()));
        if response.status().is_success() {
            return Ok(response);
        }
        Err(failure::of_response(self, response).await)
    }

    /// `text` fit for an error: the key blotted out, at most 400 characters.
    pub(crate) fn redacted(&self, text: &str) -> String {
        let text = match &self.key {
            Some(key) if !key.expose_secret().is_empty() => {
                text.replace(key.expose_secret(), "[key]")
            }
            _ => text.to_owned(),
        };
        text.chars().take(400).collect()
    }

    pub(crate) fn timed_out(&self, phase: Phase) -> Error {
        Error::TimedOut {
            provider: self.provider,
            phase,
        }
    }

    pub(crate) fn broken(&self, detail: &str, source: Option<Cause>) -> Error {
        Error::BrokenStream {
            provider: self.provider,
            detail: detail.to_owned(),
            source,
        }
    }

    pub(crate) fn unsupported(&self, detail: impl Into<String>) -> Error {
        Error::Unsupported {
            provider: self.provider,
            detail: detail.into(),
        }
    }

    pub(crate) fn refused(&self, detail: impl Into<String>) -> Error {
        Error::BadRequest {
            provider: self.provider,
            detail: detail.into(),
        }
    }

    fn misconfigured(&self, detail: &str, source: Option<Cause>) -> Error {
        Error::Misconfigured {
            provider: self.provider.to_owned(),
            detail: detail.to_owned(),
            source,
        }
    }

    fn failed_to_send(&self, error: outbound::Error) -> Error {
        match error {
            outbound::Error::Refused(refusal) => {
                self.misconfigured(&format!("the base URL is refused: {refusal}"), None)
            }
            // The source of an invalid header can hold the key.
            outbound::Error::Invalid(_) => {
                self.misconfigured("the key or the base URL cannot be sent", None)
            }
            outbound::Error::Unreachable(cause) if cause.is_timeout() => {
                self.timed_out(Phase::Connect)
            }
            other => Error::Unavailable {
                provider: self.provider,
                retry_after: None,
                source: Some(other.into()),
            },
        }
    }
}
