use super::{Moderator, Said, Verdict};
use crate::people;

/// Blocks what holds one of these phrases.
///
/// What a contact writes was looked through while it was stored, each message by itself; here it is
/// the whole turn, as a model would read it.
pub(super) struct Words<'a>(pub(super) &'a [String]);

#[async_trait::async_trait]
impl Moderator for Words<'_> {
    fn name(&self) -> &'static str {
        "words"
    }

    async fn judge(&self, said: &Said<'_>) -> Verdict {
        if people::holds_any(said.text, self.0) {
            let reason = "it holds one of the tenant's blocked phrases".to_owned();
            return Verdict::Block { reason };
        }
        Verdict::Allow
    }
}
