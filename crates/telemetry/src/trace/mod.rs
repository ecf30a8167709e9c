//! What ties a request to everything that comes of it: W3C trace context, without an exporter.
//!
//! A request takes over its caller's trace or begins one; a job takes over the trace of whoever
//! enqueued it, through the `traceparent` stored with it. The `trace.id` stands in the span of each,
//! and so in every line they log. [`current`] belongs to the task: work that is spawned has to
//! [`follow`].

mod context;

use tokio::task_local;
use tracing::{Instrument as _, Span};

pub use context::{InvalidTraceparent, SpanId, TraceContext, TraceId};

task_local! {
    static CURRENT: TraceContext;
}

/// The piece of work that this task does, if it is known; its text is what to store with a job.
pub fn current() -> Option<TraceContext> {
    CURRENT.try_with(|context| *context).ok()
}

/// One piece of work, ready to be done: its place in its trace, and the span of its log lines.
#[derive(Clone, Debug)]
pub struct Scope {
    context: TraceContext,
    span: Span,
}

impl Scope {
    /// Its place in its trace.
    pub const fn context(&self) -> TraceContext {
        self.context
    }

    /// The span that its log lines stand in.
    pub const fn span(&self) -> &Span {
        &self.span
    }

    /// Does the work: inside, [`current`] is this scope's, and log lines have its fields.
    pub async fn run<F: Future>(self, work: F) -> F::Output {
        CURRENT
            .scope(self.context, work)
            .instrument(self.span)
            .await
    }
}

/// The scope of a request: in its caller's trace if that sent a valid `traceparent`, else in a
/// trace of its own.
pub fn request_scope(request_id: &str, traceparent: Option<&str>) -> Scope {
    let caller = read(traceparent);
    let context = caller.map_or_else(TraceContext::generate, TraceContext::child);
    // Of the highest level, so that a filter that lets only warnings through keeps it.
    let span = tracing::error_span!(
        "request",
        request.id = request_id,
        trace.id = %context.trace_id,
    );
    Scope { context, span }
}

/// The scope of one attempt of a job: in the trace of whoever enqueued it, whose `traceparent` was
/// stored with it; its enqueuer's span is the field `link.span_id`.
///
/// A link and not a parent: the request has long been answered when its job runs.
pub fn job_scope(kind: &str, job_id: i64, attempt: i16, traceparent: Option<&str>) -> Scope {
    let enqueuer = read(traceparent);
    let context = enqueuer.map_or_else(TraceContext::generate, TraceContext::child);
    let link = enqueuer.map(|enqueuer| tracing::field::display(enqueuer.span_id));
    let span = tracing::error_span!(
        "job",
        job.kind = kind,
        job.id = job_id,
        job.attempt = attempt,
        trace.id = %context.trace_id,
        link.span_id = link,
        tenant.id = tracing::field::Empty,
        conversation.id = tracing::field::Empty,
        message.id = tracing::field::Empty,
    );
    Scope { context, span }
}

/// What a job is about, for the span of its log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The tenant whose work it is.
    Tenant,
    /// The conversation.
    Conversation,
    /// The message.
    Message,
}

/// Notes on the job that this task does what it is about, once that is known: its log lines from here
/// on say so. Outside of a job it does nothing.
pub fn note(subject: Subject, id: impl std::fmt::Display) {
    let name = match subject {
        Subject::Tenant => "tenant.id",
        Subject::Conversation => "conversation.id",
        Subject::Message => "message.id",
    };
    Span::current().record(name, tracing::field::display(id));
}

/// Does one of several things that a job does at once: what is noted within is noted of that one
/// alone, and stands in the lines that it logs.
pub fn apart<F: Future>(work: F) -> impl Future<Output = F::Output> {
    let span = tracing::error_span!(
        "part",
        conversation.id = tracing::field::Empty,
        message.id = tracing::field::Empty,
    );
    work.instrument(span)
}

/// The scope that this task works in, to be gone on with by another that does several scopes' work;
/// `None` outside of any.
pub fn here() -> Option<Scope> {
    let context = current()?;
    let span = Span::current();
    Some(Scope { context, span })
}

/// Work for a task of its own that goes on with what this task does: same trace, same log fields.
pub fn follow<F: Future>(work: F) -> impl Future<Output = F::Output> {
    let context = current();
    let work = async move {
        match context {
            Some(context) => CURRENT.scope(context, work).await,
            None => work.await,
        }
    };
    work.instrument(Span::current())
}

