//! A turn is answered: what the contact wrote since the last answer, the passages that fit it, and
//! the model of the tenant's choice lead to one message, or to none if the contact went on writing.

mod citations;
mod ending;
mod lookout;
mod model;
mod moderation;
mod outdated;
mod prompt;
mod query;
mod rounds;
mod shown;
mod space;
mod turn;
mod typing;

use std::time::Duration;

use db::TenantTx;
use domain::{AssignReason, Author, Direction, RagMode, UnansweredReason};
use fail::fail_point;
use jobs::kinds::AnswerTurn;
use jobs::{DeadJob, Failure, JobHandle};
use llm::{Builtin, FinishReason};
use store::conversations::{self, Conversation};
use store::messages;
use telemetry::trace::{Subject, note};
use tokio::time::Instant;

use crate::deliver::{NewMessage, queue};
use crate::people::{self, HandOff};
use crate::spending::Calls;
use crate::{Assistant, Error, TenantProfile};
use ending::{Ending, Made};
use rounds::MAX_ROUNDS;
use turn::Turn;

pub(crate) use model::{Chosen, choose};
pub(crate) use prompt::Prompt;
use rounds::takes_tools;
pub(crate) use rounds::{Asking, Stopped, rag_mode};
pub(crate) use shown::Shown;
pub(crate) use turn::is_answered_by_machine;

/// Answers the open turn of a conversation, if there is one and a person has not taken it over.
///
/// The answer is committed only if nothing was written meanwhile; otherwise it is given up as soon as
/// that is heard of, because whatever was written enqueued the next `answer-turn`, which sees all of
/// it.
///
/// # Errors
/// A retry for what may pass, dead for what cannot: [`on_dead`] says what the contact gets then.
pub async fn answer(
    assistant: &Assistant,
    handle: &JobHandle,
    job: AnswerTurn,
) -> Result<(), Failure> {
    note(Subject::Tenant, job.tenant_id);
    note(Subject::Conversation, job.conversation_id);
    let Some(turn) = Turn::load(assistant, handle, &job).await? else {
        return Ok(());
    };
    check_deadline(assistant, &turn)?;
    let calls = Calls::begin(assistant, turn.about());
    let answered = Box::pin(answer_turn(assistant, handle, &turn, &calls)).await;
    // Calls whose answer was not committed cost money all the same.
    calls.close().await;
    answered
}

async fn answer_turn(
    assistant: &Assistant,
    handle: &JobHandle,
    turn: &Turn,
    calls: &Calls,
) -> Result<(), Failure> {
    fail_point!("answer.before_model");
    typing::show(assistant, turn);
    let (ending, attempt) = tokio::select! {
        concluded = conclude(assistant, handle, turn, calls) => concluded?,
        () = outdated::wait(assistant, turn) => {
            tracing::info!(conversation.id = %turn.conversation.id, "an answer is given up");
            turn.forget_deltas(assistant, last_attempt_of(handle));
            return Ok(());
        }
    };
    let mut tx = assistant.db.tenant(turn.tenant_id).await?;
    fail_point!("answer.before_commit");
    handle.fence(&mut tx).await?;
    let now = conversations::lock(&mut tx, turn.conversation.id).await?;
    if outdated::is_outdated(turn, now.standing()) {
        tracing::info!(conversation.id = %now.id, "an answer came too late and is dropped");
        turn.forget_deltas(assistant, attempt);
        return Ok(());
    }
    let happened = ending.settle(assistant, &mut tx, turn, &now).await?;
    calls.record(&mut tx).await?;
    people::tell(assistant, &mut tx, &happened).await?;
    tx.commit().await?;
    fail_point!("answer.after_commit");
    if !ending.is_answer() {
        turn.forget_deltas(assistant, attempt);
    }
    Ok(())
}

