mod behaviour;
mod error;
mod handle;
mod messenger;
mod statuses;
mod things;

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use behaviour::{GraphBehaviour, GraphReply, StatusPlan, StatusStep};
pub use statuses::{PostedStatus, StatusWebhook};
pub use things::Upload;

use super::listen::{Listening, listen};
use super::record::{Record, TooFew};
use super::script::Script;
use things::Things;

/// Meta's Graph API as far as sending goes, for WhatsApp numbers and for pages, with the statuses
/// that follow what a number sends; files, subscriptions and numbers besides.
///
/// `POST /{version}/{phone_number_id}/messages` checks the bearer token (code 190), then the body
/// (code 100), and only then takes the next behaviour of the script.
#[derive(Debug)]
pub struct GraphServer {
    listening: Listening,
    inner: Arc<Inner>,
}

/// How a [`GraphServer`] is set up.
#[derive(Clone, Debug, Default)]
pub struct GraphOptions {
    /// The port, 0 (the default) for any free one.
    pub port: u16,
    /// The only bearer token it accepts; `None` (the default) accepts any.
    pub token: Option<String>,
    /// Where statuses go; without it (the default) none are sent.
    pub statuses_to: Option<StatusWebhook>,
}

/// A message the server took, whether or not the caller got to know.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentMessage {
    /// The number or page it was sent from.
    pub phone_number_id: String,
    /// The receiver as it stood in the request.
    pub to: String,
    /// Whether the receiver was given as business-scoped user id in `recipient`.
    pub is_user_id: bool,
    /// The text.
    pub text: String,
    /// The `biz_opaque_callback_data`.
    pub tag: Option<String>,
    /// The id it was given.
    pub wamid: String,
    /// When the head of the request had arrived.
    pub at: DateTime<Utc>,
    /// The whole request.
    #[serde(default)]
    pub body: Value,
}

/// A conversation that was to go to another app of its page, or to come back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadMove {
    /// The page.
    pub page: String,
    /// `take_thread_control` or `pass_thread_control`.
    pub path: String,
    /// The whole request.
    pub body: Value,
}

/// What handlers and status reports share.
#[derive(Debug)]
struct Inner {
    options: GraphOptions,
    script: Script<GraphBehaviour>,
    sent: Record<SentMessage>,
    requests: Record<DateTime<Utc>>,
    marks: Record<Value>,
    moves: Record<ThreadMove>,
    posted: Record<PostedStatus>,
    things: Things,
    looks: Record<DateTime<Utc>>,
    holds_looks: watch::Sender<bool>,
    webhook: Mutex<Option<StatusWebhook>>,
    pages_webhook: Mutex<Option<StatusWebhook>>,
    client: reqwest::Client,
    stop: CancellationToken,
}

impl Drop for GraphServer {
    fn drop(&mut self) {
        self.inner.stop.cancel();
    }
}

impl GraphServer {
    /// Listens on `127.0.0.1`.
    ///
    /// # Errors
    /// What the system says when it cannot listen there.
    pub async fn start(options: GraphOptions) -> io::Result<Self> {
        let port = options.port;
        let inner = Arc::new(Inner {
            webhook: Mutex::new(options.statuses_to.clone()),
            pages_webhook: Mutex::default(),
            options,
            script: Script::default(),
            sent: Record::default(),
            requests: Record::default(),
            marks: Record::default(),
            moves: Record::default(),
            posted: Record::default(),
            things: Things::default(),
            looks: Record::default(),
            holds_looks: watch::Sender::new(false),
            client: super::client::loopback_client().map_err(io::Error::other)?,
            stop: CancellationToken::new(),
        });
        let shared = Arc::clone(&inner);
        let listening = listen(port, move |exchange| {
            handle::handle(Arc::clone(&shared), exchange)
        })
        .await?;
        Ok(Self { listening, inner })
    }

    /// The address without version, `http://127.0.0.1:<port>` without a slash at the end.
    pub fn url(&self) -> &str {
        &self.listening.url
    }

    /// Sends the statuses of all later messages to `webhook`.
    pub fn send_statuses_to(&self, webhook: StatusWebhook) {
        self.inner.set_webhook(webhook);
    }

    /// Sends what pages are told of their later messages to `webhook`, and not where numbers are told.
    pub fn send_pages_statuses_to(&self, webhook: StatusWebhook) {
        self.inner.set_pages_webhook(webhook);
    }

    /// Adds behaviours, each for one valid send.
    pub fn script<B: Into<GraphBehaviour>>(&self, behaviours: impl IntoIterator<Item = B>) {
        self.inner
            .script
            .extend(behaviours.into_iter().map(Into::into));
    }

    /// Sets what holds for every valid send once the script is empty.
    pub fn otherwise(&self, behaviour: impl Into<GraphBehaviour>) {
        self.inner.script.otherwise(behaviour.into());
    }

