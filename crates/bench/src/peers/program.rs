use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::process::Command;
use url::Url;

use super::install::Installed;

/// How long a program may take; compiling one takes minutes.
const PATIENCE: Duration = Duration::from_mins(20);

/// Runs a peer and returns the last line it printed.
///
/// # Errors
/// When it cannot be run, fails, prints nothing or takes too long.
pub(super) async fn run(
    installed: &Installed,
    arguments: &[String],
    url: Option<&Url>,
) -> anyhow::Result<String> {
    let mut command = Command::new(&installed.program);
    command
        .args(&installed.arguments)
        .args(arguments)
        .envs(url.map(|url| ("PEER_DATABASE_URL", url.as_str())))
        .envs(
            installed
                .variables
                .iter()
                .map(|(name, value)| (name, value)),
        );
    output(command).await
}

/// Runs a command to its end and returns the last line of its output.
///
/// # Errors
/// Those of [`run`]; a failure is told by the last line of its errors.
pub(super) async fn output(mut command: Command) -> anyhow::Result<String> {
    let name = command
        .as_std()
        .get_program()
        .to_string_lossy()
        .into_owned();
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output())
        .await
        .with_context(|| format!("{name} took too long"))?
        .with_context(|| format!("{name} cannot be run"))?;
    if !output.status.success() {
        bail!("{name} failed: {}", telling_line(&output.stderr));
    }
    let printed = String::from_utf8_lossy(&output.stdout);
    Ok(printed.lines().next_back().unwrap_or_default().to_owned())
}

/// The line of a program's errors that tells most: the last with the word error, else the last.
fn telling_line(errors: &[u8]) -> String {
    let errors = String::from_utf8_lossy(errors);
    let mut lines = errors
        .lines()
        .rev()
        .map(str::trim)
        .filter(|line| !line.is_empty());
    let last = lines.clone().next();
    let named = lines.find(|line| line.to_lowercase().contains("error"));
    named.or(last).unwrap_or("no reason given").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_by_its_error_and_not_by_what_follows() {
        let errors = b"starting\nError: no such host\n    at connect\n\nNode.js v24\n";
        assert_eq!(telling_line(errors), "Error: no such host");
        assert_eq!(telling_line(b"one\ntwo\n"), "two");
        assert_eq!(telling_line(b""), "no reason given");
    }
}
