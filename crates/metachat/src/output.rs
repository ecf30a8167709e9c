//! What the program says to whoever started it, on the standard streams.

use std::io::Write as _;
use std::process::ExitCode;

/// Prints text, with a line end if it has none.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        out.write_all(b"\n")?;
    }
    Ok(out.flush()?)
}

/// Says why the program ends, with every cause, and gives its exit code.
pub(crate) fn fail(error: &anyhow::Error) -> ExitCode {
    let mut out = std::io::stderr().lock();
    // Nobody is left to tell if this fails.
    writeln!(out, "metachat: {error:#}").ok();
    ExitCode::FAILURE
}
