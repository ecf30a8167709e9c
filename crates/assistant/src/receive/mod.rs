//! A message comes in: first kept as it is, then understood.
//!
//! [`posts::receive`] and the web chat keep raw items and enqueue their jobs in one transaction,
//! which is all that a channel's 200 promises. [`message::store`] and [`status::apply`] are those
//! jobs; they never wait for a model.

mod account;
mod changes;
mod echo;
mod handover;
mod intake;
/// The job that fetches files which contacts sent.
pub mod media;
/// The job that stores what a contact wrote.
pub mod message;
pub mod posts;
/// The job that applies what a channel reported.
pub mod status;

use db::TenantTx;
use domain::{ConversationId, ConversationStatus};
use jobs::Failure;
use live::{LiveBody, LiveEvent};
use store::conversations;

use crate::Assistant;

pub use intake::{Intake, Item, ItemOwner};

/// A person of the business has a conversation from here on.
async fn take_over(_: &Assistant, tx: &mut TenantTx, id: ConversationId) -> Result<(), Failure> {
    set_status(tx, id, ConversationStatus::AssignedHuman).await
}

/// The machine has a conversation again.
async fn release(_: &Assistant, tx: &mut TenantTx, id: ConversationId) -> Result<(), Failure> {
    set_status(tx, id, ConversationStatus::Open).await
}

async fn set_status(
    tx: &mut TenantTx,
    id: ConversationId,
    status: ConversationStatus,
) -> Result<(), Failure> {
    let before = conversations::lock(tx, id).await?;
    if before.status != status {
        conversations::set_status(tx, id, status).await?;
        live::publish(tx, &LiveEvent::new(id, LiveBody::Conversation { status }));
    }
    Ok(())
}
