use std::io;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use poem::Response;
use poem::http::{StatusCode, header};
use serde::{Deserialize, Serialize, Serializer};

use super::listen::{Exchange, Listening, Reaction, listen};
use super::record::{Record, TooFew};
use super::script::{Script, control};

/// A customer's webhook address: records every request to any path and answers as scripted.
#[derive(Debug)]
pub struct Receiver {
    listening: Listening,
    script: Script<ReceiverBehaviour>,
    record: Record<ReceivedPost>,
}

/// A request as it arrived.
#[derive(Clone, Debug, Serialize)]
pub struct ReceivedPost {
    /// The method in capitals.
    pub method: String,
    /// The path without its query.
    pub path: String,
    /// Names in lower case, in order of arrival; values that are no text are left out.
    pub headers: Vec<(String, String)>,
    /// The bytes of the body; as JSON, its text.
    #[serde(serialize_with = "as_text")]
    pub body: Bytes,
    /// When the head had arrived.
    pub at: DateTime<Utc>,
}

impl ReceivedPost {
    /// The first value of the header `name`, given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

fn as_text<S: Serializer>(body: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&String::from_utf8_lossy(body))
}

/// How a [`Receiver`] treats one request; by default it answers 200 at once.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ReceiverBehaviour {
    /// What it does.
    pub reply: ReceiverReply,
    /// How long it waits first, in milliseconds.
    pub delay_ms: u64,
}

/// What a [`Receiver`] does with a request once it has recorded it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ReceiverReply {
    /// Answers 200.
    #[default]
    Ok,
    /// Answers 200 with a body of JSON.
    Json {
        /// The body.
        body: String,
    },
    /// Answers this status with an empty body.
    Status {
        /// The HTTP status; what is none becomes 500.
        status: u16,
    },
    /// Answers 302.
    Redirect {
        /// The `Location`.
        location: String,
    },
    /// Answers 429.
    RateLimited {
        /// The `Retry-After` in seconds.
        retry_after_seconds: u64,
    },
    /// Never answers and keeps the connection open.
    Hang,
    /// Closes the connection without an answer.
    Drop,
}

impl From<ReceiverReply> for ReceiverBehaviour {
    fn from(reply: ReceiverReply) -> Self {
        Self { reply, delay_ms: 0 }
    }
}

impl Receiver {
    /// Listens on `127.0.0.1:port`, 0 for any free port.
    ///
    /// # Errors
    /// What the system says when it cannot listen there.
    pub async fn start(port: u16) -> io::Result<Self> {
        let script = Script::default();
        let record = Record::default();
        let (scripted, recorded) = (script.clone(), record.clone());
        let listening = listen(port, move |exchange| {
            handle(exchange, scripted.clone(), recorded.clone())
        })
        .await?;
        Ok(Self {
            listening,
            script,
            record,
        })
    }

    /// The address, `http://127.0.0.1:<port>` without a slash at the end.
    pub fn url(&self) -> &str {
        &self.listening.url
    }

    /// Adds behaviours, each for one request.
    pub fn script<B: Into<ReceiverBehaviour>>(&self, behaviours: impl IntoIterator<Item = B>) {
        self.script.extend(behaviours.into_iter().map(Into::into));
    }

    /// Sets what holds for every request once the script is empty.
    pub fn otherwise(&self, behaviour: impl Into<ReceiverBehaviour>) {
        self.script.otherwise(behaviour.into());
    }

    /// Every request so far, oldest first.
    pub fn received(&self) -> Vec<ReceivedPost> {
        self.record.all()
    }

    /// Waits until at least `n` requests have arrived and returns all of them.
    ///
    /// # Errors
    /// [`TooFew`] when `timeout` passes first.
    pub async fn wait_for(&self, n: usize, timeout: Duration) -> Result<Vec<ReceivedPost>, TooFew> {
        self.record.wait_for(n, timeout).await
    }
}

async fn handle(
    exchange: Exchange,
    script: Script<ReceiverBehaviour>,
    record: Record<ReceivedPost>,
) -> Reaction {
    if let Some(response) = control(&exchange, &script, &record).await {
        return Reaction::Answer(response);
    }
    let behaviour = script.take();
    record.push(ReceivedPost {
        method: exchange.method.to_string(),
        path: exchange.path,
        headers: exchange
            .headers
            .iter()
            .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
            .collect(),
        body: exchange.body,
        at: exchange.at,
    });
    tokio::time::sleep(Duration::from_millis(behaviour.delay_ms)).await;
    let response = match behaviour.reply {
        ReceiverReply::Ok => Response::default(),
        ReceiverReply::Json { body } => Response::builder()
            .content_type("application/json")
            .body(body),
        ReceiverReply::Status { status } => StatusCode::from_u16(status)
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            .into(),
        ReceiverReply::Redirect { location } => Response::builder()
            .status(StatusCode::FOUND)
            .header(header::LOCATION, location)
            .finish(),
        ReceiverReply::RateLimited {
            retry_after_seconds,
        } => Response::builder()
            .status(StatusCode::TOO_MANY_REQUESTS)
            .header(header::RETRY_AFTER, retry_after_seconds)
            .finish(),
        ReceiverReply::Hang => std::future::pending().await,
        ReceiverReply::Drop => return Reaction::Drop,
    };
    Reaction::Answer(response)
}
