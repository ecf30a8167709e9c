use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Pid, test_kill_process};

use crate::account::Account;
use crate::binaries::Binaries;
use crate::error::{Attempt, Error, Result, last_line};
use crate::home::Home;
use crate::progress::{Progress, ProgressFn};

/// Puts in order what a killed process left: stops a server that still runs on our cluster, and
/// removes files that would keep the next one from starting.
///
/// Called with the folder's lock held, so whatever runs there belongs to nobody.
pub(crate) fn clear(
    home: &Home,
    binaries: &Binaries,
    account: &Account,
    progress: &ProgressFn,
) -> Result<()> {
    let cluster = home.cluster();
    let pid_file = cluster.join("postmaster.pid");
    let Some(pid) = read_pid(&pid_file) else {
        return Ok(());
    };
    if test_kill_process(pid) == Err(rustix::io::Errno::SRCH) {
        // Postgres removes a dead server's files itself, and checks for its children first.
        return Ok(());
    }
    if serves(pid, &cluster) {
        progress(Progress::StoppingOrphan);
        return stop(binaries, account, &cluster);
    }
    // The number went to another program, as after a restart of the machine; Postgres would take
    // that program for a server and refuse to start.
    fs::remove_file(&pid_file).attempt("removing", &pid_file)?;
    for name in [".s.PGSQL.5432", ".s.PGSQL.5432.lock"] {
        let path = home.socket_dir.join(name);
        if path.exists() {
            fs::remove_file(&path).attempt("removing", &path)?;
        }
    }
    Ok(())
}

/// The first line of `postmaster.pid`.
fn read_pid(pid_file: &Path) -> Option<Pid> {
    let text = fs::read_to_string(pid_file).ok()?;
    Pid::from_raw(text.lines().next()?.trim().parse().ok()?)
}

/// Whether process `pid` is a Postgres started on `cluster`.
fn serves(pid: Pid, cluster: &Path) -> bool {
    let pid = pid.as_raw_nonzero();
    let command_line = fs::read(format!("/proc/{pid}/cmdline")).or_else(|_| {
        Command::new("ps")
            .args(["-ww", "-o", "command=", "-p", &pid.to_string()])
            .output()
            .map(|output| output.stdout)
    });
    let wanted = cluster.as_os_str().as_encoded_bytes();
    command_line.is_ok_and(|line| line.windows(wanted.len()).any(|part| part == wanted))
}

fn stop(binaries: &Binaries, account: &Account, cluster: &Path) -> Result<()> {
    let mut detail = String::new();
    for mode in ["fast", "immediate"] {
        let output = account
            .command(&binaries.pg_ctl())
            .args(["stop", "--silent", "--wait", "--timeout=60", "--mode", mode])
            .arg("--pgdata")
            .arg(cluster)
            .stdout(Stdio::null())
            .output()
            .attempt("running", &binaries.pg_ctl())?;
        if output.status.success() {
            return Ok(());
        }
        detail = last_line(&output.stderr);
    }
    Err(Error::Program {
        program: "pg_ctl",
        detail,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_program_is_not_taken_for_a_server() {
        let own = Pid::from_raw(i32::try_from(std::process::id()).unwrap()).unwrap();
        assert!(!serves(own, Path::new("/nowhere/cluster")));
    }

    #[test]
    fn a_pid_file_that_is_empty_or_nonsense_names_nobody() {
        let temp = tempfile::tempdir().unwrap();
        let file = temp.path().join("postmaster.pid");
        assert_eq!(read_pid(&file), None);
        fs::write(&file, "").unwrap();
        assert_eq!(read_pid(&file), None);
        fs::write(&file, "4711\n/data\n").unwrap();
        assert_eq!(read_pid(&file), Pid::from_raw(4711));
    }
}
