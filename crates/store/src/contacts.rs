//! Rows of `contacts`.
