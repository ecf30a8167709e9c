//! Rows of `tenants`.