/// What cannot be read counts as not sent, as the standard has it.
fn read(traceparent: Option<&str>) -> Option<TraceContext> {
    traceparent.and_then(|text| text.parse().ok())
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use serde_json::Value;

    use super::*;
    use crate::Format;

    const CALLER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

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

    impl Lines {
        /// Begins to collect what this thread logs.
        fn collect(&self) -> tracing::dispatcher::DefaultGuard {
            let writer = self.clone();
            let log = crate::dispatch("info", Format::Json, move || writer.clone()).unwrap();
            tracing::dispatcher::set_default(&log)
        }

        fn read(&self) -> Vec<Value> {
            let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
            text.lines()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect()
        }
    }

    #[tokio::test]
    async fn a_request_and_the_jobs_that_come_of_it_share_a_trace() {
        let lines = Lines::default();
        let _collecting = lines.collect();
        let enqueue = |message: &'static str| async move {
            tracing::info!("{message}");
            current().map(|context| context.to_string())
        };
        let request = request_scope("r1", Some(CALLER));
        let stored = request.run(enqueue("request")).await;
        let job = job_scope("answer-turn", 7, 2, stored.as_deref());
        let stored_by_job = job.run(enqueue("job")).await;
        let next = job_scope("send-reply", 8, 1, stored_by_job.as_deref());
        next.run(enqueue("next job")).await;

        let [request, job, next] = &lines.read()[..] else {
            panic!("three lines were to be logged");
        };
        for line in [request, job, next] {
            assert_eq!(
                line["trace.id"], "4bf92f3577b34da6a3ce929d0e0e4736",
                "{line}"
            );
        }
        assert_eq!(request["request.id"], "r1");
        assert_eq!(job["job.kind"], "answer-turn");
        assert_eq!(job["job.id"], 7);
        assert_eq!(job["job.attempt"], 2);
        let span_of = |text: Option<String>| text.unwrap().parse::<TraceContext>().unwrap().span_id;
        assert_eq!(job["link.span_id"], span_of(stored).to_string());
        assert_eq!(next["link.span_id"], span_of(stored_by_job).to_string());
    }

    #[tokio::test]
    async fn a_job_says_what_it_is_about_once_that_is_known() {
        let lines = Lines::default();
        let _collecting = lines.collect();
        let work = async {
            tracing::info!("before");
            note(Subject::Tenant, "t-1");
            note(Subject::Conversation, "c-1");
            note(Subject::Message, "m-1");
            tracing::info!("after");
        };
        job_scope("send-reply", 1, 1, None).run(work).await;
        let [before, after] = &lines.read()[..] else {
            panic!("two lines were to be logged");
        };
        for (name, id) in [
            ("tenant.id", "t-1"),
            ("conversation.id", "c-1"),
            ("message.id", "m-1"),
        ] {
            assert_eq!(before.get(name), None);
            assert_eq!(after[name], id);
        }
    }

    #[tokio::test]
    async fn things_that_are_done_at_once_each_say_what_they_are_about() {
        let lines = Lines::default();
        let _collecting = lines.collect();
        let about = |id: &'static str| async move {
            note(Subject::Message, id);
            tracing::info!("part");
        };
        let work = async {
            note(Subject::Tenant, "t-1");
            apart(about("m-1")).await;
            apart(about("m-2")).await;
            tracing::info!("whole");
        };
        job_scope("channel-status", 1, 1, None).run(work).await;
        let lines = lines.read();
        assert!(lines.iter().all(|line| line["tenant.id"] == "t-1"));
        assert!(
            lines
                .iter()
                .all(|line| line["job.kind"] == "channel-status")
        );
        let ids: Vec<_> = lines.iter().map(|line| line.get("message.id")).collect();
        assert_eq!(ids, [Some(&"m-1".into()), Some(&"m-2".into()), None]);
    }

    #[tokio::test]
    async fn what_is_spawned_follows() {
        let lines = Lines::default();
        let _collecting = lines.collect();
        let scope = request_scope("r1", None);
        let expected = scope.context();
        let seen = scope.run(async {
            let spawned = tokio::spawn(follow(async {
                tracing::info!("spawned");
                current()
            }));
            let lost = tokio::spawn(async { current() });
            (spawned.await.unwrap(), lost.await.unwrap())
        });
        assert_eq!(seen.await, (Some(expected), None));
        assert_eq!(lines.read()[0]["trace.id"], expected.trace_id.to_string());
    }

    #[tokio::test]
    async fn without_a_valid_traceparent_there_is_a_new_trace() {
        for traceparent in [None, Some("nonsense")] {
            let scope = job_scope("send-reply", 1, 1, traceparent);
            let context = scope.context();
            assert_ne!(context.trace_id, TraceContext::generate().trace_id);
            assert_eq!(scope.run(async { current() }).await, Some(context));
        }
        assert_eq!(current(), None, "outside of every scope");
    }

    #[test]
    fn a_scope_keeps_its_fields_where_only_warnings_are_logged() {
        let lines = Lines::default();
        let writer = lines.clone();
        let log = crate::dispatch("warn", Format::Json, move || writer.clone()).unwrap();
        tracing::dispatcher::with_default(&log, || {
            let scope = request_scope("r1", Some(CALLER));
            scope.span().in_scope(|| tracing::warn!("late"));
        });
        assert_eq!(lines.read()[0]["request.id"], "r1");
    }
}
