//! A granted request's way to its upstream, and the answer's way back.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use http::header::{CONTENT_LENGTH, HOST};
use http::request::Parts;
use http::uri::{self, Authority, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use http_body::Body;

use crate::gateway::authorize::Authorized;
use crate::gateway::body::UpstreamContent;
use crate::gateway::data_plane::Pool;
use crate::gateway::exchange::{Exchange, REQUEST_ID};
use crate::gateway::forwarded::{Told, add_via};
use crate::gateway::request_content::{BrokeOff, ContentTimes, RequestContent};
use crate::gateway::request_fields::{self, Removal};
use crate::gateway::snapshot::Upstream;
use crate::gateway::tunnel::{Asking, Opened};
use crate::gateway::upgrade::Handshake;
use crate::gateway::{HostRule, UpstreamSettings, response_fields};
use crate::net::{ConnectFault, ExchangeFault, HandshakeFault, Lease, Phase, Protocol, SendFault, Switched};
use crate::policy::{Denial, Grant};
use crate::telemetry::{ConnectionError, UpstreamFailure};

const ACCESS: HeaderName = HeaderName::from_static("scopegate-access");
const SUBJECT: HeaderName = HeaderName::from_static("scopegate-subject");
const CLIENT: HeaderName = HeaderName::from_static("scopegate-client");
const SCOPE: HeaderName = HeaderName::from_static("scopegate-scope");
const ISSUER: HeaderName = HeaderName::from_static("scopegate-issuer");
const ROUTE: HeaderName = HeaderName::from_static("scopegate-route");

/// How often a request is taken to another connection because the one at hand took nothing of it any more.
const UNSENT: usize = 4;

/// An answer's head and content, with the connection that it comes on.
type Answered = (Response<()>, Lease<RequestContent>);

/// What came of a forwarded request.
pub(super) enum Forwarded {
    /// An answer's head and content.
    Answer(Response<()>, UpstreamContent),
    /// The fields of a 101, and what follows it.
    Tunnel(HeaderMap, Opened),
}

/// Forwards what the grant allows, and nothing else: it is used up here.
///
/// # Errors
///
/// The denial for an upstream that could not be reached, broke off or took too long.
pub(super) async fn forward(
    authorized: Authorized,
    exchange: &Exchange,
    parts: Parts,
    handshake: Option<Handshake>,
) -> Result<Forwarded, Denial> {
    let Authorized { grant, path_and_query, unchecked_credentials } = authorized;
    let table = &exchange.view.snapshot.table;
    let route = table.route(grant.found().route);
    let upstream = exchange.view.snapshot.upstreams.get(route.upstream).ok_or(Denial::Internal)?;
    let pool = exchange.view.pools.get(route.upstream).ok_or(Denial::Internal)?;
    let asking = handshake.map(|handshake| Asking::new(handshake, exchange, upstream)).transpose()?.flatten();
    let response_time = route.timeout.unwrap_or(upstream.settings.response);
    let content = RequestContent::new(exchange, response_time, &pool.remove);
    let mut request = Request::new(content);
    *request.method_mut() = parts.method;
    *request.uri_mut() = Uri::from(path_and_query);
    *request.version_mut() = parts.version;
    *request.headers_mut() = parts.headers;
    write_fields(exchange, &grant, upstream, unchecked_credentials, &mut request)?;
    if let Some(asking) = &asking {
        asking.handshake().ask(request.headers_mut());
    }
    write_authority(&upstream.settings, &mut request)?;

    let sending = Sending { exchange, upstream, pool, response_time, asking: asking.as_ref() };
    let (response, lease) = sending.send(request).await?;
    let (mut head, ()) = response.into_parts();
    response_fields::clean(&mut head.headers);
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        let switched = sending.switched(lease)?;
        let opened = asking.ok_or(Denial::Internal)?.open(switched);
        exchange.answered(head.status.as_u16(), Instant::now());
        return Ok(Forwarded::Tunnel(head.headers, opened));
    }
    exchange.answered(head.status.as_u16(), Instant::now());
    if matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        // RFC 9110 §6.4.1: they have no content, whatever an upstream of HTTP/2 sends behind their fields.
        exchange.answered_whole();
    }
    // The version of the peer's connection is hyper's to write.
    head.version = Version::HTTP_11;
    let content = upstream_content(exchange, upstream, lease);
    Ok(Forwarded::Answer(Response::from_parts(head, ()), content))
}

