use std::num::NonZeroU32;

use secrecy::{ExposeSecret, SecretString};

use crate::section::section;

section! {
    /// The Postgres server that holds everything but uploaded files.
    Database, "Database";

    /// A Postgres of version 16 or later with pgvector 0.8 or later, as
    /// `postgres://user:password@host:5432/name`. Not set: an embedded server under the data folder.
    "DATABASE_URL" => url: Option<SecretString>, check is_postgres,
        production "set it to a server that is backed up.";

    /// Most connections that one process opens for its queries. It takes three more to listen, to signal and for heartbeats,
    /// and a worker up to eight for the claims and finishes of its engine.
    "METACHAT_DATABASE_MAX_CONNECTIONS" = "20" => max_connections: NonZeroU32;
}

#[expect(clippy::ref_option, reason = "a check takes the field's own type")]
fn is_postgres(url: &Option<SecretString>) -> Result<(), &'static str> {
    let Some(url) = url else { return Ok(()) };
    let url = url.expose_secret();
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        Ok(())
    } else {
        Err("must begin with postgres:// or postgresql://")
    }
}
