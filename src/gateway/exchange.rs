//! One request from its first byte to the end of its answer, and the record that is left of it.

use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Uri};

use crate::gateway::bearer::{Bearer, Note};
use crate::gateway::data_plane::{DataPlane, View};
use crate::gateway::forwarded::Story;
use crate::gateway::message::Message;
use crate::gateway::request_content::Received;
use crate::gateway::snapshot::Upstream;
use crate::gateway::spans::{self, Ended};
use crate::gateway::trace::Trace;
use crate::gateway::tunnel::Tunnel;
use crate::net::{Carried, Phase, Watch};
use crate::policy::{Access, Denial, Found, Reason, Route};
use crate::telemetry::{self, AccessRecord, CutOff, Peer, Source};
use crate::token::{BearerCredentials, TokenId};
use crate::verify::{FairShare, Refusal, Remembered};

/// The field that names one request in every record of it.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longer than any wait that the gateway file can ask for.
const LONGEST: Duration = Duration::from_secs(48 * 3600);

/// The status in records of requests whose peer left before any answer; no answer ever carries it.
pub(super) const PEER_LEFT: u16 = 499;

/// What a connection is to all of its requests.
#[derive(Debug)]
pub(super) struct PeerConnection {
    /// A peer at a unix socket has none.
    pub(super) address: Option<IpAddr>,
    pub(super) story: Story,
    /// What it has taken of the time for unknown tokens.
    pub(super) fair_share: FairShare,
    /// Position of its listener.
    pub(super) listener: usize,
    /// What the connection becomes after a 101.
    pub(super) tunnel: RefCell<Option<Box<Tunnel>>>,
}

/// Where a request comes from.
#[derive(Debug)]
pub(super) struct Origin {
    pub(super) connection: Rc<PeerConnection>,
    pub(super) watch: Rc<Watch>,
}

/// An exchange under way. When it is dropped, with the last of the answer or in the midst of it, it is counted and recorded once.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) plane: Rc<DataPlane>,
    pub(super) view: Rc<View>,
    pub(super) connection: Rc<PeerConnection>,
    /// The connection's over HTTP/1.1, the stream's over HTTP/2.
    pub(super) watch: Rc<Watch>,
    pub(super) request_id: HeaderValue,
    pub(super) started: Instant,
    method: Method,
    uri: Uri,
    host: Option<HeaderValue>,
    /// Kept beyond the decision for the record's `token_id`, which is made only for records that are written.
    credentials: Option<HeaderValue>,
    pub(super) content: Rc<Received>,
    bytes_out: Cell<u64>,
    /// None once the whole answer has been handed over.
    cut_off_by: Cell<Option<CutOff>>,
    in_flight: Cell<bool>,
    progress: RefCell<Progress>,
    pub(super) trace: Trace,
}

/// What is known so far.
#[derive(Debug, Default)]
struct Progress {
    found: Option<Found>,
    /// Of a token that had to be digested.
    token_id: Option<TokenId>,
    token: Option<(Rc<Remembered<Note>>, Rc<Bearer>)>,
    access: Option<Access>,
    status: u16,
    reason: Option<Reason>,
    missing: Option<String>,
    asked_at: Option<Instant>,
    upstream_took: Option<Duration>,
    answered_by_upstream: bool,
}

impl Exchange {
    /// Begins an exchange, which waits from now on for what has a bound of its own.
    pub(super) fn begin(
        plane: Rc<DataPlane>,
        view: Rc<View>,
        origin: Origin,
        parts: &Parts,
        message: &Message<'_>,
    ) -> Self {
        let Origin { connection, watch } = origin;
        let started = Instant::now();
        watch.enter(Phase::Upstream, started, LONGEST);
        Self {
            trace: Trace::begin(&plane, &view, &connection, parts),
            request_id: plane.request_ids.choose(message.request_id),
            method: parts.method.clone(),
            uri: parts.uri.clone(),
            host: message.screening.host().cloned(),
            credentials: message.screening.credentials().cloned(),
            plane,
            view,
            connection,
            watch,
            started,
            content: Rc::default(),
            bytes_out: Cell::new(0),
            cut_off_by: Cell::new(Some(CutOff::Peer)),
            in_flight: Cell::new(true),
            progress: RefCell::default(),
        }
    }

