//! Rows of `conversations`.
