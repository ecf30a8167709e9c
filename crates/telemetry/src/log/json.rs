use std::fmt;

use serde_json::{Map, Value};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{Format, Json, JsonFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// One flat JSON object a line: the event's fields, then those of the spans it was written in.
///
/// The stock formatter nests the spans, where a search for one `trace.id` does not look.
pub(super) struct Lines(Format<Json>);

impl Default for Lines {
    fn default() -> Self {
        let line = Format::default()
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false);
        Self(line)
    }
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let spans = span_fields(context);
        if spans.is_empty() {
            return self.0.format_event(context, writer, event);
        }
        let mut line = String::new();
        self.0
            .format_event(context, Writer::new(&mut line), event)?;
        match serde_json::from_str::<Map<String, Value>>(&line) {
            Ok(mut fields) => {
                for (name, value) in spans {
                    fields.entry(name).or_insert(value);
                }
                writeln!(writer, "{}", Value::Object(fields))
            }
            // It was made by a JSON writer just now.
            Err(_) => writer.write_str(&line),
        }
    }
}

/// The fields of the spans around an event; an inner span's go before those of an outer one.
fn span_fields<S, N>(context: &FmtContext<'_, S, N>) -> Map<String, Value>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    let mut all = Map::new();
    let Some(scope) = context.event_scope() else {
        return all;
    };
    for span in scope {
        let extensions = span.extensions();
        let fields = extensions
            .get::<FormattedFields<JsonFields>>()
            .and_then(|text| serde_json::from_str::<Map<String, Value>>(&text.fields).ok());
        for (name, value) in fields.into_iter().flatten() {
            all.entry(name).or_insert(value);
        }
    }
    all
}
