//! Rows of `documents`.
