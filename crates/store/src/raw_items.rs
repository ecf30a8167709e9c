//! Rows of `raw_items`.
