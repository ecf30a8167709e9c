//! Rows of `webchat_sessions`.
