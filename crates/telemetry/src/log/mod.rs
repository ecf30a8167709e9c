mod json;

use tracing::Dispatch;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::JsonFields;
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

/// A log that writes to `writer`, without colour and without becoming the process's: for tests.
///
/// # Errors
/// [`Error::Filter`].
pub fn dispatch<W>(filter: &str, format: Format, writer: W) -> Result<Dispatch, Error>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    log(filter, format, false, writer)
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
        Format::Json => log
            .fmt_fields(JsonFields::new())
            .event_format(json::Lines::default())
            .into(),
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

    fn logged(filter: &str, format: Format, events: impl FnOnce()) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let log = log(filter, format, false, move || writer.clone()).unwrap();
        tracing::dispatcher::with_default(&log, events);
        String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
    }

    fn two_events() {
        tracing::info!(tenant.id = "t1", "stored");
        tracing::debug!("detail");
    }

    #[test]
    fn a_json_line_is_one_object_with_its_fields_at_the_top() {
        let text = logged("info", Format::Json, two_events);
        assert_eq!(text.lines().count(), 1, "{text}");
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["message"], "stored");
        assert_eq!(line["tenant.id"], "t1");
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["target"], "telemetry::log::tests");
    }

    #[test]
    fn a_json_line_has_the_fields_of_its_spans_beside_its_own() {
        let text = logged("info", Format::Json, || {
            let _request = tracing::info_span!("request", trace.id = "t", status = 1).entered();
            let _step = tracing::info_span!("step", nth = 2).entered();
            tracing::info!(status = 200, "served");
        });
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["trace.id"], "t");
        assert_eq!(line["nth"], 2);
        assert_eq!(line["status"], 200, "the event's own goes before: {line}");
        assert!(
            line.get("span").is_none() && line.get("spans").is_none(),
            "{line}"
        );
        assert!(text.ends_with("}\n"), "{text:?}");
    }

    #[test]
    fn a_text_line_has_the_fields_of_its_spans() {
        let text = logged("warn", Format::Text, || {
            tracing::error_span!("request", trace.id = "abc").in_scope(|| tracing::warn!("late"));
        });
        assert!(text.contains("trace.id=\"abc\""), "{text}");
    }

    #[test]
    fn the_filter_decides_what_is_logged() {
        let logged = |filter| logged(filter, Format::Text, two_events);
        assert!(logged("debug").contains("detail"));
        assert!(!logged("info").contains("detail"));
        assert_eq!(logged("info,telemetry=error"), "");
    }

    #[test]
    fn a_filter_that_means_nothing_is_refused() {
        let refused = log("info,=,=", Format::Text, false, io::sink);
        assert!(matches!(refused, Err(Error::Filter(_))), "{refused:?}");
    }
}
