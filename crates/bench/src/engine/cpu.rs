//! Processor time, of this program and of the server's processes: on a machine that others use too it
//! says more than a rate does.

use std::time::Duration;

use db::Db;

use crate::stats::per_second;

/// Processor time used so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Used {
    own: Duration,
    server: Duration,
}

impl Used {
    /// What was used until now; the server's is zero where it runs on another machine.
    ///
    /// # Errors
    /// Those of the database.
    pub(super) async fn now(db: &Db) -> anyhow::Result<Self> {
        let pids: Vec<i32> = sqlx::query_scalar("SELECT pid FROM pg_stat_activity")
            .fetch_all(db.pool())
            .await?;
        Ok(Self {
            own: of_process("self"),
            server: pids.iter().map(|pid| of_process(&pid.to_string())).sum(),
        })
    }

    /// What was used since for each of `count` jobs, for people.
    pub(super) fn since(self, earlier: Self, count: usize) -> String {
        let each = |now: Duration, then: Duration| {
            // The rate turned upside down.
            1e6 / per_second(count.max(1), now.saturating_sub(then))
        };
        format!(
            "{:.1} µs of the engine and {:.1} µs of the server for each",
            each(self.own, earlier.own),
            each(self.server, earlier.server)
        )
    }
}

/// Of all threads of a process that are there.
fn of_process(pid: &str) -> Duration {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task"));
    let threads = tasks.into_iter().flatten().flatten();
    let nanos = threads.filter_map(|thread| {
        let stat = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        stat.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}
