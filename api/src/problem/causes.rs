//! What each crate's errors mean to a caller.

use jobs::control::ControlError;
use poem::http::StatusCode;

use super::{FieldProblem, Problem};

impl From<db::Error> for Problem {
    fn from(error: db::Error) -> Self {
        match &error {
            db::Error::NotFound => Self::not_found(),
            db::Error::Unavailable(_) => Self::unavailable(error),
            // The tenant went away, or never was.
            db::Error::Constraint { constraint, .. } if constraint.ends_with("_tenant_id_fkey") => {
                Self::not_found()
            }
            _ => Self::internal(error),
        }
    }
}

impl From<assistant::Error> for Problem {
    fn from(error: assistant::Error) -> Self {
        use assistant::Error;
        match error {
            Error::NotFound => Self::not_found(),
            Error::Refused(why) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "refused", why),
            Error::Conflict { code, detail } => Self::conflict(code, detail),
            Error::RateLimited { retry_after } => {
                // Rounded up: too early is refused again.
                Self::rate_limited(retry_after.as_secs() + 1)
            }
            Error::Unauthenticated => Self::unauthorized(),
            // 401, not 403: a page can read why, and show its log-in.
            Error::IdentityRequired => Self::new(
                StatusCode::UNAUTHORIZED,
                "identity_required",
                "This web chat is for logged-in users: send an `identity`.",
            ),
            Error::IdentityNotVerified => Self::new(
                StatusCode::UNAUTHORIZED,
                "identity_not_verified",
                "The `hash` of the identity is not this chat's, or its time is over.",
            ),
            Error::OriginNotAllowed => Self::new(
                StatusCode::FORBIDDEN,
                "origin_not_allowed",
                "This web chat does not answer pages of that origin.",
            ),
            Error::Db(error) => error.into(),
            broken @ Error::Broken { .. } => Self::internal(broken),
        }
    }
}

impl From<ControlError> for Problem {
    fn from(error: ControlError) -> Self {
        match error {
            ControlError::NotFound => Self::not_found(),
            ControlError::Conflict { code, reason } => Self::conflict(code, reason),
            ControlError::Unconfirmed { count } => {
                let (jobs, more) = (count.jobs, if count.more { " or more" } else { "" });
                let detail = format!(
                    "This filter may hit everything: it hits {jobs}{more}; send that count along."
                );
                let problem = Self::conflict("confirmation_required", detail);
                let errors = vec![FieldProblem::new(
                    "confirm_count",
                    format!("must be {jobs}"),
                )];
                Self { errors, ..problem }
            }
            ControlError::Invalid(fields) => Self::invalid(
                fields
                    .into_iter()
                    .map(|wrong| FieldProblem::new(wrong.field, wrong.detail))
                    .collect(),
            ),
            ControlError::Db(error) => error.into(),
        }
    }
}

impl From<secrets::Error> for Problem {
    fn from(error: secrets::Error) -> Self {
        Self::internal(error)
    }
}

impl From<files::Error> for Problem {
    fn from(error: files::Error) -> Self {
        match error {
            files::Error::TooLarge { max_bytes } => Self::too_large(max_bytes),
            files::Error::NotFound { .. } => Self::not_found(),
            files::Error::Cut(_) => Self::new(
                StatusCode::BAD_REQUEST,
                "upload_incomplete",
                "The upload ended before the file was whole.",
            ),
            files::Error::Io { .. } => Self::internal(error),
        }
    }
}

impl From<Vec<channels::FieldError>> for Problem {
    fn from(errors: Vec<channels::FieldError>) -> Self {
        let within = |error: channels::FieldError| {
            let dot = if error.field.is_empty() { "" } else { "." };
            FieldProblem::new(format!("config{dot}{}", error.field), error.message)
        };
        Self::invalid(errors.into_iter().map(within).collect())
    }
}