/// Comes to how the turn ends, and to the number of the attempt that open windows saw until then.
async fn conclude(
    assistant: &Assistant,
    handle: &JobHandle,
    turn: &Turn,
    calls: &Calls,
) -> Result<(Ending, u32), Failure> {
    // Before anything else reads it: passages are looked for by a model as well.
    let question = turn.question();
    if moderation::is_blocked(assistant, turn, Direction::Inbound, &question).await {
        return Ok((Ending::Blocked, attempt_of(handle)));
    }
    let chosen = choose(assistant, turn.tenant_id, &turn.profile, calls).await?;
    let made = ask(assistant, handle, turn, chosen, calls).await?;
    let attempt = made.attempt;
    Ok((Ending::of(assistant, turn, made).await, attempt))
}

/// Asks the model, and shows web chats the answer as it grows.
async fn ask(
    assistant: &Assistant,
    handle: &JobHandle,
    turn: &Turn,
    chosen: Chosen,
    calls: &Calls,
) -> Result<Made, Failure> {
    let Chosen { model, context } = chosen;
    let settings = &turn.profile.settings;
    let mode = rag_mode(settings, model.as_ref());
    let question = turn.question();
    let asking = Asking {
        assistant,
        tenant: turn.tenant_id,
        calls,
        prompt: Prompt {
            profile: &turn.profile,
            history: &turn.history,
            question: &question,
            was_searched: mode == RagMode::Context,
        },
        may_hand_off: settings.handoff.tool && takes_tools(settings, model.as_ref()),
        model,
        context,
        has_tools: mode == RagMode::Tool,
        deadline: Instant::now() + deadline(turn),
    };
    let mut shown = turn.shown(assistant, attempt_of(handle));
    let work = async {
        let passages = turn.find_sources(assistant, mode, calls).await?;
        let answered = asking.ask(passages, &mut shown, || handle.check_lease());
        let answered = answered.await;
        answered.map_err(|stopped| failure_of(stopped, asking.deadline))
    };
    let answered = match tokio::time::timeout_at(asking.deadline, work).await {
        Ok(answered) => answered?,
        Err(_) => {
            return Err(Failure::dead(format!(
                "no answer within {:?}",
                deadline(turn)
            )));
        }
    };
    Ok(Made {
        answered,
        attempt: shown.finish(),
        mode,
    })
}

fn deadline(turn: &Turn) -> Duration {
    Duration::from_secs(turn.profile.settings.answer_deadline_seconds.max(1).into())
}

/// Gives up on a turn that has waited for longer than the tenant allows.
fn check_deadline(assistant: &Assistant, turn: &Turn) -> Result<(), Failure> {
    let settle = Duration::from_millis(turn.profile.settings.settle_max_ms.into());
    let waited = assistant.clock.now() - turn.stored_at();
    match waited.to_std() {
        Ok(waited) if waited > deadline(turn) + settle => Err(Failure::dead(format!(
            "the turn has waited {}s",
            waited.as_secs()
        ))),
        _ => Ok(()),
    }
}

/// Which attempt at the answer open windows see first: each round with tools may begin another one.
fn attempt_of(handle: &JobHandle) -> u32 {
    let before = u32::try_from(handle.job.attempt).unwrap_or(1).max(1) - 1;
    before * (MAX_ROUNDS + 1) + 1
}

/// The highest number that an attempt of this run can have.
fn last_attempt_of(handle: &JobHandle) -> u32 {
    attempt_of(handle) + MAX_ROUNDS
}

/// What it means for the job that there is no answer.
fn failure_of(stopped: Stopped, deadline: Instant) -> Failure {
    match stopped {
        Stopped::Model(error) => failure_of_model(error, deadline),
        Stopped::Lost(failure) => failure,
        Stopped::Empty(reason) => failure_of_nothing(reason),
    }
}

