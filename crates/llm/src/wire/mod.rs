//! One module per format on the wire; a provider that speaks a known one is a row in the table.

mod limits;
pub(crate) mod openai_chat;
