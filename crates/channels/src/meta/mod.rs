//! What WhatsApp and Messenger share, for both are Meta's: how posts are signed, how our address is
//! confirmed, and the Graph API with its errors.

mod answer;
mod graph;
mod signature;
mod subscription;

pub(crate) use answer::{GraphError, read_answer};
pub use graph::Graph;
pub(crate) use graph::{read_id, read_subscription};
pub use signature::verify;
pub(crate) use signature::{HEADER as SIGNATURE_HEADER, verify_post};
pub use subscription::verify_subscription;
