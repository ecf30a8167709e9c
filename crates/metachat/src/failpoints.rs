//! Failure injection, for tests of crashes: `METACHAT_FAILPOINTS=send.before_request=kill` makes
//! the process kill itself there, and `kill@3` makes it kill itself when the third has come there,
//! while the first two wait. Without the feature `failpoints` there is no such point in the program
//! at all.

/// Sets the points up: a comma-separated list of `<name>=<action>`, where an action is `kill` or
/// `stop`, or either with `@` and how many have to come there.
#[cfg(feature = "failpoints")]
pub(crate) fn set_up(points: Option<&str>) -> anyhow::Result<()> {
    use std::time::Duration;

    use anyhow::Context as _;
    use rustix::process::{Signal, getpid, kill_process};

    /// A signal to a process may reach another thread first, and this one runs on until the kernel
    /// gets to it. It stays here for longer than that takes.
    const UNTIL_IT_ACTS: Duration = Duration::from_millis(200);

    for point in points
        .unwrap_or_default()
        .split(',')
        .filter(|point| !point.is_empty())
    {
        let (name, action) = point
            .split_once('=')
            .context("a failpoint is <name>=<action>")?;
        let (signal, last) = match action.split_once('@') {
            Some((signal, last)) => (signal, last.parse().context("how many is a number")?),
            None => (action, 1),
        };
        let signal = match signal {
            "kill" => Signal::KILL,
            "stop" => Signal::STOP,
            other => anyhow::bail!("unknown action {other} of failpoint {name}"),
        };
        let arrivals = Arrivals::of(last);
        let act = move || {
            // A process that goes on after SIGSTOP shall not stop again.
            if arrivals.wait_for_last() {
                // It cannot fail: a process may always signal itself.
                kill_process(getpid(), signal).ok();
                std::thread::sleep(UNTIL_IT_ACTS);
                arrivals.let_go();
            }
        };
        fail::cfg_callback(name, act).map_err(|error| anyhow::anyhow!("{name}: {error}"))?;
        tracing::warn!(name, action, "a failpoint is set");
    }
    Ok(())
}

/// Who has come to a failpoint.
#[cfg(feature = "failpoints")]
struct Arrivals {
    /// How many come until one acts.
    last: usize,
    come: std::sync::Mutex<usize>,
    acted: std::sync::Condvar,
}

#[cfg(feature = "failpoints")]
impl Arrivals {
    fn of(last: usize) -> Self {
        Self {
            last,
            come: std::sync::Mutex::new(0),
            acted: std::sync::Condvar::new(),
        }
    }

    /// Counts who comes. True for the last; those before it wait until it has acted, those after it
    /// pass.
    fn wait_for_last(&self) -> bool {
        let unpoisoned = std::sync::PoisonError::into_inner;
        let mut come = self.come.lock().unwrap_or_else(unpoisoned);
        *come += 1;
        if *come >= self.last {
            return *come == self.last;
        }
        drop(come);
        // Other tasks of this thread go on elsewhere: one of them may be the last to come.
        tokio::task::block_in_place(|| {
            let come = self.come.lock().unwrap_or_else(unpoisoned);
            let acted = self.acted.wait_while(come, |come| *come <= self.last);
            drop(acted);
        });
        false
    }

    /// Lets those go on who waited.
    fn let_go(&self) {
        let mut come = self
            .come
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        *come += 1;
        self.acted.notify_all();
    }
}

/// There are no failpoints in this build.
#[cfg(not(feature = "failpoints"))]
pub(crate) fn set_up(points: Option<&str>) -> anyhow::Result<()> {
    anyhow::ensure!(
        points.is_none_or(str::is_empty),
        "METACHAT_FAILPOINTS is set, but this build has no failpoints"
    );
    Ok(())
}
