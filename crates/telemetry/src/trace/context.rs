use std::fmt;
use std::str::FromStr;

use rand::RngExt as _;

/// The one version of `traceparent` there is. Later ones begin with the same fields.
const VERSION: u8 = 0;

/// Length of a `traceparent` of version 00.
const LENGTH: usize = 55;

/// The bit of the flags that says that somebody records the trace.
const SAMPLED: u8 = 1;

/// The number of a trace: everything that came of one cause. Never zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(u128);

/// The number of one piece of work within its trace. Never zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId(u64);

/// Which trace a piece of work belongs to, and which piece it is.
///
/// Its text is a `traceparent`: `00-<32 digits>-<16 digits>-<2 digits>`, in lower-case hexadecimal.
/// Source: <https://www.w3.org/TR/trace-context/> (2021-11-23), section 3.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceContext {
    /// The trace.
    pub trace_id: TraceId,
    /// The piece of work.
    pub span_id: SpanId,
    /// Whether whoever began the trace records it. We only pass it on.
    pub sampled: bool,
}

/// The text is not a `traceparent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not of the form of a traceparent")]
pub struct InvalidTraceparent;

impl TraceContext {
    /// The first piece of work of a trace of its own.
    pub fn generate() -> Self {
        Self {
            trace_id: TraceId(rand::rng().random_range(1..=u128::MAX)),
            span_id: SpanId::generate(),
            sampled: false,
        }
    }

    /// Another piece of work of the same trace.
    #[must_use]
    pub fn child(self) -> Self {
        Self {
            span_id: SpanId::generate(),
            ..self
        }
    }
}

impl SpanId {
    fn generate() -> Self {
        Self(rand::rng().random_range(1..=u64::MAX))
    }
}

impl FromStr for TraceContext {
    type Err = InvalidTraceparent;

    fn from_str(text: &str) -> Result<Self, InvalidTraceparent> {
        let mut parts = text.split('-');
        let mut part = |digits| hexadecimal(parts.next()?, digits);
        let fields = (|| Some((part(2)?, part(32)?, part(16)?, part(2)?)))();
        let (version, trace_id, span_id, flags) = fields.ok_or(InvalidTraceparent)?;
        // A later version may have more fields; which it has, nobody knows yet.
        let is_known = version == u128::from(VERSION) && text.len() == LENGTH;
        let is_later = (1..0xff).contains(&version);
        if !is_known && !is_later {
            return Err(InvalidTraceparent);
        }
        let span_id = u64::try_from(span_id).map_err(|_| InvalidTraceparent)?;
        if trace_id == 0 || span_id == 0 {
            return Err(InvalidTraceparent);
        }
        Ok(Self {
            trace_id: TraceId(trace_id),
            span_id: SpanId(span_id),
            sampled: flags & u128::from(SAMPLED) != 0,
        })
    }
}

/// Reads exactly so many lower-case digits.
fn hexadecimal(text: &str, digits: usize) -> Option<u128> {
    let is_digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if text.len() != digits || !text.bytes().all(is_digit) {
        return None;
    }
    u128::from_str_radix(text, 16).ok()
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = if self.sampled { SAMPLED } else { 0 };
        let Self {
            trace_id, span_id, ..
        } = self;
        write!(f, "{VERSION:02x}-{trace_id}-{span_id}-{flags:02x}")
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    fn read(text: &str) -> Option<TraceContext> {
        text.parse().ok()
    }

    #[test]
    fn a_traceparent_is_read_and_written_as_it_came() {
        for flags in ["00", "01"] {
            let text = format!("00-{TRACE}-{SPAN}-{flags}");
            let context = read(&text).unwrap();
            assert_eq!(context.to_string(), text);
            assert_eq!(context.trace_id.to_string(), TRACE);
            assert_eq!(context.span_id.to_string(), SPAN);
            assert_eq!(context.sampled, flags == "01");
        }
    }

    #[test]
    fn flags_that_nobody_knows_are_dropped() {
        let context = read(&format!("00-{TRACE}-{SPAN}-ff")).unwrap();
        assert!(context.to_string().ends_with("-01"), "{context}");
    }

    #[test]
    fn a_later_version_is_read_by_the_fields_that_this_one_has() {
        for text in [
            format!("cc-{TRACE}-{SPAN}-01"),
            format!("01-{TRACE}-{SPAN}-01-what-will-be"),
        ] {
            let context = read(&text).unwrap();
            assert_eq!(context.to_string(), format!("00-{TRACE}-{SPAN}-01"));
        }
    }

    #[test]
    fn what_is_no_traceparent_is_refused() {
        let zeros = ["0".repeat(32), "0".repeat(16)];
        for text in [
            String::new(),
            "00".to_owned(),
            "nonsense".to_owned(),
            format!("00-{TRACE}-{SPAN}"),
            format!("00-{TRACE}-{SPAN}-1"),
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!("00-{TRACE}-{SPAN}-01-"),
            format!("00-{TRACE}-{SPAN}-01 "),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("00-{}-{SPAN}-01", zeros[0]),
            format!("00-{TRACE}-{}-01", zeros[1]),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{}-{SPAN}-01", &TRACE[1..]),
            format!("00-+{}-{SPAN}-01", &TRACE[1..]),
            format!("00-{TRACE}-{SPAN}-é"),
        ] {
            assert_eq!(read(&text), None, "{text}");
        }
    }

    #[test]
    fn what_is_made_can_be_read_and_differs_each_time() {
        let (one, other) = (TraceContext::generate(), TraceContext::generate());
        assert_eq!(read(&one.to_string()), Some(one));
        assert_ne!(one.trace_id, other.trace_id);
        let child = one.child();
        assert_eq!(child.trace_id, one.trace_id);
        assert_ne!(child.span_id, one.span_id);
    }
}
