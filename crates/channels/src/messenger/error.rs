use crate::SendClass;
use crate::meta::GraphError;

/// Sorts an error of the Graph API's, by its code and subcode first.
pub(super) fn class_of(error: &GraphError) -> SendClass {
    let of_code = error
        .code
        .and_then(|code| class_of_code(code, error.subcode));
    error.class(of_code)
}

/// Sorts one of Meta's error codes; `None` for one that is not known.
///
/// Source: <https://developers.facebook.com/docs/messenger-platform/error-codes> and
/// <https://developers.facebook.com/docs/messenger-platform/changelog>, 2026-06-25.
pub(super) fn class_of_code(code: i64, subcode: Option<i64>) -> Option<SendClass> {
    let class = match (code, subcode) {
        // Outside the time in which the page may answer.
        (10, Some(2_018_278 | 2_534_022)) => SendClass::WindowClosed,
        // The page is restricted for a while, or blocked.
        (10, Some(1_893_063)) | (368 | 2022, _) => SendClass::ChannelBlocked,
        (1 | 2 | 1200, _) => SendClass::RetryFew,
        (4 | 17 | 32 | 613, _) => SendClass::Throughput,
        // From 551 on: the person cannot be reached, or the page may not write to them.
        (100 | 551 | 10_900 | 10_903 | 10_904, _) => SendClass::Permanent,
        (0 | 3 | 10 | 102 | 190 | 200..=299, _) => SendClass::TokenDead,
        _ => return None,
    };
    Some(class)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_the_list_has_its_class() {
        for (code, subcode, class) in [
            (1200, None, SendClass::RetryFew),
            (2, None, SendClass::RetryFew),
            (1, None, SendClass::RetryFew),
            (4, None, SendClass::Throughput),
            (613, Some(1), SendClass::Throughput),
            (17, None, SendClass::Throughput),
            (32, None, SendClass::Throughput),
            (10, Some(2_018_278), SendClass::WindowClosed),
            (10, Some(2_534_022), SendClass::WindowClosed),
            (10, Some(1_893_063), SendClass::ChannelBlocked),
            (10, None, SendClass::TokenDead),
            (551, Some(1_545_041), SendClass::Permanent),
            (10_900, None, SendClass::Permanent),
            (10_903, None, SendClass::Permanent),
            (10_904, None, SendClass::Permanent),
            (100, Some(2_018_001), SendClass::Permanent),
            (100, Some(2_018_109), SendClass::Permanent),
            (190, Some(460), SendClass::TokenDead),
            (190, Some(463), SendClass::TokenDead),
            (190, Some(493), SendClass::TokenDead),
            (200, None, SendClass::TokenDead),
            (230, None, SendClass::TokenDead),
            (368, None, SendClass::ChannelBlocked),
            (2022, None, SendClass::ChannelBlocked),
        ] {
            assert_eq!(
                class_of_code(code, subcode),
                Some(class),
                "{code}/{subcode:?}"
            );
        }
        assert_eq!(class_of_code(987_654, None), None);
    }
}
