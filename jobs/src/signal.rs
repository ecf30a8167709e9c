//! What processes tell each other about jobs: words of a signal, joined by commas.

use std::fmt;

use db::{Signal, Topic};

/// One thing that may be worth acting on. Signals can get lost: whoever hears them also polls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// A flow has a ready job; `id` is the lowest number among those meant.
    Flow {
        /// The flow.
        flow: i64,
        /// Where in the flow a claim has to look from.
        id: i64,
    },
    /// Something scheduled may be due earlier than thought.
    Due,
    /// A limit, a pause or a weight was set.
    Limits,
    /// A run that a limit counted has ended: there is room.
    Room(i64),
    /// A running job shall be cancelled.
    Cancel(i64),
    /// A schedule was set.
    Schedules,
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flow { flow, id } => write!(f, "f{flow:x}:{id:x}"),
            Self::Due => f.write_str("d"),
            Self::Limits => f.write_str("l"),
            Self::Room(limit) => write!(f, "r{limit:x}"),
            Self::Cancel(job) => write!(f, "c{job:x}"),
            Self::Schedules => f.write_str("s"),
        }
    }
}

impl Word {
    /// Reads one word; what a newer version says is passed over.
    fn read(text: &str) -> Option<Self> {
        let number = |hex: &str| u64::from_str_radix(hex, 16).map(u64::cast_signed).ok();
        let rest = text.get(1..)?;
        match text.as_bytes().first()? {
            b'f' => {
                let (flow, id) = rest.split_once(':')?;
                let (flow, id) = (number(flow)?, number(id)?);
                Some(Self::Flow { flow, id })
            }
            b'd' => Some(Self::Due),
            b'l' => Some(Self::Limits),
            b'r' => Some(Self::Room(number(rest)?)),
            b'c' => Some(Self::Cancel(number(rest)?)),
            b's' => Some(Self::Schedules),
            _ => None,
        }
    }
}

/// The most words one signal carries; beyond them it says that anything may have changed.
const MAX_WORDS: usize = 200;

/// Signals that say all of these words, however many there are.
pub(crate) fn say_all(words: impl IntoIterator<Item = Word>) -> Vec<Signal> {
    let words: Vec<Word> = words.into_iter().collect();
    let parts = words.chunks(MAX_WORDS);
    parts.map(|part| say(part.iter().copied())).collect()
}

/// The signal that says these words.
pub(crate) fn say(words: impl IntoIterator<Item = Word>) -> Signal {
    let words: Vec<String> = words.into_iter().map(|word| word.to_string()).collect();
    let payload = if words.len() > MAX_WORDS {
        String::new()
    } else {
        words.join(",")
    };
    Signal {
        topic: Topic::Jobs,
        payload,
    }
}

/// The words of a signal's payload; `None`: anything may have changed.
pub(crate) fn words(payload: &str) -> Option<impl Iterator<Item = Word>> {
    (!payload.is_empty()).then(|| payload.split(',').filter_map(Word::read))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_are_read_as_they_were_said() {
        let said = [
            Word::Flow {
                flow: -3,
                id: i64::MAX,
            },
            Word::Due,
            Word::Limits,
            Word::Room(7),
            Word::Cancel(12),
            Word::Schedules,
        ];
        let payload = say(said).payload;
        let heard: Vec<Word> = words(&payload).unwrap().collect();
        assert_eq!(heard, said);
    }

    #[test]
    fn too_much_to_say_is_anything() {
        assert!(words(&say([Word::Due; MAX_WORDS + 1]).payload).is_none());
    }

    #[test]
    fn what_must_not_get_lost_is_said_in_several_signals() {
        let said: Vec<Word> = (0..450).map(Word::Cancel).collect();
        let signals = say_all(said.iter().copied());
        assert_eq!(signals.len(), 3);
        let heard = signals.iter().flat_map(|it| words(&it.payload).unwrap());
        assert_eq!(heard.collect::<Vec<_>>(), said);
        assert!(say_all([]).is_empty());
    }

    #[test]
    fn what_is_not_understood_is_passed_over() {
        assert_eq!(
            words("x1,fzz,r,d,é").unwrap().collect::<Vec<_>>(),
            [Word::Due]
        );
    }

    proptest! {
        #[test]
        fn whatever_is_heard_is_heard_again_as_it_is_said(
            payload in "([fdlrcsx]?[0-9a-f+é-]{0,17}:?[0-9a-f]{0,17},?){0,8}",
        ) {
            let heard: Vec<Word> = words(&payload).into_iter().flatten().collect();
            let again = say(heard.iter().copied()).payload;
            let again: Vec<Word> = words(&again).into_iter().flatten().collect();
            prop_assert_eq!(again, heard);
        }
    }
}
