/// Why an operation on jobs was not done, by what the caller can do about it.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// There is no such job or limit, or it is another tenant's.
    #[error("no such job")]
    NotFound,
    /// What stands already does not allow it.
    #[error("{reason}")]
    Conflict {
        /// Why, for programs.
        code: &'static str,
        /// Why, for people.
        reason: String,
    },
    /// The operation would hit everything, and nobody confirmed how much that is.
    #[error("the count has to be confirmed")]
    Unconfirmed {
        /// How much it would hit.
        count: super::Count,
    },
    /// Fields that are wrong.
    #[error("the request is not valid")]
    Invalid(Vec<InvalidField>),
    /// The database's own.
    #[error(transparent)]
    Db(#[from] db::Error),
}

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {detail}")]
pub struct InvalidField {
    /// The field.
    pub field: &'static str,
    /// What is wrong with it.
    pub detail: String,
}

impl InvalidField {
    /// Names a field and what is wrong with it.
    pub fn new(field: &'static str, detail: impl Into<String>) -> Self {
        Self {
            field,
            detail: detail.into(),
        }
    }
}

impl From<InvalidField> for ControlError {
    fn from(field: InvalidField) -> Self {
        Self::Invalid(vec![field])
    }
}

impl From<sqlx::Error> for ControlError {
    fn from(error: sqlx::Error) -> Self {
        Self::Db(error.into())
    }
}

impl ControlError {
    pub(super) fn conflict(code: &'static str, reason: impl Into<String>) -> Self {
        Self::Conflict {
            code,
            reason: reason.into(),
        }
    }
}

/// What functions of this module return.
pub type Result<T, E = ControlError> = std::result::Result<T, E>;
