//! Writes that are done once however often they are sent.
//!
//! A write with an `Idempotency-Key` is remembered for a day by caller, method, path and key; only
//! answers of success are. They are kept sealed, because some show a secret once. Of an upload the
//! file is not compared, only where it was sent to: its body is not read twice.

use std::sync::Arc;

use poem::http::{Method, StatusCode, header};
use poem::{Body, Endpoint, Request, Response};
use serde::{Deserialize, Serialize};
use store::idempotency_keys::{self, Begun};

use crate::auth::Caller;
use crate::observe::answer;
use crate::payload::read_capped;
use crate::{AppState, Problem};

const HEADER: &str = "idempotency-key";
const REPLAYED: &str = "idempotent-replayed";
const MAX_KEY_CHARS: usize = 255;

/// An answer as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    content_type: Option<String>,
    body: String,
}

/// One write with a key.
struct Write {
    caller: Caller,
    id: [u8; 32],
    request_hash: [u8; 32],
}

/// Answers a write that was done before as it was answered then, and lets others through.
pub(crate) async fn replay<E: Endpoint + 'static>(
    endpoint: Arc<E>,
    mut request: Request,
) -> poem::Result<Response> {
    let Some(write) = Write::read(&mut request).await? else {
        return Ok(answer(&*endpoint, request).await);
    };
    match write.begin().await? {
        Begun::InFlight => Err(Problem::conflict(
            "idempotency_key_in_flight",
            "Another request with this Idempotency-Key is being done.",
        )
        .into()),
        Begun::Done {
            request_hash,
            status,
            body,
        } => {
            if request_hash != write.request_hash {
                return Err(reused().into());
            }
            Ok(write.answer_again(status, &body)?)
        }
        Begun::Fresh => {
            // On a task of its own: a client that goes away must not leave its key claimed.
            let work = async move { write.finish(answer(&*endpoint, request).await).await };
            let done = tokio::spawn(telemetry::trace::follow(work))
                .await
                .map_err(Problem::internal)?;
            Ok(done?)
        }
    }
}

fn reused() -> Problem {
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "idempotency_key_reused",
        "This Idempotency-Key was used for another request.",
    )
}

impl Write {
    /// Reads key and body; `None` for what is no write with a key of a known caller.
    async fn read(request: &mut Request) -> Result<Option<Self>, Problem> {
        if !matches!(*request.method(), Method::POST | Method::PUT) {
            return Ok(None);
        }
        let (Some(caller), Some(key)) = (
            request.data::<Caller>().cloned(),
            request.headers().get(HEADER),
        ) else {
            return Ok(None);
        };
        let key = key.to_str().unwrap_or_default().to_owned();
        if key.is_empty() || key.len() > MAX_KEY_CHARS {
            let detail = format!("must have 1 to {MAX_KEY_CHARS} ASCII characters");
            return Err(Problem::invalid_field("Idempotency-Key", detail));
        }
        let path = request.uri().path().to_owned();
        let query = request.uri().query().unwrap_or_default().to_owned();
        let who = caller.key().to_string();
        let id = digest(&[&who, request.method().as_str(), &path, &key]);
        let body = if is_upload(request) {
            bytes::Bytes::new()
        } else {
            take_body(request).await?
        };
        let body_hash = hash(&body);
        let request_hash = digest_bytes(&[query.as_bytes(), &body_hash]);
        Ok(Some(Self {
            caller,
            id,
            request_hash,
        }))
    }

    fn state(&self) -> &AppState {
        self.caller.state()
    }

    /// What the kept answer is sealed for.
    fn context(&self) -> Vec<u8> {
        [b"idempotency_keys/response_body/", &self.id[..]].concat()
    }

    async fn begin(&self) -> Result<Begun, Problem> {
        let now = self.state().clock.now();
        let mut tx = self.state().db.system().await?;
        let tenant = self.caller.tenant();
        let begun =
            idempotency_keys::begin(&mut tx, &self.id, tenant, &self.request_hash, now).await?;
        tx.commit().await?;
        Ok(begun)
    }

    fn answer_again(&self, status: i16, sealed: &[u8]) -> Result<Response, Problem> {
        let kept: Kept = self.state().keyring.open_json(&self.context(), sealed)?;
        let status = u16::try_from(status)
            .ok()
            .and_then(|status| StatusCode::from_u16(status).ok())
            .unwrap_or(StatusCode::OK);
        let mut response = Response::builder().status(status).header(REPLAYED, "true");
        if let Some(content_type) = kept.content_type {
            response = response.content_type(content_type);
        }
        Ok(response.body(kept.body))
    }

    /// Keeps an answer of success; gives the key up after any other.
    async fn finish(&self, mut response: Response) -> Result<Response, Problem> {
        if !response.status().is_success() {
            self.forget().await;
            return Ok(response);
        }
        let body = response
            .take_body()
            .into_string()
            .await
            .map_err(Problem::internal)?;
        let content_type = response.headers().get(header::CONTENT_TYPE);
        let content_type = content_type
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        if let Err(problem) = self.keep(response.status(), content_type, &body).await {
            // It is done, and the caller must hear of it; only a repeat will not know.
            tracing::warn!(error = ?problem, "an answer could not be kept for its Idempotency-Key");
        }
        response.set_body(body);
        Ok(response)
    }

    async fn keep(
        &self,
        status: StatusCode,
        content_type: Option<String>,
        body: &str,
    ) -> Result<(), Problem> {
        let kept = Kept {
            content_type,
            body: body.to_owned(),
        };
        let sealed = self.state().keyring.seal_json(&self.context(), &kept)?;
        let status = i16::try_from(status.as_u16()).unwrap_or(200);
        let mut tx = self.state().db.system().await?;
        idempotency_keys::finish(&mut tx, &self.id, &self.request_hash, status, &sealed).await?;
        Ok(tx.commit().await?)
    }

    async fn forget(&self) {
        let forgotten = async {
            let mut tx = self.state().db.system().await?;
            idempotency_keys::forget(&mut tx, &self.id).await?;
            tx.commit().await
        };
        if let Err(error) = forgotten.await {
            tracing::warn!(%error, "an Idempotency-Key could not be given up");
        }
    }
}

fn is_upload(request: &Request) -> bool {
    request
        .content_type()
        .is_some_and(|kind| kind.starts_with("multipart/"))
}

/// Reads the body and puts it back.
async fn take_body(request: &mut Request) -> Result<bytes::Bytes, Problem> {
    let bytes = read_capped(request.take_body()).await?;
    request.set_body(Body::from_bytes(bytes.clone()));
    Ok(bytes)
}

fn hash(bytes: &[u8]) -> [u8; 32] {
    secrets::sha256(bytes)
}

fn digest(parts: &[&str]) -> [u8; 32] {
    digest_bytes(&parts.iter().map(|part| part.as_bytes()).collect::<Vec<_>>())
}

/// The hash of several parts, each with its length, so that none runs into the next.
fn digest_bytes(parts: &[&[u8]]) -> [u8; 32] {
    let mut text = Vec::new();
    for part in parts {
        text.extend_from_slice(&(part.len() as u64).to_be_bytes());
        text.extend_from_slice(part);
    }
    hash(&text)
}
