use std::io;
use std::sync::Arc;

use sqlx::error::ErrorKind;

/// Why the database did not do what was asked, by what the caller can do about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database cannot be reached or is busy: the same call may succeed later.
    #[error("the database is not available")]
    Unavailable(#[source] sqlx::Error),
    /// A named constraint refused the write.
    #[error("the write violates {constraint}")]
    Constraint {
        /// The constraint's name in the schema.
        constraint: String,
        /// What the driver said.
        #[source]
        source: sqlx::Error,
    },
    /// The row asked for is not there, or not this tenant's.
    #[error("no such row")]
    NotFound,
    /// A row holds what it should not.
    #[error("a stored value cannot be read: {what}")]
    Corrupt {
        /// Which value.
        what: String,
    },
    /// The server is not fit for us; the text says how to mend it.
    #[error("{0}")]
    Unfit(String),
    /// A migration failed.
    #[error("the schema could not be migrated")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// Anything else: a mistake of ours.
    #[error("the database refused a statement")]
    Other(#[source] sqlx::Error),
}

impl Error {
    /// Names a stored value that cannot be read.
    pub fn corrupt(what: impl Into<String>) -> Self {
        Self::Corrupt { what: what.into() }
    }

    /// Whether the same call may succeed later.
    pub const fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }

    /// Whether the server itself said no, so that nothing of the transaction is kept. Otherwise the
    /// connection is lost, and nobody knows what became of a commit that was on its way.
    pub const fn is_refusal(&self) -> bool {
        match self {
            Self::Unavailable(source) => matches!(source, sqlx::Error::Database(_)),
            _ => true,
        }
    }

    /// What a caller is told for whom there is no room: the same as where no connection comes free.
    pub const fn busy() -> Self {
        Self::Unavailable(sqlx::Error::PoolTimedOut)
    }

    /// What one of several callers is told who waited for the same transaction, which the database
    /// was not there for.
    pub fn of_all(cause: &Arc<Self>) -> Self {
        Self::Unavailable(sqlx::Error::Io(io::Error::other(Arc::clone(cause))))
    }

    /// Whether the write was refused by the constraint of that name.
    pub fn violates(&self, name: &str) -> bool {
        matches!(self, Self::Constraint { constraint, .. } if constraint == name)
    }
}

impl From<sqlx::Error> for Error {
    fn from(source: sqlx::Error) -> Self {
        match &source {
            sqlx::Error::RowNotFound => Self::NotFound,
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::BeginFailed
            | sqlx::Error::Protocol(_) => Self::Unavailable(source),
            sqlx::Error::Database(error) => {
                let code = error.code();
                if is_transient(code.as_deref().unwrap_or_default()) {
                    return Self::Unavailable(source);
                }
                match (error.kind(), error.constraint()) {
                    (ErrorKind::Other, _) | (_, None) => Self::Other(source),
                    (_, Some(constraint)) => Self::Constraint {
                        constraint: constraint.to_owned(),
                        source,
                    },
                }
            }
            _ => Self::Other(source),
        }
    }
}

/// Whether an SQLSTATE says "later": connection trouble, shutdown, too many clients, deadlock,
/// serialisation, lock, statement and idle time-outs. Source: PostgreSQL 18 manual, appendix A.
fn is_transient(code: &str) -> bool {
    code.starts_with("08")
        || matches!(
            code,
            "53300"
                | "53400"
                | "57P01"
                | "57P02"
                | "57P03"
                | "40001"
                | "40P01"
                | "55P03"
                | "57014"
                | "25P03"
        )
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn all_who_waited_for_a_transaction_are_told_the_same() {
        let cause = Arc::new(Error::from(sqlx::Error::PoolClosed));
        for told in [Error::of_all(&cause), Error::of_all(&cause), Error::busy()] {
            assert!(told.is_unavailable() && !told.is_refusal());
        }
        let told = Error::of_all(&cause);
        let mut texts = Vec::new();
        let mut source = told.source();
        while let Some(error) = source {
            texts.push(error.to_string());
            source = error.source();
        }
        let of_cause = sqlx::Error::PoolClosed.to_string();
        assert!(texts.contains(&of_cause), "{texts:?}");
    }

    #[test]
    fn what_the_server_says_is_a_refusal_and_a_lost_connection_is_none() {
        assert!(Error::NotFound.is_refusal());
        assert!(!Error::from(sqlx::Error::BeginFailed).is_refusal());
    }
}
