use super::chunk::Chunk;
use crate::wire::answer::{Draft, Reader};
use crate::wire::frames::Frame;
use crate::{Error, FinishReason, failure};

/// Reads a stream of chunks up to `[DONE]`.
#[derive(Debug, Default)]
pub(super) struct ChatReader {
    /// Whether the text is that of a refusal.
    refuses: bool,
}

impl Reader for ChatReader {
    fn read(&mut self, frame: &Frame, draft: &mut Draft) -> Result<(), Error> {
        let data = frame.data.trim();
        match (frame.event.as_str(), data) {
            ("error", _) => return Err(failure::of_event(&draft.endpoint, data)),
            ("keepalive" | "ping", _) => return Ok(()),
            (_, "[DONE]") => {
                draft.end();
                return Ok(());
            }
            _ => {}
        }
        let chunk = draft.json(frame)?;
        if chunk.get("error").is_some_and(|error| !error.is_null()) {
            return Err(failure::of_event(&draft.endpoint, data));
        }
        let chunk = Chunk::read(&chunk);
        if chunk.is_progress() {
            draft.progress();
        }
        for call in chunk.calls {
            draft.calls.add(call);
        }
        draft.usage = chunk.usage.or(draft.usage);
        self.refuses |= !chunk.refusal.is_empty();
        let finish_reason = chunk.finish_reason.map(|reason| match reason {
            FinishReason::Stop if self.refuses => FinishReason::Refusal,
            reason => reason,
        });
        draft.finish_reason = finish_reason.or(draft.finish_reason);
        draft.text(&chunk.text);
        draft.text(&chunk.refusal);
        Ok(())
    }
}
