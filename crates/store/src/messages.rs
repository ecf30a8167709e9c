//! Rows of `messages`.
