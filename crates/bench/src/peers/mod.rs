//! Other projects' job queues and search, measured beside ours; `peers/README.md` has the
//! protocols.

mod bm25s;
mod contender;
mod install;
mod program;

use crate::report::say;
use crate::server::Server;
pub(crate) use bm25s::{bm25s, fetch_collections};
pub(crate) use contender::Contender;

/// A job queue of another project.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// Graphile Worker; keeps no history.
    Graphile,
    /// pg-boss.
    PgBoss,
    /// Procrastinate.
    Procrastinate,
    /// apalis on the storage that belongs to it.
    Apalis,
}

impl Peer {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [
        Self::Graphile,
        Self::PgBoss,
        Self::Procrastinate,
        Self::Apalis,
    ];

    /// The name in the names of measures and databases.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Graphile => "graphile_worker",
            Self::PgBoss => "pg_boss",
            Self::Procrastinate => "procrastinate",
            Self::Apalis => "apalis_postgres",
        }
    }

    /// How many jobs are in flight where each is as fast as it gets; found by trying.
    const fn slots(self) -> usize {
        match self {
            // More only costs it: a handler that does nothing ends before the next one begins.
            Self::Graphile => 24,
            // Four pollers with batches of 500; two workers with a thousand jobs each.
            Self::PgBoss | Self::Apalis => 2000,
            Self::Procrastinate => 100,
        }
    }
}

/// Where peers run: beside the engine, or on a server that has what one of them needs.
pub(crate) struct Peers<'a> {
    server: &'a Server,
    hstore: Option<Server>,
}

impl<'a> Peers<'a> {
    /// Peers on the engine's server; those that need hstore on `hstore_url`, if it lacks that.
    ///
    /// # Errors
    /// When `hstore_url` is no address.
    pub(crate) fn new(server: &'a Server, hstore_url: Option<&str>) -> anyhow::Result<Self> {
        let hstore = hstore_url.map(|url| server.elsewhere(url)).transpose()?;
        Ok(Self { server, hstore })
    }

    /// Makes a peer ready, or says why it is left out.
    pub(crate) async fn contender(&self, peer: Peer) -> Result<Contender<'_>, String> {
        let prepared = self.prepare(peer).await;
        prepared.map_err(|error| {
            let why = format!("{error:#}");
            say(&format!("{} is left out: {why}", peer.name()));
            why
        })
    }

    async fn prepare(&self, peer: Peer) -> anyhow::Result<Contender<'_>> {
        let (server, elsewhere) = self.server_of(peer).await?;
        let installed = install::install(peer).await?;
        Ok(Contender {
            peer,
            server,
            elsewhere,
            installed,
        })
    }

    /// The server a peer runs on, and what to say if it is another than the engine's.
    async fn server_of(&self, peer: Peer) -> anyhow::Result<(&Server, Option<String>)> {
        if peer != Peer::Apalis || self.server.has_extension("hstore").await? {
            return Ok((self.server, None));
        }
        let hstore = self.hstore.as_ref().ok_or_else(|| {
            anyhow::anyhow!(
                "the server lacks the extension hstore, and BENCH_HSTORE_URL is not set"
            )
        })?;
        let what = hstore.describe().await?;
        Ok((hstore, Some(format!("ran on a server of its own: {what}"))))
    }
}
