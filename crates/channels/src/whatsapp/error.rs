use std::time::Duration;

use crate::SendClass;
use crate::meta::GraphError;

/// How long Meta upgrades a number's throughput at most (131057).
const UPGRADE: Duration = Duration::from_mins(1);

/// How long a number pauses while Meta's service is down or overloaded (2, 131016).
const OUTAGE: Duration = Duration::from_secs(5);

/// Sorts one of Meta's error codes; `None` for one that is not known.
///
/// The same codes come as answers to a send and in `failed` statuses.
///
/// A number that was registered too often may not be registered for three days (133016), and sends
/// nothing until it is: no answer is worth that wait, so its messages fail like those of any number
/// that is not registered.
///
/// Source: <https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes>,
/// 2026-05-15.
pub(super) fn class_of_code(code: i64) -> Option<SendClass> {
    let class = match code {
        2 | 131_016 => SendClass::Retry {
            after: Some(OUTAGE),
        },
        131_057 => SendClass::Retry {
            after: Some(UPGRADE),
        },
        1 | 131_000 => SendClass::RetryFew,
        131_056 => SendClass::PairLimit,
        4 | 80_007 | 130_429 => SendClass::Throughput,
        131_047 => SendClass::WindowClosed,
        0 | 3 | 10 | 190 | 200..=299 | 131_005 => SendClass::TokenDead,
        368 | 131_031 | 131_048 => SendClass::ChannelBlocked,
        131_037 | 131_042 | 131_045 | 133_010 | 133_016 => SendClass::Config,
        131_050 => SendClass::OptedOut,
        100
        | 130_472
        | 130_497
        | 131_008
        | 131_009
        | 131_021
        | 131_026
        | 131_030
        | 131_049
        | 131_051..=131_053
        | 131_062
        | 131_064
        | 132_000..=132_099 => SendClass::Permanent,
        _ => return None,
    };
    Some(class)
}

/// Sorts an error of the Graph API's, by its code first.
pub(super) fn class_of(error: &GraphError) -> SendClass {
    error.class(error.code.and_then(class_of_code))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(
        status: u16,
        code: Option<i64>,
        is_transient: bool,
        retry_after: Option<Duration>,
    ) -> GraphError {
        GraphError {
            status,
            code,
            subcode: None,
            is_transient,
            retry_after,
        }
    }

    #[test]
    fn every_code_of_the_list_has_its_class() {
        let after = |seconds| SendClass::Retry {
            after: Some(Duration::from_secs(seconds)),
        };
        let rows: [(&[i64], SendClass); 11] = [
            (&[130_429, 4, 80_007], SendClass::Throughput),
            (&[131_056], SendClass::PairLimit),
            (&[131_016, 2], after(5)),
            (&[131_057], after(60)),
            (&[131_000, 1], SendClass::RetryFew),
            (&[131_047], SendClass::WindowClosed),
            (
                &[
                    131_026, 131_021, 131_030, 131_051, 131_062, 131_049, 130_472, 131_064,
                    130_497, 131_052, 131_053, 100, 131_008, 131_009, 132_000, 132_001, 132_005,
                    132_007, 132_008, 132_012, 132_015, 132_016, 132_068, 132_069,
                ],
                SendClass::Permanent,
            ),
            (&[131_050], SendClass::OptedOut),
            (&[131_048, 368, 131_031], SendClass::ChannelBlocked),
            (&[190, 0, 3, 10, 200, 299, 131_005], SendClass::TokenDead),
            (
                &[131_042, 131_045, 133_010, 133_016, 131_037],
                SendClass::Config,
            ),
        ];
        let guide = include_str!("../../../../docs/whatsapp.md");
        for (codes, class) in rows {
            for code in codes {
                assert_eq!(class_of_code(*code), Some(class), "{code}");
                // Ranges stand there by their ends.
                let is_within = (132_001..132_099).contains(code);
                assert!(is_within || guide.contains(&code.to_string()), "{code}");
            }
        }
        assert_eq!(class_of_code(987_654), None);
    }

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
            (400, Some(131_050), SendClass::OptedOut),
            (400, Some(133_016), SendClass::Config),
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
            let found = class_of(&error(status, code, false, after));
            assert_eq!(found, class, "{status} {code:?}");
        }
        let transient = error(400, Some(987_654), true, None);
        assert_eq!(class_of(&transient), SendClass::RetryFew);
        for (code, seconds) in [(131_057, 60), (131_016, 5), (2, 5)] {
            let waits = error(400, Some(code), false, None);
            assert_eq!(class_of(&waits), retry(seconds), "{code}");
        }
    }
}
