//! Rows of `idempotency_keys`.