fn upstream_content(exchange: &Exchange, upstream: &Upstream, lease: Lease<RequestContent>) -> UpstreamContent {
    let times = ContentTimes { peer: exchange.view.snapshot.limits.body_idle, upstream: upstream.settings.idle };
    UpstreamContent::new(lease, upstream.metrics.clone(), times)
}

/// Writes the fields that the upstream receives; the grant says which side was granted.
fn write_fields(
    exchange: &Exchange,
    grant: &Grant,
    upstream: &Upstream,
    unchecked_credentials: bool,
    request: &mut Request<RequestContent>,
) -> Result<(), Denial> {
    let received = std::mem::replace(request.version_mut(), Version::HTTP_11);
    let snapshot = &exchange.view.snapshot;
    let settings = &upstream.settings;
    let connection = &exchange.connection;
    let listener = snapshot.listeners.get(connection.listener);
    let trusted = listener.is_some_and(|listener| listener.trusted_peers.contains(connection.address));
    let length = request.body().size_hint().exact();
    let fields = request.headers_mut();
    let says_length = fields.contains_key(CONTENT_LENGTH);
    let host = fields.get(HOST).cloned().ok_or(Denial::BadRequest)?;
    request_fields::clean_trailer_names(fields, &settings.remove);
    let authorization = unchecked_credentials || !settings.forward_token;
    let protocol = settings.protocol;
    request_fields::clean(fields, Removal { more: &settings.remove, authorization, forwarding: !trusted, protocol });
    match length {
        // RFC 9110 §8.6: a method that expects content says that there is none.
        Some(length) if length > 0 || says_length => drop(fields.insert(CONTENT_LENGTH, HeaderValue::from(length))),
        Some(_) | None => {}
    }
    let public_url = listener.and_then(|listener| listener.public_url.as_ref());
    let tls = listener.is_some_and(|listener| listener.tls.is_some());
    connection.story.tell(Told { style: settings.forwarded, public_url, tls, trusted }, &host, fields);
    add_via(received, fields);
    fields.insert(REQUEST_ID, exchange.request_id.clone());
    exchange.trace.tell(fields);
    write_identity(exchange, grant, fields);
    let host = match &settings.host {
        HostRule::Keep => return Ok(()),
        HostRule::Endpoint => HeaderValue::try_from(settings.endpoint.authority()).map_err(|_| Denial::Internal)?,
        HostRule::Fixed(name) => name.clone(),
    };
    fields.insert(HOST, host);
    Ok(())
}

/// Says, to an upstream of HTTP/2, in pseudo-fields what the `Host` field says over HTTP/1.1 (RFC 9113 §8.3.1).
fn write_authority(settings: &UpstreamSettings, request: &mut Request<RequestContent>) -> Result<(), Denial> {
    if settings.protocol != Protocol::Http2 {
        return Ok(());
    }
    let host = request.headers_mut().remove(HOST).ok_or(Denial::Internal)?;
    let mut target = uri::Parts::from(std::mem::take(request.uri_mut()));
    target.scheme = Some(if settings.tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP });
    target.authority = Some(Authority::try_from(host.as_bytes()).map_err(|_| Denial::BadRequest)?);
    *request.uri_mut() = Uri::from_parts(target).map_err(|_| Denial::Internal)?;
    *request.version_mut() = Version::HTTP_2;
    Ok(())
}

fn write_identity(exchange: &Exchange, grant: &Grant, fields: &mut HeaderMap) {
    fields.insert(ACCESS, HeaderValue::from_static(grant.access().as_str()));
    let route =
        usize::try_from(grant.found().route.0).ok().and_then(|index| exchange.view.snapshot.route_ids.get(index));
    if let Some(route) = route {
        fields.insert(ROUTE, route.clone());
    }
    let Some(bearer) = exchange.bearer() else { return };
    fields.insert(ISSUER, bearer.issuer.clone());
    fields.insert(SCOPE, bearer.permitted.clone());
    if let Some(subject) = &bearer.subject {
        fields.insert(SUBJECT, subject.clone());
    }
    if let Some(client) = &bearer.client {
        fields.insert(CLIENT, client.clone());
    }
}

