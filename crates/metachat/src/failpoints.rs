//! Failure injection, for tests of crashes: `METACHAT_FAILPOINTS=send.before_request=kill` makes
//! the process kill itself there. Without the feature `failpoints` there is no such point in the
//! program at all.

/// Sets the points up: a comma-separated list of `<name>=kill` or `<name>=stop`.
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
        let signal = match action {
            "kill" => Signal::KILL,
            "stop" => Signal::STOP,
            other => anyhow::bail!("unknown action {other} of failpoint {name}"),
        };
        let once = std::sync::atomic::AtomicBool::new(true);
        let act = move || {
            // A process that goes on after SIGSTOP shall not stop again.
            if once.swap(false, std::sync::atomic::Ordering::SeqCst) {
                // It cannot fail: a process may always signal itself.
                kill_process(getpid(), signal).ok();
                std::thread::sleep(UNTIL_IT_ACTS);
            }
        };
        fail::cfg_callback(name, act).map_err(|error| anyhow::anyhow!("{name}: {error}"))?;
        tracing::warn!(name, action, "a failpoint is set");
    }
    Ok(())
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
