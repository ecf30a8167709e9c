use super::InvalidSpec;

/// Why a schedule could not be set or found.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A value is not one that a schedule can have.
    #[error("the {field} {reason}")]
    Refused {
        /// Which: `name`, `kind`, `spec` or `payload`.
        field: &'static str,
        /// What is wrong with it, as the end of a sentence that begins with its name.
        reason: String,
    },
    /// There is no schedule of that name.
    #[error("no such schedule")]
    NotFound,
    /// The database did not do it.
    #[error(transparent)]
    Database(#[from] db::Error),
}

impl Error {
    pub(super) fn refused(field: &'static str, reason: impl Into<String>) -> Self {
        Self::Refused {
            field,
            reason: reason.into(),
        }
    }
}

impl From<InvalidSpec> for Error {
    fn from(error: InvalidSpec) -> Self {
        Self::refused("spec", error.to_string())
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }
}

/// What the functions on schedules return.
pub type Result<T> = std::result::Result<T, Error>;
