//! Rows of `chunks`.
