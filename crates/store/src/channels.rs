//! Rows of `channels`.
