use std::fmt;

use outbound::Client;
use reqwest::{Method, Response};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use url::Url;

use crate::{Cause, Error, Phase, Timeouts, failure};

/// Where a provider is reached, by whom and with which key: what every wire format needs.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) provider: &'static str,
    pub(crate) base_url: Url,
    pub(crate) key: Option<SecretString>,
    pub(crate) client: Client,
    pub(crate) timeouts: Timeouts,
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
    pub(crate) async fn post(&self, path: &[&str], body: &Value) -> Result<Response, Error> {
        self.call(Method::POST, path, Some(body)).await
    }

    /// Gets what is at a path below the base URL; the answer's head says success.
    pub(crate) async fn get(&self, path: &[&str]) -> Result<Response, Error> {
        self.call(Method::GET, path, None).await
    }

    async fn call(
        &self,
        method: Method,
        path: &[&str],
        body: Option<&Value>,
    ) -> Result<Response, Error> {
        let mut url = self.base_url.clone();
        url.path_segments_mut()
            .map_err(|()| self.misconfigured("the base URL cannot have a path", None))?
            .pop_if_empty()
            .extend(path);
        let request = self.client.request(method, &url);
        let mut request = request.map_err(|error| self.failed_to_send(error))?;
        if let Some(body) = body {
            request = request.json(body);
        }
        if let Some(key) = &self.key {
            request = request.bearer_auth(key.expose_secret());
        }
        let response = request.send().await;
        let response = response.map_err(|error| self.failed_to_send(error.into()))?;
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
