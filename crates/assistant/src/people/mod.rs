//! People: those of the tenant's, who take conversations over, and contacts, who may want to be left
//! alone or forgotten.
//!
//! While a person has a conversation the machine is silent in it. A stop word and a call for a
//! person are heeded while the message is stored, so neither waits for a model. Functions that
//! happen within a caller's transaction return what integrators are to be told; the caller tells it
//! last, by [`tell`], because that locks endpoints.

mod agents;
mod erase;
mod export;
mod files;
mod hand_off;
mod heed;
mod phrases;
mod read;
mod release;
mod retention;
mod say;
mod steps;
mod thread;
mod vocabulary;
mod wish;

use db::TenantTx;
use events::Event;

use crate::{Assistant, Error};

pub use agents::{retry_message, send_message};
pub use erase::{erase, request_erasure};
pub use export::{Export, ExportedConversation, export};
pub use files::{NewFile, check_writable, send_file};
pub use hand_off::{HandOff, hand_off, take_over};
pub use read::mark_read;
pub use release::{release_due, release_due_of};
pub use retention::forget_old;
pub use steps::step;
pub use thread::move_thread;
pub use wish::set_opted_out;

pub(crate) use agents::is_unwanted;
pub(crate) use files::{kept_file, kept_media};
pub(crate) use heed::{Heeded, act, decide};
pub(crate) use phrases::holds_any;
pub(crate) use say::system as say;
pub(crate) use wish::heed_operator;

/// Tells integrators what happened, in order, in the transaction in which it did. Call it last: it
/// locks the endpoints that want to know.
///
/// # Errors
/// Those of the database.
pub async fn tell(assistant: &Assistant, tx: &mut TenantTx, happened: &[Event]) -> db::Result<()> {
    events::emit(tx, happened, &assistant.clock).await
}

/// The contact has another conversation that is open: what stands in the way of opening one.
fn another_open(error: db::Error) -> Error {
    if error.violates("conversations_one_open_key") {
        return Error::Conflict {
            code: "another_conversation_open",
            detail: "The contact has another conversation that is open.".to_owned(),
        };
    }
    error.into()
}
