//! Recordings → one request of OTLP, and what its answer says.
//!
//! Numbers of fields are those of `opentelemetry/proto/collector/trace/v1/trace_service.proto`, which is stable.

use super::protobuf::{Fields, Message, Value};
use super::span::text;

/// What all spans of a process have in common, in the form in which it is sent.
#[derive(Debug)]
pub(super) struct Resource {
    /// A `Resource`.
    resource: Vec<u8>,
    /// An `InstrumentationScope`.
    scope: Vec<u8>,
}

impl Resource {
    /// The attributes that the configuration names win over those that the process knows of itself.
    pub(super) fn new(configured: &[(String, String)], version: &str, instance: &str) -> Self {
        let own = [
            ("service.name", "scopegate"),
            ("service.version", version),
            ("service.instance.id", instance),
            ("telemetry.sdk.name", "scopegate"),
            ("telemetry.sdk.language", "rust"),
            ("telemetry.sdk.version", version),
        ];
        let own = own.into_iter().filter(|(key, _)| configured.iter().all(|(other, _)| other != key));
        let configured = configured.iter().map(|(key, value)| (&**key, &**value));
        let (mut resource, mut scope) = (Vec::new(), Vec::new());
        for (key, value) in own.chain(configured) {
            Message::to(&mut resource).message(1, |attribute| text(attribute, key, value));
        }
        Message::to(&mut scope).bytes(1, b"scopegate");
        Message::to(&mut scope).bytes(2, version.as_bytes());
        Self { resource, scope }
    }

    /// An `ExportTraceServiceRequest` of these spans, each of which is a field of a `ScopeSpans`.
    pub(super) fn request(&self, spans: &[u8]) -> Vec<u8> {
        let mut of_scope = Vec::with_capacity(spans.len() + self.scope.len() + 16);
        Message::to(&mut of_scope).bytes(1, &self.scope);
        of_scope.extend(spans);
        let mut out = Vec::with_capacity(of_scope.len() + self.resource.len() + 32);
        Message::to(&mut out).message(1, |of_resource| {
            of_resource.bytes(1, &self.resource);
            of_resource.bytes(2, &of_scope);
        });
        out
    }
}

/// How many spans a collector says, in its `ExportTraceServiceResponse`, that it has not taken.
pub(super) fn rejected(response: &[u8]) -> usize {
    let partial_success = Fields(response).filter_map(|field| match field {
        (1, Value::Bytes(partial_success)) => Some(partial_success),
        _ => None,
    });
    let rejected = partial_success.flat_map(Fields).filter_map(|field| match field {
        (1, Value::Number(rejected)) => usize::try_from(rejected).ok(),
        _ => None,
    });
    rejected.last().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use opentelemetry_proto::tonic::collector::trace::v1::{
        ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
    };
    use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
    use opentelemetry_proto::tonic::trace::v1::{Span as OfficialSpan, Status, span};
    use prost::Message as _;

    use super::super::context::{SpanId, TraceId};
    use super::super::span::{Recording, Span, SpanKind};
    use super::*;

    fn value(value: any_value::Value) -> Option<AnyValue> {
        Some(AnyValue { value: Some(value) })
    }

    fn pair(key: &str, text: &str) -> KeyValue {
        KeyValue { key: key.into(), value: value(any_value::Value::StringValue(text.into())), ..KeyValue::default() }
    }

    fn span() -> Span<'static> {
        Span {
            trace: TraceId::random(1, 2),
            id: SpanId::random(3),
            parent: Some((SpanId::random(4), true)),
            state: Some("a=b"),
            kind: SpanKind::Server,
            name: "GET /x/{id}",
            start: Duration::from_nanos(5),
            end: Duration::from_secs(1_800_000_000),
            failed: true,
        }
    }

    /// What [`span`] is to be read as, with the attributes that the test gives it.
    fn official() -> OfficialSpan {
        OfficialSpan {
            trace_id: vec![0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2],
            span_id: vec![0, 0, 0, 0, 0, 0, 0, 3],
            trace_state: "a=b".into(),
            parent_span_id: vec![0, 0, 0, 0, 0, 0, 0, 4],
            flags: 0x301,
            name: "GET /x/{id}".into(),
            kind: span::SpanKind::Server.into(),
            start_time_unix_nano: 5,
            end_time_unix_nano: 1_800_000_000_000_000_000,
            attributes: vec![
                pair("text", "ü"),
                pair("long", &"ü".repeat(512)),
                KeyValue { key: "number".into(), value: value(any_value::Value::IntValue(200)), ..KeyValue::default() },
            ],
            events: vec![span::Event { time_unix_nano: 6, name: "decided".into(), ..span::Event::default() }],
            status: Some(Status { code: 2, message: String::new() }),
            ..OfficialSpan::default()
        }
    }

    #[test]
    fn what_is_written_is_what_the_official_messages_read() {
        let mut recording = Recording::new();
        recording.add(&span(), |attributes| {
            attributes.text("text", "ü");
            attributes.text_if("absent", None);
            attributes.text("long", &"ü".repeat(600));
            attributes.number("number", 200);
            attributes.event("decided", Duration::from_nanos(6));
        });
        let other = Span { parent: None, state: None, kind: SpanKind::Client, failed: false, ..span() };
        recording.add(&other, |_| {});
        let resource = Resource::new(&[("service.name".into(), "api".into())], "1.2.3", "7");
        let request = ExportTraceServiceRequest::decode(&*resource.request(&recording.bytes)).unwrap();
        let of_resource = &request.resource_spans[0];
        let attributes = &of_resource.resource.as_ref().unwrap().attributes;
        assert_eq!(attributes.iter().filter(|pair| pair.key == "service.name").count(), 1);
        assert!(
            attributes.contains(&pair("service.name", "api")) && attributes.contains(&pair("service.instance.id", "7"))
        );
        let of_scope = &of_resource.scope_spans[0];
        assert_eq!(of_scope.scope.as_ref().unwrap().version, "1.2.3");
        assert_eq!(of_scope.spans[0], official());
        let second = &of_scope.spans[1];
        assert_eq!((second.kind, second.flags, &second.status), (span::SpanKind::Client.into(), 0x101, &None));
        assert_eq!(of_scope.spans.len(), 2);
    }

    #[test]
    fn the_number_of_rejected_spans_is_read() {
        let response = |rejected_spans| ExportTraceServiceResponse {
            partial_success: Some(ExportTracePartialSuccess { rejected_spans, error_message: "no".into() }),
        };
        for (bytes, expected) in
            [(response(7).encode_to_vec(), 7), (response(0).encode_to_vec(), 0), (vec![], 0), (vec![0xff; 20], 0)]
        {
            assert_eq!(rejected(&bytes), expected);
        }
    }
}
