use serde::de::IgnoredAny;

use crate::ToolCall;

/// A fragment of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct CallDelta {
    /// What tells the fragments of one call from those of another, where the server says it.
    pub(super) index: Option<u64>,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) arguments: String,
}

/// A call as far as it has come.
#[derive(Debug, Default)]
struct Call {
    joined: CallDelta,
    braces: Braces,
}

impl Call {
    fn new(joined: CallDelta) -> Self {
        let mut braces = Braces::default();
        braces.read(&joined.arguments);
        Self { joined, braces }
    }

    fn join(&mut self, delta: CallDelta) {
        let Self { joined, braces } = self;
        if joined.id.is_empty() {
            joined.id = delta.id;
        }
        if joined.name.is_empty() {
            joined.name = delta.name;
        }
        braces.read(&delta.arguments);
        joined.arguments.push_str(&delta.arguments);
    }

    /// Whether the arguments are whole: an object, or whatever else some servers write in its place.
    fn is_complete(&self) -> bool {
        let arguments = &self.joined.arguments;
        self.braces.are_closed()
            || (!self.braces.has_opened
                && arguments.len() <= READ_WHOLE
                && serde_json::from_str::<IgnoredAny>(arguments).is_ok())
    }

    /// Whether `next` is the start of a call after this one, though its index does not say so: it
    /// names a function under another id, or without any index once this one is complete.
    fn is_over_at(&self, next: &CallDelta) -> bool {
        let joined = &self.joined;
        if next.name.is_empty() || joined.name.is_empty() {
            return false;
        }
        let has_other_id = !next.id.is_empty() && !joined.id.is_empty() && next.id != joined.id;
        has_other_id || (next.index.is_none() && self.is_complete())
    }
}

/// The longest arguments that are read whole to tell whether they are complete, in bytes.
const READ_WHOLE: usize = 64 * 1024;

/// How deep a text stands in an object of JSON, told piece by piece: a text that is read anew with
/// each of its pieces would cost the square of its length.
#[derive(Debug, Default)]
struct Braces {
    depth: usize,
    has_opened: bool,
    in_string: bool,
    is_escaped: bool,
}

impl Braces {
    fn read(&mut self, piece: &str) {
        for byte in piece.bytes() {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' if self.in_string => self.is_escaped = true,
                b'"' => self.in_string = !self.in_string,
                b'{' | b'[' if !self.in_string => {
                    self.has_opened = true;
                    self.depth += 1;
                }
                b'}' | b']' if !self.in_string => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
    }

    const fn are_closed(&self) -> bool {
        self.has_opened && self.depth == 0 && !self.in_string
    }
}

/// The calls of one answer, joined from their fragments.
#[derive(Debug, Default)]
pub(super) struct Calls(Vec<Call>);

impl Calls {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Joins a fragment to its call.
    ///
    /// Fragments belong together by index; see [`Call::is_over_at`] for servers that give none, or
    /// the same one to every call.
    pub(super) fn add(&mut self, delta: CallDelta) {
        let same_index =
            |call: &&mut Call| delta.index.is_none() || call.joined.index == delta.index;
        match self.0.iter_mut().rev().find(same_index) {
            Some(call) if !call.is_over_at(&delta) => call.join(delta),
            _ => self.0.push(Call::new(delta)),
        }
    }

    /// Puts a whole call in place of its fragments.
    pub(super) fn settle(&mut self, whole: CallDelta) {
        let whole = Call::new(whole);
        let index = whole.joined.index;
        match self.0.iter_mut().find(|call| call.joined.index == index) {
            Some(call) => *call = whole,
            None => self.0.push(whole),
        }
    }

    /// The calls in the order of their indexes; `None` if one has no name.
    ///
    /// Ids are made up where there are none, and arguments that are empty are an empty object.
    pub(super) fn finish(mut self) -> Option<Vec<ToolCall>> {
        self.0.sort_by_key(|call| call.joined.index);
        let calls = self.0.into_iter().map(|call| call.joined).enumerate();
        let calls = calls.map(|(at, call)| {
            (!call.name.is_empty()).then(|| ToolCall {
                id: Some(call.id)
                    .filter(|id| !id.is_empty())
                    .unwrap_or_else(|| format!("call_{at}")),
                name: call.name,
                arguments: Some(call.arguments)
                    .filter(|arguments| !arguments.trim().is_empty())
                    .unwrap_or_else(|| "{}".to_owned()),
            })
        });
        calls.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(fragments: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut calls = Calls::default();
        for (name, arguments) in fragments {
            calls.add(CallDelta {
                name: (*name).to_owned(),
                arguments: (*arguments).to_owned(),
                ..CallDelta::default()
            });
        }
        let finished = calls.finish().unwrap();
        let parts = finished.into_iter().map(|call| (call.name, call.arguments));
        parts.collect()
    }

    fn call(name: &str, arguments: &str) -> (String, String) {
        (name.to_owned(), arguments.to_owned())
    }

    #[test]
    fn without_an_index_a_name_opens_a_call_once_the_one_before_is_complete() {
        let fragments = [
            ("a", "{\"x\": \"}\\\""),
            ("a", "{[\", \"y\": [{}"),
            ("a", "]}"),
            ("b", "{}"),
        ];
        assert_eq!(
            joined(&fragments),
            [
                call("a", "{\"x\": \"}\\\"{[\", \"y\": [{}]}"),
                call("b", "{}")
            ]
        );
        // One without arguments is not complete: what is named twice is one call.
        assert_eq!(joined(&[("a", ""), ("a", "{}")]), [call("a", "{}")]);
        // An object inside of a text, and none at all.
        let fragments = [
            ("a", "\"{\\\"x\\\""),
            ("a", ":1}\""),
            ("b", "null"),
            ("c", "{}"),
        ];
        assert_eq!(
            joined(&fragments),
            [
                call("a", "\"{\\\"x\\\":1}\""),
                call("b", "null"),
                call("c", "{}")
            ]
        );
    }

    #[test]
    fn a_name_on_every_fragment_costs_no_more_than_its_length() {
        let begun = std::time::Instant::now();
        let piece = "x".repeat(40);
        let mut calls = Calls::default();
        calls.add(CallDelta {
            name: "a".to_owned(),
            arguments: "{\"x\": \"".to_owned(),
            ..CallDelta::default()
        });
        for _ in 0..100_000 {
            calls.add(CallDelta {
                name: "a".to_owned(),
                arguments: piece.clone(),
                ..CallDelta::default()
            });
        }
        assert_eq!(calls.finish().unwrap().len(), 1);
        assert!(begun.elapsed() < std::time::Duration::from_secs(20));
    }
}
