//! Rows of `parked_statuses`.
