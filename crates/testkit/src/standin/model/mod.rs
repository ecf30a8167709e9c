//! What the stand-ins for model providers share: the server, its script and its record, what a
//! model says and what goes wrong. A [`Dialect`] writes it as one provider does.

mod answer;
mod behaviour;
mod dialect;
mod server;
mod stream;
mod vectors;

pub use behaviour::{ModelBehaviour, ModelFault, ModelReply};
pub use server::{ModelCall, ModelOptions};

pub(super) use answer::Spoken;
pub(super) use dialect::{Dialect, Operation, Said};
pub(super) use server::{ModelServer, provider_server};
pub(super) use stream::{Frames, pieces, server_event};
pub(super) use vectors::vector;
