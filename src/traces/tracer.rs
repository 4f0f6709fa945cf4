//! What decides which requests are recorded, and takes the recordings.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::HeaderMap;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::context::{SpanId, TraceContext, TraceId, TraceState};
use super::exporter::{BATCH, Exporter};
use super::settings::{Parents, TracesSettings};
use super::span::Recording;
use crate::telemetry::{Metrics, SpanResult};

/// How long [`Tracer::finish`] waits for a collector.
const FINISH_TIME: Duration = Duration::from_secs(5);

/// Traces under one `traces:` of the gateway file. Dropped, it sends what waits, and ends.
#[derive(Debug)]
pub struct Tracer {
    settings: TracesSettings,
    /// Of 2⁶³.
    threshold: u64,
    sender: mpsc::Sender<Recording>,
    full: Arc<Notify>,
    ends: CancellationToken,
    exporter: Mutex<Option<JoinHandle<()>>>,
    metrics: Arc<Metrics>,
}

/// A request whose place in a trace is known.
#[derive(Clone, Copy, Debug)]
pub struct Begun {
    /// The trace, with the span of the request where it is recorded.
    pub context: TraceContext,
    /// The span of another process that the request is part of.
    pub parent: Option<SpanId>,
    /// What the request says in `tracestate`; without a parent it counts for nothing.
    pub state: TraceState,
}

impl Tracer {
    /// Starts sending on the current tokio runtime; a `previous` one with the same settings goes on instead.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, if there is something to be started.
    pub fn start(
        settings: Option<TracesSettings>,
        previous: Option<&Arc<Self>>,
        metrics: &Arc<Metrics>,
    ) -> Option<Arc<Self>> {
        if let Some(same) = previous.filter(|previous| Some(&previous.settings) == settings.as_ref()) {
            return Some(Arc::clone(same));
        }
        let settings = settings?;
        let (sender, receiver) = mpsc::channel(settings.queue.max(1));
        let (full, ends) = (Arc::new(Notify::new()), CancellationToken::new());
        let exporter = Exporter::new(settings.clone(), receiver, Arc::clone(&full), ends.clone(), Arc::clone(metrics));
        Some(Arc::new(Self {
            threshold: threshold(settings.sample),
            settings,
            sender,
            full,
            ends,
            exporter: Mutex::new(Some(tokio::spawn(exporter.run()))),
            metrics: Arc::clone(metrics),
        }))
    }

    /// Finds the place of a request in a trace: in that of its `traceparent`, which then says whether it is recorded, or in a new one,
    /// of which a share is. `is_trusted` says whether the peer is one of the listener's trusted peers; `number` gives random numbers.
    pub fn begin(&self, fields: &HeaderMap, is_trusted: bool, number: impl FnMut() -> u64) -> Begun {
        let believed = match self.settings.parents {
            Parents::All => true,
            Parents::Trusted => is_trusted,
            Parents::None => false,
        };
        Begun::of(fields, believed, self.threshold, number)
    }

    /// Hands over what was recorded of a request. Nothing is waited for: where there is no room it is dropped, and counted.
    pub fn take(&self, recording: Recording) {
        let spans = recording.spans;
        if self.sender.try_send(recording).is_err() {
            self.metrics.spans(SpanResult::Dropped, spans);
        }
        let waiting = self.sender.max_capacity() - self.sender.capacity();
        // INVARIANT: at most half of the room is taken before somebody is woken to empty it.
        if waiting >= BATCH.min(self.sender.max_capacity() / 2) {
            self.full.notify_one();
        }
    }

    /// Sends what waits, without a pause between attempts, for 5 seconds at most. Nothing is to be handed over any more.
    pub async fn finish(&self) {
        self.ends.cancel();
        let exporter = self.exporter.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(exporter) = exporter
            && tokio::time::timeout(FINISH_TIME, exporter).await.is_err()
        {
            tracing::warn!("the last spans could not be sent in time");
        }
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        self.ends.cancel();
    }
}

impl Begun {
    /// Goes on with the trace that the fields name, if they are believed, or begins another, of which a share of `threshold` in 2⁶³ is
    /// recorded.
    pub fn of(fields: &HeaderMap, believed: bool, threshold: u64, mut number: impl FnMut() -> u64) -> Self {
        match TraceContext::read(fields).filter(|_| believed) {
            Some(parent) => {
                let span = if parent.sampled { SpanId::random(number()) } else { parent.span };
                let context = TraceContext { span, ..parent };
                Self { context, parent: Some(parent.span), state: TraceState::of(fields) }
            }
            None => {
                let trace = TraceId::random(number(), number());
                let sampled = trace.low() >> 1 < threshold;
                let context = TraceContext { trace, span: SpanId::random(number()), sampled };
                Self { context, parent: None, state: TraceState::Absent }
            }
        }
    }

    /// Tells an upstream, in the fields of its request, that it is called by `span`. A trace that is not recorded is passed on as it
    /// came: its caller's span is the nearest one that there will be.
    pub fn tell(&self, span: SpanId, fields: &mut HeaderMap) {
        if self.parent.is_some() && !self.context.sampled {
            return self.state.clean(fields);
        }
        let keeps_state = self.parent.is_some() && self.state == TraceState::Sound;
        TraceContext { span, ..self.context }.write(keeps_state, fields);
    }
}

/// The share as a part of 2⁶³; as floating-point numbers convert, one that is too large is the largest.
fn threshold(share: f64) -> u64 {
    (share.clamp(0.0, 1.0) * (1_u64 << 63) as f64) as u64
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_share_is_a_part_of_all_numbers() {
        assert_eq!((threshold(0.0), threshold(0.5), threshold(1.0)), (0, 1 << 62, 1 << 63));
        // The greatest half of a trace's number.
        assert!(u64::MAX >> 1 < threshold(1.0));
    }

    #[test]
    fn a_trace_that_is_not_recorded_is_passed_on_as_it_came() {
        let value = HeaderValue::from_static("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00");
        let mut fields = HeaderMap::new();
        fields.insert("traceparent", value.clone());
        fields.insert("tracestate", HeaderValue::from_static("a=b"));
        let context = TraceContext::read(&fields).unwrap();
        let begun = Begun { context, parent: Some(context.span), state: TraceState::of(&fields) };
        begun.tell(SpanId::random(1), &mut fields);
        assert_eq!((&fields["traceparent"], fields.len()), (&value, 2));
        Begun { state: TraceState::Unsound, ..begun }.tell(SpanId::random(1), &mut fields);
        assert_eq!((&fields["traceparent"], fields.len()), (&value, 1));
    }

    #[test]
    fn another_span_takes_the_place_of_the_parent() {
        let mut fields = HeaderMap::new();
        fields.insert("traceparent", HeaderValue::from_static("nonsense"));
        fields.insert("tracestate", HeaderValue::from_static("a=b"));
        let context = TraceContext { trace: TraceId::random(1, 2), span: SpanId::random(3), sampled: true };
        let begun = Begun { context, parent: Some(SpanId::random(4)), state: TraceState::Sound };
        begun.tell(SpanId::random(5), &mut fields);
        assert_eq!(fields["traceparent"], "00-00000000000000010000000000000002-0000000000000005-01");
        assert_eq!(fields.len(), 2);
        Begun { parent: None, ..begun }.tell(SpanId::random(5), &mut fields);
        assert_eq!(fields.len(), 1, "a state without a parent is nobody's");
    }
}
