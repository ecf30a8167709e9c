use std::error::Error as StdError;

use http::StatusCode;
use outbound::Refusal;

/// The most characters of an error that an attempt's record keeps.
const MAX_ERROR_CHARS: usize = 500;

/// Why an endpoint did not take an event.
#[derive(Debug, thiserror::Error)]
pub(super) enum Undelivered {
    /// It answered, but not with 2xx.
    #[error("the endpoint answered {0}")]
    Answered(StatusCode),
    /// It answered with a redirect.
    #[error("the endpoint answered {0}; redirects are not followed")]
    Redirected(StatusCode),
    /// The stored URL is none.
    #[error("the endpoint's URL cannot be read")]
    Url(#[source] url::ParseError),
    /// The stored secret does not open under this process's keys.
    #[error("the endpoint's signing secret cannot be opened")]
    Secret(#[source] secrets::Error),
    /// There was no answer.
    #[error(transparent)]
    NoAnswer(#[from] outbound::Error),
}

impl Undelivered {
    /// What an answer of that status means; `None`: delivered.
    pub(super) fn by(status: StatusCode) -> Option<Self> {
        if status.is_success() {
            None
        } else if status.is_redirection() {
            Some(Self::Redirected(status))
        } else {
            Some(Self::Answered(status))
        }
    }

    /// The failure with its causes, without what is none of the tenant's business: our keys, and
    /// where names lead inside the operator's network.
    pub(super) fn for_tenant(&self) -> String {
        match self {
            Self::NoAnswer(outbound::Error::Refused(Refusal::NotPublic(_))) => {
                "the address is refused: it does not lead to a public address".to_owned()
            }
            Self::Secret(_) => self.to_string(),
            _ => chain(self),
        }
    }
}

fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text.chars()
        .filter(|c| *c != '\0')
        .take(MAX_ERROR_CHARS)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_2xx_is_delivered() {
        for (status, delivered) in [
            (200, true),
            (202, true),
            (204, true),
            (299, true),
            (301, false),
            (304, false),
            (400, false),
            (410, false),
            (500, false),
        ] {
            let undelivered = Undelivered::by(StatusCode::from_u16(status).unwrap());
            assert_eq!(undelivered.is_none(), delivered, "{status}");
        }
    }

    #[test]
    fn a_tenant_does_not_learn_where_a_name_leads() {
        let refusal = Refusal::NotPublic("10.1.2.3".parse().unwrap());
        let undelivered = Undelivered::from(outbound::Error::Refused(refusal));
        let text = undelivered.for_tenant();
        assert!(!text.contains("10.1.2.3"), "{text}");
        assert!(text.contains("not lead to a public address"), "{text}");
    }
}
