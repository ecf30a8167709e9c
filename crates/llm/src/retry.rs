use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{StreamExt as _, stream};

use crate::{Error, EventStream, Model, Phase, Request};

/// How often and how fast a failed start is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Tries after the first one. Default 2.
    pub retries: u32,
    /// The longest first wait; it doubles with every try. Default 500 ms.
    pub first_wait: Duration,
    /// The longest wait of our own choosing. Default 8 s.
    pub longest_wait: Duration,
    /// The longest wait a provider may ask for; if it asks for more, its error is returned at
    /// once. Default 120 s.
    pub longest_retry_after: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            retries: 2,
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(8),
            longest_retry_after: Duration::from_mins(2),
        }
    }
}

impl RetryPolicy {
    /// The wait before try number `retry` (from 1), or `None` if there is to be none.
    pub(crate) fn wait(&self, error: &Error, retry: u32) -> Option<Duration> {
        if retry > self.retries || !may_help(error) {
            return None;
        }
        if let Some(asked) = error.retry_after() {
            return (asked <= self.longest_retry_after).then_some(asked);
        }
        let doubled = self.first_wait.saturating_mul(1 << (retry - 1).min(16));
        // Full jitter: callers that failed together do not come back together.
        Some(doubled.min(self.longest_wait).mul_f64(rand::random()))
    }
}

/// Whether trying again at once is worth it: a slow answer is not made faster by asking for it again.
const fn may_help(error: &Error) -> bool {
    match error {
        Error::TimedOut { phase, .. } => matches!(phase, Phase::Connect),
        other => other.is_transient(),
    }
}

/// A model that starts again when the start fails.
///
/// It never does so once the first event has come: a customer may have seen it.
pub struct Retry {
    inner: Arc<dyn Model>,
    policy: RetryPolicy,
}

impl Retry {
    /// Wraps `inner`.
    pub fn new(inner: Arc<dyn Model>, policy: RetryPolicy) -> Self {
        Self { inner, policy }
    }

    /// One try: resolves with the first event, so that whatever fails before it can be retried.
    async fn start(&self, request: Request) -> Result<EventStream, Error> {
        let mut events = self.inner.stream(request).await?;
        match events.next().await {
            Some(Ok(first)) => Ok(stream::once(async { Ok(first) }).chain(events).boxed()),
            Some(Err(error)) => Err(error),
            None => Ok(events),
        }
    }
}

impl Model for Retry {
    fn provider(&self) -> &'static str {
        self.inner.provider()
    }

    fn stream(&self, request: Request) -> BoxFuture<'_, Result<EventStream, Error>> {
        Box::pin(async move {
            let mut retry = 0;
            loop {
                let error = match self.start(request.clone()).await {
                    Ok(events) => return Ok(events),
                    Err(error) => error,
                };
                retry += 1;
                let wait = self.policy.wait(&error, retry);
                let Some(wait) = wait.filter(|wait| request.has_time_for(*wait)) else {
                    return Err(error);
                };
                tracing::debug!(
                    provider = self.provider(), retry, wait_ms = wait.as_millis(), %error,
                    "starting the answer again"
                );
                tokio::time::sleep(wait).await;
            }
        })
    }
}