    /// The first `Host`.
    pub(super) fn host(&self) -> Option<&HeaderValue> {
        self.host.as_ref()
    }

    /// The first `Authorization`.
    pub(super) fn credentials(&self) -> Option<&HeaderValue> {
        self.credentials.as_ref()
    }

    pub(super) fn sent_to_peer(&self, bytes: usize) {
        self.bytes_out.set(self.bytes_out.get() + bytes as u64);
    }

    pub(super) fn answered_whole(&self) {
        self.cut_off_by.set(None);
    }

    /// The upstream's answer ends before its end; whoever drains has brought that about.
    pub(super) fn answer_broke_off(&self) {
        let by = if self.plane.cutting.get() { CutOff::Gateway } else { CutOff::Upstream };
        self.cut_off_by.set(Some(by));
    }

    /// What a tunnel has carried counts as content.
    pub(super) fn carried(&self, carried: Carried) {
        self.content.bytes.set(carried.inward);
        self.bytes_out.set(carried.outward);
        self.cut_off_by.set(None);
    }

    /// Counts as no request in flight from now on.
    pub(super) fn leave_flight(&self) {
        if self.in_flight.replace(false) {
            self.plane.shared.end_request();
        }
    }

    /// How long the token that was verified still lasts; `None` without a token, zero if it has ended or was revoked. While nobody
    /// can tell whether it was revoked it lasts.
    pub(super) fn token_lasts(&self) -> Option<Duration> {
        let progress = self.progress.borrow();
        let (remembered, _) = progress.token.as_ref()?;
        let issuers = &self.plane.view().snapshot.issuers;
        match self.plane.verifier.recheck(issuers, remembered) {
            Err(Refusal::Fault(_)) => Some(Duration::ZERO),
            Ok(()) | Err(Refusal::Unavailable(_) | Refusal::Overloaded) => {
                Some(remembered.token.exp.saturating_sub(self.plane.shared.clock.now()))
            }
        }
    }

    pub(super) fn found(&self, found: Found) {
        self.progress.borrow_mut().found = Some(found);
    }

    pub(super) fn digested(&self, id: TokenId) {
        self.progress.borrow_mut().token_id = Some(id);
    }

    pub(super) fn verified(&self, token: Rc<Remembered<Note>>, bearer: Rc<Bearer>) {
        self.progress.borrow_mut().token = Some((token, bearer));
    }

    pub(super) fn granted(&self, access: Access) {
        self.progress.borrow_mut().access = Some(access);
    }

    pub(super) fn denied(&self, denial: &Denial) {
        let mut progress = self.progress.borrow_mut();
        progress.status = denial.status().as_u16();
        progress.reason = Some(denial.reason());
        progress.answered_by_upstream = false;
        if let Denial::InsufficientScope { missing, .. } = denial {
            progress.missing = missing.clone();
        }
    }

    pub(super) fn asked_upstream(&self, now: Instant) {
        self.progress.borrow_mut().asked_at = Some(now);
    }

    pub(super) fn answered(&self, status: u16, now: Instant) {
        let mut progress = self.progress.borrow_mut();
        progress.status = status;
        progress.answered_by_upstream = true;
        progress.upstream_took = progress.asked_at.map(|asked| now.saturating_duration_since(asked));
    }

    /// The bearer whose token was verified, if one was shown.
    pub(super) fn bearer(&self) -> Option<Rc<Bearer>> {
        self.progress.borrow().token.as_ref().map(|(_, bearer)| Rc::clone(bearer))
    }

    /// Waits for the upstream from now on.
    pub(super) fn wait_for_upstream(&self, now: Instant, time: Duration) {
        self.watch.enter(Phase::Upstream, now, time);
    }

