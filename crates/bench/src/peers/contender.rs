use anyhow::ensure;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::install::Installed;
use super::{Peer, program};
use crate::server::Server;
use crate::stats::per_second;

/// A peer that is ready to run.
pub(crate) struct Contender<'a> {
    pub(super) peer: Peer,
    pub(super) server: &'a Server,
    pub(super) elsewhere: Option<String>,
    pub(super) installed: Installed,
}

/// What one `pickup` gave, in milliseconds for each job.
#[derive(Debug, Deserialize)]
pub(crate) struct Pickups {
    /// From the return of the call that enqueues.
    pub(crate) after_commit_ms: Vec<f64>,
    /// From before that call.
    pub(crate) after_call_ms: Vec<f64>,
}

/// What one `burn` gave.
#[derive(Debug, Deserialize)]
struct Burnt {
    jobs: usize,
    seconds: f64,
}

impl Contender<'_> {
    /// Which peer it is.
    pub(crate) const fn peer(&self) -> Peer {
        self.peer
    }

    /// What has to be known of its server, if that is not the engine's.
    pub(crate) fn elsewhere(&self) -> Option<&str> {
        self.elsewhere.as_deref()
    }

    /// Jobs per second through its worker, of `jobs` that do nothing.
    ///
    /// # Errors
    /// When the program fails or does not run them all.
    pub(crate) async fn burn(&self, jobs: usize) -> anyhow::Result<f64> {
        let burnt: Burnt = self.run("burn", jobs, self.peer.slots()).await?;
        ensure!(burnt.jobs == jobs, "{} of {jobs} jobs ran", burnt.jobs);
        let time = std::time::Duration::from_secs_f64(burnt.seconds);
        Ok(per_second(jobs, time))
    }

    /// Times of jobs that are enqueued one by one.
    ///
    /// # Errors
    /// When the program fails.
    pub(crate) async fn pickup(&self, jobs: usize, slots: usize) -> anyhow::Result<Pickups> {
        self.run("pickup", jobs, slots).await
    }

    /// Runs the program once, on a database made for it.
    async fn run<T: DeserializeOwned>(
        &self,
        mode: &str,
        jobs: usize,
        slots: usize,
    ) -> anyhow::Result<T> {
        let url = self.server.empty_database(self.peer.name()).await?;
        let arguments = [mode.to_owned(), jobs.to_string(), slots.to_string()];
        let output = program::run(&self.installed, &arguments, Some(&url)).await;
        self.server.drop_database_at(&url).await?;
        Ok(serde_json::from_str(&output?)?)
    }
}
