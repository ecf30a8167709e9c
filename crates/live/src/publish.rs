use db::{Db, Signal, Topic, Tx};

use crate::{LiveBody, LiveEvent};

/// The most bytes that a piece of text takes inside the JSON of its event; the rest of the event
/// and of the database's own limit of 7,999 is room to spare.
const MAX_TEXT_BYTES: usize = 3_500;

/// Tells connected clients of an event once, and only if, the transaction is committed.
pub fn publish(tx: &mut impl Tx, event: &LiveEvent) {
    for signal in signals(event) {
        tx.signal_after_commit(signal);
    }
}

/// Tells connected clients of an event at once: for what no table holds, as pieces of answers.
pub fn publish_now(db: &Db, event: &LiveEvent) {
    for signal in signals(event) {
        db.signal(signal);
    }
}

/// The signals that carry an event: one, or several where a piece of an answer is long.
fn signals(event: &LiveEvent) -> Vec<Signal> {
    let LiveBody::AnswerDelta {
        turn,
        attempt,
        offset,
        text,
    } = &event.body
    else {
        return signal(event).into_iter().collect();
    };
    let mut offset = *offset;
    let mut signals = Vec::new();
    for piece in pieces(text) {
        let body = LiveBody::AnswerDelta {
            turn: *turn,
            attempt: *attempt,
            offset,
            text: piece.to_owned(),
        };
        signals.extend(signal(&LiveEvent::new(event.conversation_id, body)));
        offset += utf16_len(piece);
    }
    signals
}

fn signal(event: &LiveEvent) -> Option<Signal> {
    match serde_json::to_string(event) {
        Ok(payload) => Some(Signal {
            topic: Topic::Live,
            payload,
        }),
        Err(error) => {
            tracing::error!(%error, "a live event has no JSON form");
            None
        }
    }
}

/// The length of a text as browsers count it.
pub(crate) fn utf16_len(text: &str) -> u64 {
    text.chars().map(|c| c.len_utf16() as u64).sum()
}

/// How many bytes a character takes in JSON.
pub(crate) const fn json_len(c: char) -> usize {
    match c {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\0'..='\u{1f}' => 6,
        _ => c.len_utf8(),
    }
}

/// Cuts a text into pieces that each fit an event; an empty text is one.
fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let (mut start, mut size) = (0, 0);
    for (at, c) in text.char_indices() {
        if size + json_len(c) > MAX_TEXT_BYTES {
            pieces.push(&text[start..at]);
            (start, size) = (at, 0);
        }
        size += json_len(c);
    }
    if start < text.len() || text.is_empty() {
        pieces.push(&text[start..]);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use domain::ConversationId;

    use super::*;

    fn delta(text: &str) -> LiveEvent {
        let body = LiveBody::AnswerDelta {
            turn: i64::MAX,
            attempt: u32::MAX,
            offset: 7,
            text: text.to_owned(),
        };
        LiveEvent::new(ConversationId::new(), body)
    }

    #[test]
    fn long_texts_travel_in_pieces_that_fit_and_follow_each_other() {
        for text in [
            "plain words ".repeat(1000),
            "\u{1}\"\\\n".repeat(3000),
            "é🦀漢".repeat(2000),
        ] {
            let mut expected = 7;
            let mut whole = String::new();
            for signal in signals(&delta(&text)) {
                assert!(signal.payload.len() < 4096, "{}", signal.payload.len());
                let event: LiveEvent = serde_json::from_str(&signal.payload).unwrap();
                let LiveBody::AnswerDelta { offset, text, .. } = event.body else {
                    panic!("another event");
                };
                assert_eq!(offset, expected);
                expected += text.encode_utf16().count() as u64;
                whole.push_str(&text);
            }
            assert_eq!(whole, text);
        }
        assert_eq!(signals(&delta("")).len(), 1);
    }

    #[test]
    fn an_event_is_flat_json_with_its_type() {
        let id = ConversationId::new();
        let event = LiveEvent::new(id, LiveBody::Message { seq: 3 });
        let payload = &signals(&event)[0].payload;
        assert_eq!(
            *payload,
            format!(r#"{{"conversation_id":"{id}","type":"message","seq":3}}"#)
        );
        assert_eq!(serde_json::from_str::<LiveEvent>(payload).unwrap(), event);
    }
}
