//! A client of the program's HTTP API.

use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::multipart::{Form, Part};
use reqwest::{RequestBuilder, StatusCode};
use serde_json::Value;

/// Calls one API with one key.
#[derive(Clone)]
pub(crate) struct Http {
    client: reqwest::Client,
    base: String,
    key: String,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Reply {
    /// The body, of an answer that had to have this status.
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        self.json()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Http {
    /// A client of the API at `base`, such as `http://127.0.0.1:3000`.
    pub(crate) fn new(base: &str, key: &str) -> Self {
        outbound::install_crypto();
        #[expect(
            clippy::disallowed_methods,
            reason = "the product's own client refuses loopback addresses"
        )]
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(30))
            .build()
            .unwrap();
        Self {
            client,
            base: base.to_owned(),
            key: key.to_owned(),
        }
    }

    /// The same API with another key.
    pub(crate) fn with_key(&self, key: &str) -> Self {
        Self {
            key: key.to_owned(),
            ..self.clone()
        }
    }

    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(self.client.get(format!("{}{path}", self.base)))
            .await
    }

    /// The bytes of what has to be there.
    pub(crate) async fn get_bytes(&self, path: &str) -> Vec<u8> {
        let request = self.client.get(format!("{}{path}", self.base));
        let response = request.bearer_auth(&self.key).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        response.bytes().await.unwrap().to_vec()
    }

    /// Posts a body as it is, with these headers besides the key; the error is that of the connection.
    pub(crate) async fn try_post_as(
        &self,
        path: &str,
        headers: &[(&'static str, &str)],
        body: String,
    ) -> Result<Reply, reqwest::Error> {
        let mut request = self.client.post(format!("{}{path}", self.base)).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.try_send(request).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        let request = self.client.post(format!("{}{path}", self.base));
        self.send(request.json(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        self.send(self.client.delete(format!("{}{path}", self.base)))
            .await
    }

    /// Posts a file as the field `file` of a form.
    pub(crate) async fn upload(&self, path: &str, name: &str, bytes: &[u8]) -> Reply {
        let file = Part::bytes(bytes.to_vec()).file_name(name.to_owned());
        let request = self.client.post(format!("{}{path}", self.base));
        self.send(request.multipart(Form::new().part("file", file)))
            .await
    }

    async fn send(&self, request: RequestBuilder) -> Reply {
        self.try_send(request).await.unwrap()
    }

    async fn try_send(&self, request: RequestBuilder) -> Result<Reply, reqwest::Error> {
        let response = request.bearer_auth(&self.key).send().await?;
        Ok(Reply {
            status: response.status(),
            headers: response.headers().clone(),
            text: response.text().await?,
        })
    }
}
