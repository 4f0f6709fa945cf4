//! Traces: which trace a request belongs to, spans, and their way to an OpenTelemetry collector.
//!
//! [`TraceContext`] is what peers and upstreams are told (W3C Trace Context, `traceparent` and `tracestate`). A [`Tracer`] decides
//! which requests are recorded. What is recorded is written once, by the worker, in the form in which it is sent ([`Recording`]: the
//! spans of one request as OTLP has them), and handed over without waiting: a bounded queue takes it or it is dropped and counted.
//! One task on the control runtime joins recordings to batches and sends them over HTTP.
//!
//! This room knows no scope and no route: what stands in a span is said by who records it. Wall clock and randomness are arguments.

mod batch;
mod context;
mod exporter;
mod protobuf;
mod settings;
mod span;
mod tracer;

pub use context::{SpanId, TraceContext, TraceId, TraceState};
pub use settings::{Parents, TracesSettings};
pub use span::{Attributes, Recording, Span, SpanKind};
pub use tracer::{Begun, Tracer};
