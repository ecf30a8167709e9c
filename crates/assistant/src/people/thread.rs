//! Where people answer in another app of the channel, a conversation has to be there for them, and here
//! for the machine.

use ::channels::{Action, Connection, HttpRequest};
use db::TenantTx;
use domain::{AssignReason, ConversationStatus};
use jobs::kinds::MoveThread;
use jobs::{Failure, JobHandle};
use store::channels;
use store::contacts::Contact;
use store::conversations::{self, Conversation};
use telemetry::trace::{Subject, note};

use crate::Assistant;
use crate::connections::{connect, perform};

/// What the other app is told of a conversation that comes to it.
const NOTE: &str = "A person is asked for.";

/// Has a conversation moved to where it is answered from here on, in the transaction that says so;
/// nothing where its channel has no such thing.
///
/// # Errors
/// Those of the database.
pub(super) async fn follow(
    assistant: &Assistant,
    tx: &mut TenantTx,
    conversation: &Conversation,
) -> db::Result<()> {
    let channel = channels::get(tx, conversation.channel_id).await?;
    // What is broken shows when something is to be sent.
    let Ok(Some(connection)) = connect(assistant, &channel) else {
        return Ok(());
    };
    if connection.act(Action::TakeThread { to: "" }).is_empty() {
        return Ok(());
    }
    let job = MoveThread {
        tenant_id: tx.tenant(),
        conversation_id: conversation.id,
    };
    jobs::enqueue(tx, &job).await?;
    Ok(())
}

/// Moves a conversation to where it is answered as it stands at this moment.
///
/// # Errors
/// A retry for what may pass. A refusal is none: the conversation stays where it is, and that it is a
/// person's is seen here all the same.
pub async fn move_thread(
    assistant: &Assistant,
    handle: &JobHandle,
    job: MoveThread,
) -> Result<(), Failure> {
    note(Subject::Tenant, job.tenant_id);
    note(Subject::Conversation, job.conversation_id);
    let mut tx = assistant.db.tenant(job.tenant_id).await?;
    let party = conversations::get_with_contact(&mut tx, job.conversation_id).await;
    let (conversation, contact) = match party {
        // Erased, or older than what its tenant keeps.
        Err(db::Error::NotFound) => return Ok(()),
        found => found?,
    };
    let channel = channels::get(&mut tx, conversation.channel_id).await?;
    drop(tx);
    let Some(connection) = connect(assistant, &channel).map_err(Failure::retry)? else {
        return Ok(());
    };
    for request in requests(connection.as_ref(), &conversation, &contact) {
        handle.check_lease()?;
        let answer = perform(assistant, &request).await.map_err(Failure::retry)?;
        if answer.status == 429 || answer.status >= 500 {
            return Err(Failure::retry(crate::Error::Refused(format!(
                "the operator answered {}",
                answer.status
            ))));
        }
        if !answer.is_success() {
            tracing::warn!(conversation.id = %conversation.id, status = answer.status,
                "a conversation could not be moved between apps");
        }
    }
    Ok(())
}

fn requests(
    connection: &dyn Connection,
    conversation: &Conversation,
    contact: &Contact,
) -> Vec<HttpRequest> {
    let to = contact.send_to();
    let is_persons = conversation.status == ConversationStatus::AssignedHuman;
    match conversation.assign_reason.filter(|_| is_persons) {
        // It is there.
        Some(AssignReason::Echo) => Vec::new(),
        Some(
            AssignReason::Asked
            | AssignReason::Model
            | AssignReason::Unanswered
            | AssignReason::Unknown,
        ) => connection.act(Action::PassThread { to, note: NOTE }),
        // Who took it answers here.
        Some(AssignReason::Taken) | None => connection.act(Action::TakeThread { to }),
    }
}
