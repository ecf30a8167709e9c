use super::ModelCall;
use crate::standin::record::Record;

/// Notes a call whose caller goes away before the answer to it is whole.
pub(super) struct Attention {
    call: Option<ModelCall>,
    given_up: Record<ModelCall>,
}

impl Attention {
    pub(super) fn to(call: ModelCall, given_up: Record<ModelCall>) -> Self {
        let call = Some(call);
        Self { call, given_up }
    }

    /// All was said, or it is the server that says no more.
    pub(super) fn end(&mut self) {
        self.call = None;
    }
}

impl Drop for Attention {
    fn drop(&mut self) {
        if let Some(call) = self.call.take() {
            self.given_up.push(call);
        }
    }
}
