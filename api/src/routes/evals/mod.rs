//! Evaluations: the questions, and the runs of them.

mod question;
mod run;
mod run_view;

pub(crate) use question::EvalQuestionRoutes;
pub(crate) use run::EvalRunRoutes;