/// What it means for the job that the model said nothing.
fn failure_of_nothing(reason: FinishReason) -> Failure {
    match reason {
        // The same request would come to the same end.
        FinishReason::ContentFilter => Failure::dead("the provider's filter held the answer back"),
        FinishReason::Refusal => Failure::dead("the model refuses to answer"),
        FinishReason::Length => {
            Failure::dead("the model used up its tokens before it said anything")
        }
        FinishReason::Stop | FinishReason::ToolCalls | FinishReason::Other => {
            Failure::retry(Error::Refused("the model gave no text".to_owned()))
        }
    }
}

/// What a model's failure means for the job.
fn failure_of_model(error: llm::Error, deadline: Instant) -> Failure {
    let left = deadline.saturating_duration_since(Instant::now());
    match error.retry_after() {
        Some(after) if after > left => {
            Failure::dead(format!("the model asks to wait {}s", after.as_secs()))
        }
        _ if !error.is_transient() => {
            tracing::warn!(error = %error, "the model cannot answer");
            Failure::dead(error.to_string())
        }
        Some(after) => Failure::retry_after(after, error),
        None => Failure::retry(error),
    }
}

/// What becomes of a turn that got no answer, in the transaction that buries its job: it goes to a
/// person where the tenant wants that, else the fallback text is sent.
///
/// # Errors
/// Those of the database.
pub async fn on_dead(assistant: &Assistant, tx: &mut TenantTx, dead: &DeadJob) -> db::Result<()> {
    let Ok(job) = dead.job.decode::<AnswerTurn>() else {
        return Ok(());
    };
    let profile = TenantProfile::load(tx, &assistant.keyring).await?;
    let conversation = match conversations::lock(tx, job.conversation_id).await {
        // Erased, or older than what its tenant keeps.
        Err(db::Error::NotFound) => return Ok(()),
        found => found?,
    };
    let settled = conversation.answered_turn >= conversation.turn_seq;
    if settled || !is_answered_by_machine(conversation.status) {
        return Ok(());
    }
    if profile.settings.handoff.when_unanswered {
        return hand_off_unanswered(assistant, tx, &profile, &conversation).await;
    }
    let turn = conversation.turn_seq;
    let text = profile.settings.fallback_text.trim();
    if text.is_empty() {
        let reason = Some(UnansweredReason::NoAnswer);
        return conversations::settle_turn(tx, conversation.id, reason).await;
    }
    let outgoing = NewMessage {
        author: Author::System,
        turn: Some(turn),
        text,
        sources: &[],
    };
    queue(assistant, tx, &conversation, &outgoing).await?;
    Ok(())
}

async fn hand_off_unanswered(
    assistant: &Assistant,
    tx: &mut TenantTx,
    profile: &TenantProfile,
    conversation: &Conversation,
) -> db::Result<()> {
    let (after, until) = (conversation.answered_turn, conversation.turn_seq);
    let asked = messages::turn(tx, conversation.id, after, until).await?;
    let text = asked.last().map_or("", |message| message.text.as_str());
    let how = HandOff {
        reason: AssignReason::Unanswered,
        to: None,
        note: None,
        language: Builtin::language_of(text),
    };
    let happened = people::hand_off(assistant, tx, profile, conversation, &how).await;
    let happened = happened.map_err(as_db)?;
    people::tell(assistant, tx, &happened).await
}

/// The database's own error, where it is one.
fn as_db(error: Error) -> db::Error {
    match error {
        Error::Db(error) => error,
        other => db::Error::corrupt(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_that_says_nothing_is_asked_again_where_that_may_help() {
        for (reason, helps) in [
            (FinishReason::Stop, true),
            (FinishReason::ToolCalls, true),
            (FinishReason::Other, true),
            (FinishReason::Length, false),
            (FinishReason::ContentFilter, false),
        ] {
            let failure = failure_of_nothing(reason);
            assert_eq!(matches!(failure, Failure::Retry(_)), helps, "{reason:?}");
            assert_eq!(matches!(failure, Failure::Dead(_)), !helps, "{reason:?}");
        }
    }
}
