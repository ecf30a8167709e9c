use super::{Index, Property, Verdict};
use crate::history::Place;

/// Payloads that nobody can read are dead at once and say why; kinds that nobody knows wait; no
/// worker ends of either, or of anything else.
pub(super) fn check(index: &Index<'_>, verdict: &mut Verdict) {
    for poison in &index.history.poison {
        let Some(end) = index.end(poison.job) else {
            verdict.find(
                Property::Lost,
                format!("job {} of poison is nowhere", poison.job),
            );
            continue;
        };
        let is_as_it_should = if poison.is_known_kind {
            let names_it = end
                .reason
                .as_ref()
                .is_some_and(|it| it.contains("undecodable payload"));
            // Its worker may crash before it has said so, and then the attempts may be spent.
            let is_spent = end.attempt >= end.max_attempts && end.reason.is_some();
            end.place == Place::Dead && (names_it || is_spent)
        } else {
            end.place == Place::Waiting(0) && end.attempt == 0
        };
        if !is_as_it_should {
            let text = format!(
                "job {} ({}) is {:?} after {} attempts: {:?}",
                end.job, end.kind, end.place, end.attempt, end.reason
            );
            verdict.find(Property::Poison, text);
        }
    }
    for death in &index.history.deaths {
        verdict.find(Property::Workers, death.clone());
    }
}
