//! A collector of spans, which reads what it is sent with the official messages.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind};
use prost::Message as _;

use super::{Answer, Message, Upstream, eventually};

/// A collector on a port of its own.
pub struct Collector {
    pub server: Upstream,
    spans: Arc<Mutex<Vec<Recorded>>>,
}

/// One span, with what its process says of itself.
#[derive(Clone, Debug)]
pub struct Recorded {
    pub span: Span,
    /// Attributes as text.
    pub attributes: BTreeMap<String, String>,
    pub resource: BTreeMap<String, String>,
    /// The request that it came with.
    pub bytes: Vec<u8>,
}

impl Collector {
    /// Takes everything.
    pub fn start() -> Self {
        Self::answering(|_| Answer::Bytes(Self::taken()))
    }

    /// Answers by `answer`.
    pub fn answering(answer: impl Fn(&Message) -> Answer + Send + Sync + 'static) -> Self {
        Self { server: Upstream::answering(answer), spans: Arc::default() }
    }

    /// The answer to what is taken: a message without fields.
    pub fn taken() -> Vec<u8> {
        b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n".to_vec()
    }

    /// A section of a gateway file that sends to it at once, with `more` members.
    pub fn section(&self, more: &str) -> String {
        format!("traces: {{otlp: 'http://{}', interval: 10ms{more}}}\n", self.server.address)
    }

    /// All spans so far.
    pub fn spans(&self) -> Vec<Recorded> {
        let mut spans = self.spans.lock().expect("unpoisoned");
        for request in self.server.taken() {
            assert_eq!(request.start_line, "POST /v1/traces HTTP/1.1");
            assert_eq!(request.field("content-type"), Some("application/x-protobuf"));
            spans.extend(recorded(&request.content));
        }
        spans.clone()
    }

    /// The span of the one request, and of its call to the upstream, as soon as they have come.
    pub fn one(&self) -> (Recorded, Option<Recorded>) {
        let spans = eventually("spans", || Some(self.spans()).filter(|spans| !spans.is_empty()));
        let of = |kind: SpanKind| {
            let mut found = spans.iter().filter(|recorded| recorded.span.kind() == kind).cloned();
            let first = found.next();
            assert!(found.next().is_none(), "several: {spans:#?}");
            first
        };
        (of(SpanKind::Server).expect("the span of the request"), of(SpanKind::Client))
    }

    /// The same, of a collector that is used again.
    pub fn next(&self) -> (Recorded, Option<Recorded>) {
        let spans = self.one();
        self.spans.lock().expect("unpoisoned").clear();
        spans
    }
}

impl Recorded {
    pub fn text(&self, key: &str) -> Option<&str> {
        self.attributes.get(key).map(String::as_str)
    }

    /// Whether it is marked as failed.
    pub fn has_failed(&self) -> bool {
        self.span.status.as_ref().is_some_and(|status| status.code == 2)
    }

    pub fn trace_id(&self) -> String {
        hex(&self.span.trace_id)
    }

    pub fn span_id(&self) -> String {
        hex(&self.span.span_id)
    }

    pub fn parent_id(&self) -> String {
        hex(&self.span.parent_span_id)
    }

    /// The `traceparent` that names it.
    pub fn traceparent(&self) -> String {
        format!("00-{}-{}-01", self.trace_id(), self.span_id())
    }

    pub fn events(&self) -> Vec<&str> {
        self.span.events.iter().map(|event| event.name.as_str()).collect()
    }
}

fn recorded(content: &[u8]) -> Vec<Recorded> {
    let request = ExportTraceServiceRequest::decode(content).expect("a message of OTLP");
    let mut spans = Vec::new();
    for of_resource in request.resource_spans {
        let resource = texts(&of_resource.resource.expect("a resource").attributes);
        for span in of_resource.scope_spans.into_iter().flat_map(|of_scope| of_scope.spans) {
            let (attributes, resource, bytes) = (texts(&span.attributes), resource.clone(), content.to_vec());
            spans.push(Recorded { span, attributes, resource, bytes });
        }
    }
    spans
}

fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let pairs: BTreeMap<_, _> = attributes.iter().map(|pair| (pair.key.clone(), text(pair))).collect();
    assert_eq!(pairs.len(), attributes.len(), "no key twice");
    pairs
}

fn text(pair: &KeyValue) -> String {
    match pair.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => panic!("`{}` is {other:?}", pair.key),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
