//! Rows of `search`.
