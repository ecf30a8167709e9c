//! Where a conversation goes: the one place that says which step leads where.

use crate::ConversationStatus;

/// Something that may move a conversation from one status to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConversationStep {
    /// The contact wrote.
    ContactWrote,
    /// It goes to a person: the contact or the machine asked for one, or a person took it.
    GoToPerson,
    /// A person gives it back to the machine.
    Release,
    /// It is the contact's turn.
    Await,
    /// It is settled.
    Resolve,
    /// It is over.
    Close,
    /// It goes on although it was settled or over.
    Reopen,
}

impl ConversationStep {
    /// Every step.
    pub const ALL: [Self; 7] = [
        Self::ContactWrote,
        Self::GoToPerson,
        Self::Release,
        Self::Await,
        Self::Resolve,
        Self::Close,
        Self::Reopen,
    ];

    /// What was done, for people who are told that it cannot be.
    pub const fn what(self) -> &'static str {
        match self {
            Self::ContactWrote => "written to",
            Self::GoToPerson => "assigned to a person",
            Self::Release => "released",
            Self::Await => "left waiting",
            Self::Resolve => "resolved",
            Self::Close => "closed",
            Self::Reopen => "reopened",
        }
    }
}

/// What a step leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// This status, which may be the one that it had.
    Stands(ConversationStatus),
    /// It stays as it is; what was written begins another conversation.
    Another,
    /// The step cannot be taken from here.
    Refused,
}

impl ConversationStatus {
    /// Where a conversation of this status is after a step.
    ///
    /// A message opens a resolved conversation again and begins another one after a closed one. A
    /// person's conversation stays a person's until it is released, resolved or closed: neither a
    /// message nor an answer takes it away.
    pub const fn after(self, step: ConversationStep) -> After {
        use After::{Another, Refused, Stands};
        use ConversationStatus::{AssignedHuman, Closed, Open, Resolved, Waiting};
        use ConversationStep as Step;
        match (self, step) {
            (Open | Waiting | Resolved, Step::ContactWrote)
            | (Open | AssignedHuman, Step::Release)
            | (Open | Waiting | Resolved | Closed, Step::Reopen) => Stands(Open),
            (AssignedHuman, Step::ContactWrote | Step::GoToPerson | Step::Reopen)
            | (Open | Waiting | Resolved, Step::GoToPerson) => Stands(AssignedHuman),
            (Open | Waiting, Step::Await) | (Waiting, Step::Release) => Stands(Waiting),
            (Open | Waiting | AssignedHuman | Resolved, Step::Resolve) => Stands(Resolved),
            (_, Step::Close) => Stands(Closed),
            (Closed, Step::ContactWrote) => Another,
            (Closed, Step::GoToPerson | Step::Resolve)
            | (Resolved | Closed, Step::Release)
            | (AssignedHuman | Resolved | Closed, Step::Await) => Refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_from_every_status_leads_where_the_table_says() {
        use After::{Another, Refused, Stands};
        use ConversationStatus::{AssignedHuman, Closed, Open, Resolved, Waiting};
        use ConversationStep as Step;
        // The order of the columns: open, waiting, assigned_human, resolved, closed.
        let from = [Open, Waiting, AssignedHuman, Resolved, Closed];
        let person = Stands(AssignedHuman);
        let (open, waiting) = (Stands(Open), Stands(Waiting));
        let (resolved, closed) = (Stands(Resolved), Stands(Closed));
        for (step, expected) in [
            (Step::ContactWrote, [open, open, person, open, Another]),
            (Step::GoToPerson, [person, person, person, person, Refused]),
            (Step::Release, [open, waiting, open, Refused, Refused]),
            (Step::Await, [waiting, waiting, Refused, Refused, Refused]),
            (
                Step::Resolve,
                [resolved, resolved, resolved, resolved, Refused],
            ),
            (Step::Close, [closed; 5]),
            (Step::Reopen, [open, open, person, open, open]),
        ] {
            assert_eq!(from.map(|status| status.after(step)), expected, "{step:?}");
        }
    }

    #[test]
    fn the_guide_has_the_same_table() {
        let guide = include_str!("../../../docs/conversations.md");
        for (step, name) in [
            (ConversationStep::ContactWrote, "the contact writes"),
            (ConversationStep::GoToPerson, "it goes to a person"),
            (ConversationStep::Release, "release"),
            (ConversationStep::Await, "await the contact"),
            (ConversationStep::Resolve, "resolve"),
            (ConversationStep::Close, "close"),
            (ConversationStep::Reopen, "reopen"),
        ] {
            let cells = ConversationStatus::ALL
                .iter()
                .map(|from| match from.after(step) {
                    After::Stands(status) => format!("`{status}`"),
                    After::Another => "another one begins".to_owned(),
                    After::Refused => "refused".to_owned(),
                });
            let cells: Vec<String> = cells.collect();
            let row = format!("| {name} | {} |", cells.join(" | "));
            assert!(guide.contains(&row), "docs/conversations.md lacks: {row}");
        }
    }
}
