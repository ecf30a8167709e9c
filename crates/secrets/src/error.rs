use crate::KeyId;

/// Why a value cannot be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes are no sealed value of a known format.
    #[error("these bytes are no sealed value")]
    Malformed,
    /// The value was sealed under a key that this process does not have.
    #[error("the value is sealed under the master key {key_id}, which is not configured")]
    UnknownKey {
        /// The key that is missing.
        key_id: KeyId,
    },
    /// The value was changed, or sealed for another place than the one it was read from.
    #[error("the sealed value was changed or belongs elsewhere")]
    NotAuthentic,
    /// The value is too long to seal.
    #[error("the value is too long to seal")]
    TooLong,
    /// The value does not have the expected shape; its content is left out on purpose.
    #[error("the value is not of the expected shape (line {line}, column {column})")]
    Shape {
        /// Line of the JSON text, from 1; 0 if writing failed.
        line: usize,
        /// Column of that line.
        column: usize,
    },
}