    /// Every message taken so far, oldest first.
    pub fn received(&self) -> Vec<SentMessage> {
        self.inner.sent.all()
    }

    /// When each request to send a message arrived, refused ones included.
    pub fn requests(&self) -> Vec<DateTime<Utc>> {
        self.inner.requests.all()
    }

    /// Waits until contacts were shown at least `n` marks: that a message was read, that somebody
    /// writes; returns their bodies.
    ///
    /// # Errors
    /// [`TooFew`] when `timeout` passes first.
    pub async fn wait_for_marks(&self, n: usize, timeout: Duration) -> Result<Vec<Value>, TooFew> {
        self.inner.marks.wait_for(n, timeout).await
    }

    /// Waits until conversations of pages were moved at least `n` times and returns every move.
    ///
    /// # Errors
    /// [`TooFew`] when `timeout` passes first.
    pub async fn wait_for_moves(
        &self,
        n: usize,
        timeout: Duration,
    ) -> Result<Vec<ThreadMove>, TooFew> {
        self.inner.moves.wait_for(n, timeout).await
    }

    /// Waits until at least `n` messages were taken and returns all of them.
    ///
    /// # Errors
    /// [`TooFew`] when `timeout` passes first.
    pub async fn wait_for(&self, n: usize, timeout: Duration) -> Result<Vec<SentMessage>, TooFew> {
        self.inner.sent.wait_for(n, timeout).await
    }

    /// Waits until at least `n` requests reached the send path, refused ones included.
    ///
    /// # Errors
    /// [`TooFew`] when `timeout` passes first.
    pub async fn wait_for_requests(&self, n: usize, timeout: Duration) -> Result<(), TooFew> {
        self.inner.requests.wait_for(n, timeout).await.map(|_| ())
    }

    /// Reports statuses of a message, such as those that were withheld before.
    pub fn report(&self, message: SentMessage, statuses: StatusPlan) {
        self.inner.report(message, statuses);
    }

    /// Every status the webhook answered with 200, oldest first.
    pub fn posted_statuses(&self) -> Vec<PostedStatus> {
        self.inner.posted.all()
    }

    /// Waits until the webhook has answered at least `n` statuses with 200 and returns all of them.
    ///
    /// # Errors
    /// [`TooFew`] when `timeout` passes first.
    pub async fn wait_for_statuses(
        &self,
        n: usize,
        timeout: Duration,
    ) -> Result<Vec<PostedStatus>, TooFew> {
        self.inner.posted.wait_for(n, timeout).await
    }

    /// Has a file ready to be fetched, as one that a contact sent.
    pub fn add_file(&self, id: &str, mime_type: &str, bytes: impl Into<bytes::Bytes>) {
        self.inner.things.add_file(id, mime_type, bytes.into());
    }

    /// Lets the next so many addresses of files be over by the time anybody fetches from them.
    pub fn expire_addresses(&self, count: usize) {
        self.inner.things.expire_addresses(count);
    }

    /// How often the address of a file was asked for.
    pub fn addresses_asked_for(&self) -> usize {
        self.inner.things.addresses_asked_for()
    }

    /// The files that were uploaded, oldest first.
    pub fn uploads(&self) -> Vec<Upload> {
        self.inner.things.uploads()
    }

    /// Refuses the next uploads with errors of these codes, in order.
    pub fn refuse_uploads(&self, codes: &[i64]) {
        self.inner.things.refuse_uploads(codes);
    }

    /// Answers looks at numbers and pages with an error of this code; `None` (the default): with what
    /// they are.
    pub fn refuse_looks(&self, code: Option<i64>) {
        self.inner.things.refuse_looks(code);
    }

    /// Lets looks at numbers, pages and subscriptions wait for their answer, until they are let go.
    pub fn hold_looks(&self, hold: bool) {
        self.inner.holds_looks.send_replace(hold);
    }

    /// Waits until at least `n` such looks have come.
    ///
    /// # Errors
    /// [`TooFew`] when `timeout` passes first.
    pub async fn wait_for_looks(&self, n: usize, timeout: Duration) -> Result<(), TooFew> {
        self.inner.looks.wait_for(n, timeout).await.map(|_| ())
    }

    /// Sets the app that is subscribed, by its id; 1 by default.
    pub fn set_subscribed_app(&self, id: &str) {
        self.inner.things.set_subscribed_app(id);
    }

    /// Refuses every app that wants to be subscribed, or no longer.
    pub fn refuse_subscriptions(&self, refuse: bool) {
        self.inner.things.refuse_subscriptions(refuse);
    }

    /// Forgets that apps are subscribed, until one subscribes again.
    pub fn unsubscribe(&self) {
        self.inner.things.unsubscribe();
    }

    /// Sets the quality of numbers: `GREEN`, `YELLOW` or `RED`.
    pub fn set_quality(&self, quality: &str) {
        self.inner.things.set_quality(quality);
    }
}
