use std::io::Write as _;

/// Prints a line; where nobody listens there is nobody to tell.
pub(crate) fn say(line: &str) {
    writeln!(std::io::stdout(), "{line}").ok();
}
