use super::stage::{request, sized, too_long, unavailable};
use crate::{Error, Reply, Request};

/// Who of three is asked where the first finds the request too long, by the windows of all, and
/// whether one of them answers.
async fn asked_when_too_long(
    windows: [Option<u32>; 3],
    may_be_shortened: bool,
) -> (Vec<usize>, Result<String, Error>) {
    let [first, second, third] = windows;
    let stage = sized([
        (first, vec![Reply::error(too_long())]),
        (second, vec![Reply::error(unavailable())]),
        (third, vec![Reply::text("Yes")]),
    ]);
    let request = Request {
        may_be_shortened,
        ..request()
    };
    let answered = stage.model().complete(request).await;
    (stage.asked(), answered.map(|answered| answered.text))
}

#[tokio::test(start_paused = true)]
async fn what_is_too_long_for_one_goes_to_those_that_read_more() {
    for (windows, expected) in [
        ([Some(100), Some(200), Some(300)], vec![1, 1, 1]),
        ([Some(100), Some(100), Some(300)], vec![1, 0, 1]),
        // The request has eight tokens.
        ([None, Some(7), Some(9)], vec![1, 0, 1]),
    ] {
        for may_be_shortened in [true, false] {
            let (asked, answer) = asked_when_too_long(windows, may_be_shortened).await;
            assert_eq!(asked, expected, "{windows:?}");
            assert_eq!(answer.unwrap(), "Yes");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_can_be_shortened_is_before_a_model_whose_size_nobody_knows_is_asked() {
    let unknown = [Some(100), None, None];
    let (asked, answer) = asked_when_too_long(unknown, true).await;
    assert_eq!(asked, [1, 0, 0]);
    assert!(matches!(answer, Err(Error::ContextTooLong { .. })));
    let (asked, answer) = asked_when_too_long(unknown, false).await;
    assert_eq!(asked, [1, 1, 1]);
    assert_eq!(answer.unwrap(), "Yes");
    // One that reads more is away: with less in it the request may still be answered.
    let (asked, answer) = asked_when_too_long([Some(100), Some(200), Some(50)], true).await;
    assert_eq!(asked, [1, 1, 0]);
    assert!(matches!(answer, Err(Error::ContextTooLong { .. })));
}
