//! A request's place in a trace, while it is under way.

use std::cell::Cell;
use std::time::{Duration, Instant};

use http::request::Parts;
use http::{HeaderMap, Version};

use crate::gateway::data_plane::{DataPlane, View};
use crate::gateway::exchange::PeerConnection;
use crate::telemetry::TokenLabel;
use crate::traces::{Begun, SpanId};

/// Nothing where there are no traces; little for a request that is not recorded.
#[derive(Debug)]
pub(super) struct Trace(Option<Place>);

#[derive(Debug)]
struct Place {
    begun: Begun,
    recorded: Option<Box<Recorded>>,
}

/// What only a request that is recorded keeps; times are since its start.
#[derive(Debug)]
pub(super) struct Recorded {
    pub(super) begun: Begun,
    /// The span of the call to the upstream.
    pub(super) call: SpanId,
    /// What its tracing systems keep in the trace.
    pub(super) state: Option<String>,
    /// What the peer speaks.
    pub(super) version: Version,
    /// How the token was come by, and when it was decided.
    pub(super) decided: Cell<Option<(TokenLabel, Duration)>>,
    /// When the upstream was first turned to.
    pub(super) reached: Cell<Option<Duration>>,
}

impl Trace {
    pub(super) fn begin(plane: &DataPlane, view: &View, connection: &PeerConnection, parts: &Parts) -> Self {
        // Without the feature nothing of this is left in the program.
        let tracer = view.snapshot.traces.as_ref().filter(|_| cfg!(feature = "otel"));
        let Some(tracer) = tracer else { return Self(None) };
        let listener = view.snapshot.listeners.get(connection.listener);
        let is_trusted = listener.is_some_and(|listener| listener.trusted_peers.contains(connection.address));
        let begun = tracer.begin(&parts.headers, is_trusted, || plane.request_ids.number());
        let recorded = begun.context.sampled.then(|| {
            Box::new(Recorded {
                begun,
                call: SpanId::random(plane.request_ids.number()),
                state: begun.state.text(&parts.headers).filter(|_| begun.parent.is_some()),
                version: parts.version,
                decided: Cell::default(),
                reached: Cell::default(),
            })
        });
        Self(Some(Place { begun, recorded }))
    }

    /// The trace, as the log shows it.
    pub(super) fn id(&self) -> Option<String> {
        self.0.as_ref().map(|place| place.begun.context.trace.to_string())
    }

    /// What was recorded, if anything was.
    pub(super) fn recorded(&self) -> Option<&Recorded> {
        self.0.as_ref()?.recorded.as_deref()
    }

    /// Notes that it was decided, after so long.
    pub(super) fn decided(&self, token: TokenLabel, took: Duration) {
        if let Some(recorded) = self.recorded() {
            recorded.decided.set(Some((token, took)));
        }
    }

    /// Notes that the upstream is turned to, of a request that began at `started`.
    pub(super) fn reaches_for_upstream(&self, started: Instant) {
        if let Some(recorded) = self.recorded() {
            recorded.reached.set(Some(started.elapsed()));
        }
    }

    /// Tells the upstream, in the fields of its request, to which trace it belongs.
    pub(super) fn tell(&self, fields: &mut HeaderMap) {
        if let Some(Place { begun, recorded }) = &self.0 {
            let span = recorded.as_ref().map_or(begun.context.span, |recorded| recorded.call);
            begun.tell(span, fields);
        }
    }
}
