//! The API in the test's own process.

use std::num::NonZeroU32;
use std::sync::Arc;

use api::{AppState, Limits};
use assistant::WebchatCaps;
use db::{Db, DbOptions};
use domain::Clock;
use llm::PlatformProviders;
use outbound::Guard;
use poem::endpoint::BoxEndpoint;
use poem::http::{HeaderMap, Method, StatusCode};
use poem::{Body, Endpoint as _, EndpointExt as _, Request, Response};
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::TestDb;

use crate::app::{assistant, caps, no_caps, state_of};

pub(crate) const ADMIN_KEY: &str = "the-operators-own-key";
pub(crate) const APP_SECRET: &str = "the-platforms-app-secret";
pub(crate) const VERIFY_TOKEN: &str = "the-platforms-verify-token";
pub(crate) const MAX_UPLOAD_BYTES: u64 = 100_000;

/// The API with its database and its files.
pub(crate) struct TestServer {
    pub(crate) state: Arc<AppState>,
    /// All of HTTP, put together once.
    pub(crate) endpoint: BoxEndpoint<'static, Response>,
    pub(crate) clock: Clock,
    pub(crate) database: TestDb,
    pub(crate) folder: TempDir,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

/// A file, read to its end.
#[derive(Debug)]
pub(crate) struct RawReply {
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Vec<u8>,
}

impl Reply {
    async fn read(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let text = body.into_string().await.unwrap();
        Self {
            status: parts.status,
            headers: parts.headers,
            text,
        }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The body, after a check of the status.
    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        if self.text.is_empty() {
            Value::Null
        } else {
            self.json()
        }
    }

    /// The problem's code, after a check of its form.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16) -> String {
        let body = self.expect(status);
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(body["status"], status);
        assert_eq!(body["request_id"], self.header("x-request-id"));
        assert!(!body["request_id"].as_str().unwrap().is_empty());
        body["code"].as_str().unwrap().to_owned()
    }
}

impl TestServer {
    pub(crate) async fn start() -> Self {
        Self::with_limits(Limits {
            max_upload_bytes: MAX_UPLOAD_BYTES,
            ..Limits::default()
        })
        .await
    }

    pub(crate) async fn with_burst(burst: u32) -> Self {
        let burst = NonZeroU32::new(burst).unwrap();
        let requests_per_second = NonZeroU32::MIN;
        Self::with_limits(Limits {
            burst,
            requests_per_second,
            ..Limits::default()
        })
        .await
    }

    /// Whose callers meet no limit but those of what they send.
    pub(crate) async fn without_limits() -> Self {
        let limits = Limits {
            burst: NonZeroU32::MAX,
            requests_per_second: NonZeroU32::MAX,
            searches_burst: NonZeroU32::MAX,
            searches_per_second: NonZeroU32::MAX,
            ..Limits::default()
        };
        Self::set(
            limits,
            PlatformProviders::default(),
            Guard::default(),
            no_caps(),
        )
        .await
    }

    /// Every tenant has `burst` searches, and gets one back each second.
    pub(crate) async fn with_searches(burst: u32) -> Self {
        Self::with_limits(Limits {
            searches_per_second: NonZeroU32::MIN,
            searches_burst: NonZeroU32::new(burst).unwrap(),
            ..Limits::default()
        })
        .await
    }

    async fn with_limits(limits: Limits) -> Self {
        Self::with(limits, PlatformProviders::default()).await
    }

    /// With these providers of the platform's.
    pub(crate) async fn with_platform(platform: PlatformProviders) -> Self {
        Self::with(Limits::default(), platform).await
    }

    /// Whose tenants may set addresses on this machine, and choose what embeds for them.
    pub(crate) async fn of_this_machine() -> Self {
        let guard = Guard::new(["127.0.0.0/8".parse().unwrap()]);
        let platform = PlatformProviders::default();
        Self::with_guard(Limits::default(), platform, guard).await
    }

    async fn with(limits: Limits, platform: PlatformProviders) -> Self {
        Self::with_guard(limits, platform, Guard::default()).await
    }

    async fn with_guard(limits: Limits, platform: PlatformProviders, guard: Guard) -> Self {
        Self::set(limits, platform, guard, caps()).await
    }

