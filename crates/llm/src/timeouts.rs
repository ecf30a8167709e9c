use std::time::Duration;

/// How long each part of an answer may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From the look-up of the name to the finished TLS handshake. Default 5 s.
    pub connect: Duration,
    /// From the start to the first piece of the answer, unseen reasoning included. Default 45 s.
    pub first_token: Duration,
    /// The same where a model may have to be loaded into memory first. Default 5 minutes.
    pub first_token_local: Duration,
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
            first_token_local: Duration::from_mins(5),
            idle: Duration::from_secs(30),
            total: Duration::from_mins(10),
        }
    }
}

impl Timeouts {
    /// The same limits for a server that may have to load the model first.
    pub(crate) const fn local(self) -> Self {
        Self {
            first_token: self.first_token_local,
            ..self
        }
    }

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
