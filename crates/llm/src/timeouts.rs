use std::time::Duration;

/// How long each part of an answer may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From the look-up of the name to the finished TLS handshake. Default 5 s.
    pub connect: Duration,
    /// From the start to the first piece of the answer, unseen reasoning included. Default 45 s.
    pub first_token: Duration,
    /// Between two pieces, keep-alives included. Default 30 s.
    pub idle: Duration,
    /// From the start to the end. Default 10 minutes.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            first_token: Duration::from_secs(45),
            idle: Duration::from_secs(30),
            total: Duration::from_mins(10),
        }
    }
}

impl Timeouts {
    /// The limits of the HTTP client beneath: its own for connecting, ours for all that follows,
    /// with a net under them that never cuts first.
    pub(crate) const fn outbound(&self) -> outbound::Timeouts {
        outbound::Timeouts {
            connect: self.connect,
            read: self.total.saturating_add(Duration::from_secs(30)),
            total: None,
        }
    }
}
