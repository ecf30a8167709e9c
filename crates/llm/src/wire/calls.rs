use serde_json::Value;

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

impl CallDelta {
    /// Whether this fragment is the start of a call after `last`, though its index does not say so:
    /// it names a function under another id, or without any index once `last` is complete.
    fn opens_after(&self, last: &Self) -> bool {
        if self.name.is_empty() || last.name.is_empty() {
            return false;
        }
        let is_complete = || serde_json::from_str::<Value>(&last.arguments).is_ok();
        let has_other_id = !self.id.is_empty() && !last.id.is_empty() && self.id != last.id;
        has_other_id || (self.index.is_none() && is_complete())
    }
}

/// The calls of one answer, joined from their fragments.
#[derive(Debug, Default)]
pub(super) struct Calls(Vec<CallDelta>);

impl Calls {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Joins a fragment to its call.
    ///
    /// Fragments belong together by index; see [`CallDelta::opens_after`] for servers that give
    /// none, or the same one to every call.
    pub(super) fn add(&mut self, delta: CallDelta) {
        let same_index = |call: &&mut CallDelta| delta.index.is_none() || call.index == delta.index;
        match self.0.iter_mut().rev().find(same_index) {
            Some(call) if !delta.opens_after(call) => {
                if call.id.is_empty() {
                    call.id = delta.id;
                }
                if call.name.is_empty() {
                    call.name = delta.name;
                }
                call.arguments.push_str(&delta.arguments);
            }
            _ => self.0.push(delta),
        }
    }

    /// Puts a whole call in place of its fragments.
    pub(super) fn settle(&mut self, whole: CallDelta) {
        match self.0.iter_mut().find(|call| call.index == whole.index) {
            Some(call) => *call = whole,
            None => self.0.push(whole),
        }
    }

    /// The calls in the order of their indexes; `None` if one has no name.
    ///
    /// Ids are made up where there are none, and arguments that are empty are an empty object.
    pub(super) fn finish(mut self) -> Option<Vec<ToolCall>> {
        self.0.sort_by_key(|call| call.index);
        let calls = self.0.into_iter().enumerate();
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
