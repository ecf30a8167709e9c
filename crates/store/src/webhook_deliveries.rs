//! Rows of `webhook_deliveries`.
