//! Spans as they are sent: the worker that records one writes it in its final form.
//!
//! Numbers of fields are those of `opentelemetry/proto/trace/v1/trace.proto` and `common/v1/common.proto`, which are stable.

use std::time::Duration;

use super::context::{SpanId, TraceId};
use super::protobuf::Message;

/// The number of the field in which spans stand: `ScopeSpans.spans`.
const SPANS: u32 = 2;
/// Bytes of a text beyond which it is cut.
const LONGEST: usize = 1024;
/// Room for the spans of most requests.
const USUAL: usize = 1536;
/// `SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK` and `SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK`.
const REMOTE_KNOWN: u32 = 0x100;
const REMOTE: u32 = 0x200;
const SAMPLED: u32 = 1;

/// The spans of one request, in the form in which they are sent.
#[derive(Debug)]
pub struct Recording {
    /// Each is a field of a `ScopeSpans`.
    pub(super) bytes: Vec<u8>,
    pub(super) spans: usize,
}

/// What every span has; times are since the Unix epoch.
#[derive(Clone, Copy, Debug)]
pub struct Span<'a> {
    /// The trace that it belongs to.
    pub trace: TraceId,
    /// The span itself.
    pub id: SpanId,
    /// The span that it is part of, and whether that one is another process'.
    pub parent: Option<(SpanId, bool)>,
    /// What tracing systems keep in the trace (`tracestate`).
    pub state: Option<&'a str>,
    /// Which side of a call it is.
    pub kind: SpanKind,
    /// What is called.
    pub name: &'a str,
    /// When it began.
    pub start: Duration,
    /// When it ended.
    pub end: Duration,
    /// Whether it failed.
    pub failed: bool,
}

/// Which side of a call a span is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanKind {
    /// The side that is called.
    Server,
    /// The side that calls.
    Client,
}

/// Adds attributes and events to a span.
#[derive(Debug)]
pub struct Attributes<'a, 'm>(&'a mut Message<'m>);

impl Recording {
    /// Nothing yet.
    pub fn new() -> Self {
        Self { bytes: Vec::with_capacity(USUAL), spans: 0 }
    }

    /// Adds a span with what `describe` says of it.
    pub fn add(&mut self, span: &Span<'_>, describe: impl FnOnce(&mut Attributes<'_, '_>)) {
        self.spans += 1;
        Message::to(&mut self.bytes).message(SPANS, |message| {
            span.write(message);
            describe(&mut Attributes(message));
        });
    }
}

impl Default for Recording {
    fn default() -> Self {
        Self::new()
    }
}

impl Span<'_> {
    fn write(&self, message: &mut Message<'_>) {
        message.bytes(1, &self.trace.to_bytes());
        message.bytes(2, &self.id.to_bytes());
        if let Some(state) = self.state {
            message.bytes(3, state.as_bytes());
        }
        if let Some((parent, _)) = self.parent {
            message.bytes(4, &parent.to_bytes());
        }
        message.bytes(5, cut(self.name).as_bytes());
        message.number(
            6,
            match self.kind {
                SpanKind::Server => 2,
                SpanKind::Client => 3,
            },
        );
        message.fixed64(7, nanoseconds(self.start));
        message.fixed64(8, nanoseconds(self.end));
        if self.failed {
            // `STATUS_CODE_ERROR`; what went wrong is in `error.type`.
            message.message(15, |status| status.number(3, 2));
        }
        let remote = if self.parent.is_some_and(|(_, remote)| remote) { REMOTE } else { 0 };
        message.fixed32(16, SAMPLED | REMOTE_KNOWN | remote);
    }
}

impl Attributes<'_, '_> {
    /// Adds a text, of which at most 1,024 bytes are kept.
    pub fn text(&mut self, key: &str, value: &str) {
        self.0.message(9, |attribute| text(attribute, key, cut(value)));
    }

    /// Adds a text, if there is one.
    pub fn text_if(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(key, value);
        }
    }

    /// Adds a number.
    pub fn number(&mut self, key: &str, value: u64) {
        self.0.message(9, |attribute| {
            attribute.bytes(1, key.as_bytes());
            attribute.message(2, |any| any.number(3, value));
        });
    }

    /// Adds what happened at a moment, since the Unix epoch.
    pub fn event(&mut self, name: &str, time: Duration) {
        self.0.message(11, |event| {
            event.fixed64(1, nanoseconds(time));
            event.bytes(2, name.as_bytes());
        });
    }
}

/// A `KeyValue` with a text.
pub(super) fn text(message: &mut Message<'_>, key: &str, value: &str) {
    message.bytes(1, key.as_bytes());
    message.message(2, |any| any.bytes(1, value.as_bytes()));
}

/// What is kept of a text, which need not be short.
fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(LONGEST)).unwrap_or(text)
}

/// Until the year 2554.
fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