    /// Waits for what has a bound of its own: keys, a place among the upstream's connections, connecting.
    pub(super) fn wait_within_bounds(&self) {
        self.wait_for_upstream(Instant::now(), LONGEST);
    }

    fn is_written(&self, progress: &Progress) -> bool {
        progress.reason.is_some() || self.plane.shared.log.wants_allowed()
    }

    fn token_id(&self, progress: &Progress) -> Option<TokenId> {
        let known = progress.token.as_ref().map(|(remembered, _)| remembered.id).or(progress.token_id);
        if known.is_some() {
            return known;
        }
        let shown = BearerCredentials::from_value(self.credentials.as_ref()?, usize::MAX).ok()?;
        shown.token().ok().map(|token| token.digest().id())
    }

    fn record(&self, ended: Instant) {
        let progress = self.progress.borrow();
        let snapshot = &self.view.snapshot;
        let token = progress.token.as_ref().map(|(remembered, _)| &remembered.token);
        let written = self.is_written(&progress);
        let (token_id, trace_id) = if written { (self.token_id(&progress), self.trace.id()) } else { (None, None) };
        let token_id = token_id.map(|id| id.to_string());
        let held = progress.token.as_ref().filter(|_| written).map(|(_, bearer)| bearer.standing.held());
        let held = held.map(|held| snapshot.table.catalog().text(held));
        let route = progress.found.map(|found| snapshot.table.route(found.route));
        let asked = progress.access.and(route).and_then(|route| snapshot.upstreams.get(route.upstream));
        let record = AccessRecord {
            request_id: self.request_id.to_str().unwrap_or("-"),
            peer: self.connection.address.map_or(Peer::Unix, Peer::Address),
            method: &self.method,
            host: self.host.as_ref().and_then(|host| host.to_str().ok()),
            // A CONNECT has none.
            path: Some(self.uri.path()).filter(|path| !path.is_empty()),
            route: progress.found.map(|found| found.route),
            status: if progress.status == 0 { PEER_LEFT } else { progress.status },
            source: if progress.answered_by_upstream { Source::Upstream } else { Source::Gateway },
            reason: progress.reason,
            access: progress.access,
            required: progress.found.map(|found| snapshot.table.required(found)).filter(|text| !text.is_empty()),
            missing: progress.missing.as_deref(),
            scope: held.as_deref(),
            roles: token.map_or(&[], |token| &token.roles),
            issuer: token.map(|token| &*token.issuer),
            subject: token.and_then(|token| token.subject.as_deref()),
            client_id: token.and_then(|token| token.client.as_deref()),
            token_id: token_id.as_deref(),
            table: snapshot.table.fingerprint(),
            duration: ended.saturating_duration_since(self.started),
            upstream: asked.map(|upstream| &*upstream.settings.name),
            upstream_duration: progress.upstream_took,
            bytes_in: self.content.bytes.get(),
            bytes_out: self.bytes_out.get(),
            cut_off_by: self.cut_off_by.get().filter(|_| progress.answered_by_upstream),
            trace_id: trace_id.as_deref(),
        };
        telemetry::finish(&snapshot.routes, &self.plane.shared.log, &record);
        self.end_trace(&record, route, asked, progress.asked_at);
    }

    fn end_trace(
        &self,
        record: &AccessRecord<'_>,
        route: Option<&Route>,
        upstream: Option<&Upstream>,
        asked_at: Option<Instant>,
    ) {
        let Some(recorded) = self.trace.recorded() else { return };
        let upstream = upstream.map(|upstream| &upstream.settings);
        let asked = asked_at.map(|asked| asked.saturating_duration_since(self.started));
        spans::record(recorded, self, &Ended { record, route, upstream, asked });
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.denied(&Denial::Internal);
        }
        self.content.end();
        let (ended, limits) = (Instant::now(), &self.view.snapshot.limits);
        self.watch.rest(ended, limits.keep_alive, limits.header_time);
        self.leave_flight();
        self.record(ended);
    }
}