struct Sending<'a> {
    exchange: &'a Exchange,
    upstream: &'a Upstream,
    pool: &'a Pool,
    response_time: Duration,
    /// What the upstream is asked to change to, if anything.
    asking: Option<&'a Asking>,
}

impl Sending<'_> {
    /// Sends the request. Once more, on another connection, if the upstream says that it did nothing with it and its content is
    /// still there (RFC 9113 §8.7); or if the connection had been used before and died before any answer, the method is idempotent
    /// and there is no content (RFC 9110 §9.2.2). A request of which nothing was sent has not been tried yet.
    async fn send(&self, mut request: Request<RequestContent>) -> Result<Answered, Denial> {
        self.exchange.wait_within_bounds();
        self.exchange.trace.reaches_for_upstream(self.exchange.started);
        // A connection is a peer: many people may share an address.
        let peer = Rc::as_ptr(&self.exchange.connection).addr();
        let mut lease = self.pool.connections.acquire(peer).await.map_err(|fault| self.no_connection(&fault))?;
        self.exchange.asked_upstream(Instant::now());
        let (mut unsent_left, mut is_last) = (UNSENT, false);
        loop {
            let is_reused = lease.is_reused();
            let spare = if is_last { None } else { spare(&request, &lease) };
            let fault = match self.attempt(lease, request).await? {
                Ok(answered) => return Ok(answered),
                Err(fault) => match self.exchange.content.broke_off.get() {
                    Some(how) => {
                        if how != BrokeOff::Malformed {
                            // Whoever serves the peer may know that it has left: then there is nobody to answer.
                            tokio::task::yield_now().await;
                        }
                        return Err(self.bad_content(how));
                    }
                    None => fault,
                },
            };
            let is_untouched = fault.unprocessed || (is_reused && !fault.answered && !fault.source.is_reset());
            request = match fault.request.or(spare) {
                Some(unsent) if fault.unsent && is_reused && unsent_left > 0 => {
                    unsent_left -= 1;
                    unsent
                }
                Some(spare) if !(fault.unsent || is_last) && is_untouched && may_repeat(&spare, fault.unprocessed) => {
                    is_last = true;
                    spare
                }
                Some(_) | None => return Err(self.broke_off(&fault.source)),
            };
            self.upstream.metrics.failure(UpstreamFailure::Retried);
            self.exchange.wait_within_bounds();
            lease = self.pool.connections.acquire_again(peer).await.map_err(|fault| self.no_connection(&fault))?;
        }
    }

    fn bad_content(&self, how: BrokeOff) -> Denial {
        let metrics = &self.exchange.plane.shared.metrics;
        match how {
            BrokeOff::Malformed => metrics.connection_error(ConnectionError::Parse),
            BrokeOff::Incomplete => metrics.connection_error(ConnectionError::Incomplete),
            BrokeOff::Failed => {}
        }
        Denial::BadRequest
    }

    /// Whether an answer is one to what was asked.
    fn may_be_answered<T>(&self, response: &Response<T>) -> bool {
        match self.asking {
            Some(asking) => asking.may_be_answered(response.status(), response.headers()),
            None => response.status() != StatusCode::SWITCHING_PROTOCOLS,
        }
    }

    /// The upstream's stream after its 101.
    fn switched(&self, lease: Lease<RequestContent>) -> Result<Switched, Denial> {
        lease.switched().ok_or_else(|| self.gone())
    }

    /// A connection that broke off in the midst of an exchange.
    fn gone(&self) -> Denial {
        self.upstream.metrics.failure(UpstreamFailure::Closed);
        Denial::UpstreamUnreachable
    }

    fn broke_off(&self, fault: &ExchangeFault) -> Denial {
        let kind = match HandshakeFault::of_exchange(fault) {
            Some(fault) => {
                self.upstream.tell(&fault);
                failure_of(&fault)
            }
            None => UpstreamFailure::Closed,
        };
        self.upstream.metrics.failure(kind);
        Denial::UpstreamUnreachable
    }

    fn unreadable(&self) -> Denial {
        self.upstream.metrics.failure(UpstreamFailure::Protocol);
        Denial::UpstreamUnreachable
    }

    /// One attempt under the deadline; the outer fault is final.
    async fn attempt(
        &self,
        mut lease: Lease<RequestContent>,
        request: Request<RequestContent>,
    ) -> Result<Result<Answered, SendFault<RequestContent>>, Denial> {
        self.exchange.wait_for_upstream(Instant::now(), self.response_time);
        if self.asking.is_some() {
            lease.expect_switch();
        }
        let sent = {
            let mut sending = pin!(lease.send(request));
            let watch = &self.exchange.watch;
            poll_fn(|context| match sending.as_mut().poll(context) {
                Poll::Ready(sent) => Poll::Ready(Some(sent)),
                Poll::Pending if watch.has_expired() => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            })
            .await
        };
        match sent {
            Some(Ok(response)) if !self.may_be_answered(&response) => {
                // Nobody asked for it, or it does not answer what was asked.
                Err(self.unreadable())
            }
            Some(Ok(response)) => Ok(Ok((response, lease))),
            Some(Err(fault)) if fault.source.is_malformed() => Err(self.unreadable()),
            Some(Err(fault)) => Ok(Err(fault)),
            None => {
                lease.suspect();
                Err(self.expired())
            }
        }
    }

    /// Whose time ran out: ours for the drain, the peer's for its content, or the upstream's.
    fn expired(&self) -> Denial {
        if self.exchange.plane.cutting.get() {
            return Denial::Draining;
        }
        match self.exchange.watch.phase() {
            Phase::Content => {
                self.exchange.plane.shared.metrics.connection_error(ConnectionError::BodyTimeout);
                Denial::BadRequest
            }
            Phase::Upstream | Phase::Idle | Phase::Head | Phase::Peer => {
                self.upstream.metrics.failure(UpstreamFailure::ResponseTimeout);
                Denial::UpstreamTimeout
            }
        }
    }

    fn no_connection(&self, fault: &ConnectFault) -> Denial {
        match fault {
            ConnectFault::Refused(cause) => self.upstream.tell(&format_args!("{fault}: {cause}")),
            ConnectFault::Tls(_) | ConnectFault::TimedOut | ConnectFault::Protocol => self.upstream.tell(fault),
            // The network is as it should be.
            ConnectFault::QueueFull => {}
        }
        let (kind, denial) = match fault {
            ConnectFault::Refused(_) => (UpstreamFailure::Connect, Denial::UpstreamUnreachable),
            ConnectFault::Tls(fault) => (failure_of(fault), Denial::UpstreamUnreachable),
            ConnectFault::TimedOut => (UpstreamFailure::ConnectTimeout, Denial::UpstreamTimeout),
            ConnectFault::QueueFull => (UpstreamFailure::QueueFull, Denial::Overloaded),
            ConnectFault::Protocol => (UpstreamFailure::Protocol, Denial::UpstreamUnreachable),
        };
        self.upstream.metrics.failure(kind);
        denial
    }
}

fn failure_of(fault: &HandshakeFault) -> UpstreamFailure {
    match fault {
        HandshakeFault::OtherProtocol(_) => UpstreamFailure::Alpn,
        HandshakeFault::Failed(_) => UpstreamFailure::Tls,
    }
}

/// A copy to send again, of a request that does not come back if its sending fails.
fn spare(request: &Request<RequestContent>, lease: &Lease<RequestContent>) -> Option<Request<RequestContent>> {
    if !lease.is_stream() {
        return None;
    }
    let mut copy = Request::new(request.body().spare());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = request.headers().clone();
    Some(copy)
}

/// Whether a request may be sent again; `unprocessed`, if the upstream says that it did nothing with it.
fn may_repeat(spare: &Request<RequestContent>, unprocessed: bool) -> bool {
    let content = spare.body();
    content.begin_again() && (unprocessed || (is_idempotent(spare.method()) && content.is_empty()))
}

/// RFC 9110 §9.2.2.
fn is_idempotent(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE)
}
