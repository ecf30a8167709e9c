//! Rows of `webhook_endpoints`.
