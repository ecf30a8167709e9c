use std::time::Duration;

/// What a failed send asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendClass {
    /// Not sent; try again, not before `after` if it is given.
    Retry {
        /// How long to wait at least.
        after: Option<Duration>,
    },
    /// Most likely not sent, for reasons Meta does not know itself; try again a few times.
    RetryFew,
    /// Too many messages to this contact; try again after 4^n seconds.
    PairLimit,
    /// Too many messages or calls of this number; nothing of it should be sent for a while.
    Throughput,
    /// The contact's last message is too long ago for a free answer.
    WindowClosed,
    /// This message will never be taken.
    Permanent,
    /// The access token is dead or lacks a permission; the channel must be connected anew.
    TokenDead,
    /// Meta has blocked or limited the number; nothing more should be sent before a person looked.
    ChannelBlocked,
    /// The account's set-up at Meta is incomplete: payment, registration, display name.
    Config,
    /// Perhaps sent: the request left and no usable answer came. Only the status that carries the
    /// tag can tell.
    Unknown,
}

/// How long Meta upgrades a number's throughput at most (131057).
const UPGRADE: Duration = Duration::from_mins(1);

/// How long a number may not be registered after too many attempts (133016).
const REGISTRATION_PAUSE: Duration = Duration::from_hours(72);

/// Sorts one of Meta's error codes; `None` for one that is not known.
///
/// The same codes come as answers to a send and in `failed` statuses.
///
/// Source: <https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes>,
/// 2026-05-15.
pub(super) fn class_of_code(code: i64) -> Option<SendClass> {
    let class = match code {
        2 | 131_016 => SendClass::Retry { after: None },
        131_057 => SendClass::Retry {
            after: Some(UPGRADE),
        },
        133_016 => SendClass::Retry {
            after: Some(REGISTRATION_PAUSE),
        },
        1 | 131_000 => SendClass::RetryFew,
        131_056 => SendClass::PairLimit,
        4 | 80_007 | 130_429 => SendClass::Throughput,
        131_047 => SendClass::WindowClosed,
        0 | 3 | 10 | 190 | 200..=299 | 131_005 => SendClass::TokenDead,
        368 | 131_031 | 131_048 => SendClass::ChannelBlocked,
        131_037 | 131_042 | 131_045 | 133_010 => SendClass::Config,
        100
        | 130_472
        | 130_497
        | 131_008
        | 131_009
        | 131_021
        | 131_026
        | 131_030
        | 131_049
        | 131_050..=131_053
        | 131_062
        | 131_064
        | 132_000..=132_099 => SendClass::Permanent,
        _ => return None,
    };
    Some(class)
}

/// Sorts an answer other than success, by its code first, which says more than the HTTP status.
pub(super) fn class_of_answer(
    status: u16,
    code: Option<i64>,
    is_transient: bool,
    retry_after: Option<Duration>,
) -> SendClass {
    match (code.and_then(class_of_code), status) {
        (Some(SendClass::Retry { after }), _) => SendClass::Retry {
            after: retry_after.or(after),
        },
        (Some(class), _) => class,
        (None, 429) => SendClass::Retry { after: retry_after },
        (None, 401 | 403) => SendClass::TokenDead,
        // A proxy or a server that broke off says nothing of what became of the message.
        (None, 408 | 500..) => SendClass::Unknown,
        (None, _) if is_transient => SendClass::RetryFew,
        (None, 400..) => SendClass::Permanent,
        (None, _) => SendClass::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_say_more_than_the_http_status() {
        let retry = |seconds| SendClass::Retry {
            after: Some(Duration::from_secs(seconds)),
        };
        let cases = [
            (500, Some(131_000), SendClass::RetryFew),
            (400, Some(131_056), SendClass::PairLimit),
            (429, Some(130_429), SendClass::Throughput),
            (400, Some(80_007), SendClass::Throughput),
            (503, Some(131_016), retry(7)),
            (400, Some(131_047), SendClass::WindowClosed),
            (400, Some(131_026), SendClass::Permanent),
            (400, Some(132_001), SendClass::Permanent),
            (401, Some(190), SendClass::TokenDead),
            (400, Some(230), SendClass::TokenDead),
            (403, Some(131_031), SendClass::ChannelBlocked),
            (400, Some(131_042), SendClass::Config),
            (400, Some(987_654), SendClass::Permanent),
            (429, None, retry(7)),
            (401, None, SendClass::TokenDead),
            (500, None, SendClass::Unknown),
            (502, Some(987_654), SendClass::Unknown),
            (302, None, SendClass::Unknown),
        ];
        let after = Some(Duration::from_secs(7));
        for (status, code, class) in cases {
            assert_eq!(
                class_of_answer(status, code, false, after),
                class,
                "{status} {code:?}"
            );
        }
        assert_eq!(
            class_of_answer(400, Some(987_654), true, None),
            SendClass::RetryFew
        );
        assert_eq!(class_of_answer(400, Some(131_057), false, None), retry(60));
    }
}