    async fn set(
        limits: Limits,
        platform: PlatformProviders,
        guard: Guard,
        caps: WebchatCaps,
    ) -> Self {
        let database = TestDb::new().await;
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::fixed("2026-11-23T12:00:00Z".parse().unwrap());
        let db = Db::connect_lazy(&DbOptions::new(database.url())).unwrap();
        let assistant = assistant(db, &folder, clock.clone(), platform, &guard, caps);
        let state = state_of(assistant, limits, guard);
        Self {
            endpoint: api::server(Arc::clone(&state)).boxed(),
            state,
            clock,
            database,
            folder,
        }
    }

    pub(crate) async fn send(&self, request: Request) -> Reply {
        Reply::read(self.endpoint.get_response(request).await).await
    }

    pub(crate) async fn call(&self, key: &str, method: Method, path: &str, body: Value) -> Reply {
        self.call_with(key, method, path, body, &[]).await
    }

    pub(crate) async fn call_with(
        &self,
        key: &str,
        method: Method,
        path: &str,
        body: Value,
        headers: &[(&str, &str)],
    ) -> Reply {
        let mut request = Request::builder().method(method).uri_str(path);
        if !key.is_empty() {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = match body {
            Value::Null => request.finish(),
            body => request
                .content_type("application/json")
                .body(body.to_string()),
        };
        self.send(request).await
    }

    pub(crate) async fn get(&self, key: &str, path: &str) -> Reply {
        self.call(key, Method::GET, path, Value::Null).await
    }

    pub(crate) async fn post(&self, key: &str, path: &str, body: Value) -> Reply {
        self.call(key, Method::POST, path, body).await
    }

    pub(crate) async fn put(&self, key: &str, path: &str, body: Value) -> Reply {
        self.call(key, Method::PUT, path, body).await
    }

    pub(crate) async fn delete(&self, key: &str, path: &str) -> Reply {
        self.call(key, Method::DELETE, path, Value::Null).await
    }

    /// A tenant with a key of its own: (`/api/tenants/{id}`, the key).
    pub(crate) async fn tenant(&self, name: &str) -> (String, String) {
        let tenant = self
            .post(ADMIN_KEY, "/api/tenants", json!({"name": name}))
            .await
            .expect(201);
        let path = format!("/api/tenants/{}", tenant["id"].as_str().unwrap());
        let key = self
            .post(ADMIN_KEY, &format!("{path}/api-keys"), json!({}))
            .await
            .expect(201);
        (path, key["key"].as_str().unwrap().to_owned())
    }

    /// A file as it is downloaded.
    pub(crate) async fn raw(&self, key: &str, path: &str) -> RawReply {
        let request = Request::builder()
            .uri_str(path)
            .header("authorization", format!("Bearer {key}"))
            .finish();
        let response = self.endpoint.get_response(request).await;
        assert_eq!(response.status().as_u16(), 200);
        let (parts, body) = response.into_parts();
        RawReply {
            headers: parts.headers,
            bytes: body.into_vec().await.unwrap(),
        }
    }

    pub(crate) async fn upload(&self, key: &str, path: &str, name: &str, content: &[u8]) -> Reply {
        self.upload_with(key, path, &[("note", "x")], name, content)
            .await
    }

    /// The same with fields of words before the file.
    pub(crate) async fn upload_with(
        &self,
        key: &str,
        path: &str,
        words: &[(&str, &str)],
        name: &str,
        content: &[u8],
    ) -> Reply {
        let (kind, form) = form_with(words, name, content);
        let request = Request::builder()
            .method(Method::POST)
            .uri_str(path)
            .header("authorization", format!("Bearer {key}"))
            .content_type(kind)
            .body(Body::from_vec(form));
        self.send(request).await
    }
}

/// A form with one file: its media type and its bytes.
pub(crate) fn form(name: &str, content: &[u8]) -> (&'static str, Vec<u8>) {
    form_with(&[("note", "x")], name, content)
}

fn form_with(words: &[(&str, &str)], name: &str, content: &[u8]) -> (&'static str, Vec<u8>) {
    let part = |head: &str, content: &[u8]| {
        let head = format!("--edge\r\nContent-Disposition: form-data; {head}\r\n\r\n");
        [head.as_bytes(), content, b"\r\n"].concat()
    };
    let words = words
        .iter()
        .flat_map(|(name, text)| part(&format!("name=\"{name}\""), text.as_bytes()));
    let file = part(&format!("name=\"file\"; filename=\"{name}\""), content);
    let form = words.chain(file).chain(*b"--edge--\r\n").collect();
    ("multipart/form-data; boundary=edge", form)
}
