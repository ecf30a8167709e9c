//! The log: one line for each event, on the standard error stream.

use tracing::Dispatch;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people; in colour on a terminal.
    Text,
    /// One JSON object a line, for machines.
    Json,
}

/// Why the log cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The filter is not of the form `info` or `info,sqlx=warn`.
    #[error("the log filter is not of the form `info` or `info,sqlx=warn`")]
    Filter(#[source] ParseError),
    /// The process has a log already.
    #[error("the process has a log already")]
    AlreadySet(#[source] TryInitError),
}

/// Sends the process's events that pass `filter` to the standard error stream, from here on.
///
/// # Errors
/// [`Error::Filter`], and [`Error::AlreadySet`] the second time.
pub fn init(filter: &str, format: Format) -> Result<(), Error> {
    use std::io::IsTerminal as _;
    let colour = std::io::stderr().is_terminal();
    let log = log(filter, format, colour, std::io::stderr)?;
    log.try_init().map_err(Error::AlreadySet)
}

fn log<W>(filter: &str, format: Format, colour: bool, writer: W) -> Result<Dispatch, Error>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::builder().parse(filter).map_err(Error::Filter)?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colour)
        .with_writer(writer);
    Ok(match format {
        Format::Text => log.into(),
        Format::Json => log.json().flatten_event(true).into(),
    })
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(filter: &str, format: Format) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let log = log(filter, format, false, move || writer.clone()).unwrap();
        tracing::dispatcher::with_default(&log, || {
            tracing::info!(tenant.id = "t1", "stored");
            tracing::debug!("detail");
        });
        String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_json_line_is_one_object_with_its_fields_at_the_top() {
        let text = logged("info", Format::Json);
        assert_eq!(text.lines().count(), 1, "{text}");
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["message"], "stored");
        assert_eq!(line["tenant.id"], "t1");
        assert_eq!(line["level"], "INFO");
    }

    #[test]
    fn the_filter_decides_what_is_logged() {
        assert!(logged("debug", Format::Text).contains("detail"));
        assert!(!logged("info", Format::Text).contains("detail"));
        assert_eq!(logged("info,telemetry=error", Format::Text), "");
    }

    #[test]
    fn a_filter_that_means_nothing_is_refused() {
        let refused = log("info,=,=", Format::Text, false, io::sink);
        assert!(matches!(refused, Err(Error::Filter(_))), "{refused:?}");
    }
}
