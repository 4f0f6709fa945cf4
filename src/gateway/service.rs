//! One request from the parser to its answer, whatever happens on the way.

use std::any::Any;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;

use bytes::Bytes;
use http::header::CONNECTION;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;

use crate::gateway::authorize::authorize;
use crate::gateway::body::{AnswerContent, UpstreamContent};
use crate::gateway::data_plane::DataPlane;
use crate::gateway::exchange::{Exchange, Origin, REQUEST_ID};
use crate::gateway::forward::{Forwarded, forward};
use crate::gateway::http2_request;
use crate::gateway::message::Message;
use crate::gateway::refusal_form::RefusalForm;
use crate::gateway::tunnel::{Opened, Tunnel};
use crate::gateway::upgrade::Handshake;
use crate::net::Watch;
use crate::policy::Denial;
use crate::telemetry::ConnectionError;

/// Turns that a request's content gets to end beside its answer.
const TURNS: usize = 4;

/// An answer. Its content is boxed, for it carries the exchange, and hyper hands it on by value many times.
pub(super) type Answer = Response<Box<AnswerContent>>;

/// Answers one request. A panic on the way answers 500, counts, and touches no other request.
pub(super) async fn respond(
    plane: Rc<DataPlane>,
    origin: Origin,
    mut request: Request<Incoming>,
) -> Result<Answer, Infallible> {
    // RFC 9113 §8.2.2: over HTTP/2 the connection says itself that it ends.
    let says_close = request.version() != Version::HTTP_2;
    let form = RefusalForm::of(&request);
    let handshake = Handshake::read(&mut request);
    // What the peer sends behind a handshake or a CONNECT could not be told from requests: the connection ends with a refusal.
    let is_last = !matches!(handshake, Ok(None)) || *request.method() == Method::CONNECT;
    let survivor = Rc::clone(&plane);
    let answered = catch(pin!(answer(plane, origin, request, handshake, form))).await;
    let mut response = answered.unwrap_or_else(|_| {
        survivor.shared.metrics.connection_error(ConnectionError::Panic);
        let realm = &survivor.view().snapshot.realm;
        let refusal = form.refuse(&Denial::Internal, realm, &survivor.request_ids.choose(None));
        refusal.map(|text| Box::new(AnswerContent::lone_text(text)))
    });
    let goes_on = !(is_last || survivor.draining.get()) || response.status() == StatusCode::SWITCHING_PROTOCOLS;
    if says_close && !goes_on {
        say_close(&mut response);
    }
    Ok(response)
}

async fn answer(
    plane: Rc<DataPlane>,
    origin: Origin,
    request: Request<Incoming>,
    handshake: Result<Option<Handshake>, Denial>,
    form: RefusalForm,
) -> Answer {
    let (mut parts, content) = request.into_parts();
    let view = plane.view();
    let within_limit = plane.shared.begin_request(view.snapshot.limits.requests_in_flight);
    let is_http2 = parts.version == Version::HTTP_2;
    let shaped = if is_http2 { http2_request::reshape(&mut parts) } else { Ok(()) };
    let message = Message::read(&parts);
    let (awaits_leave, screened) = (message.awaits_leave, message.screening.end());
    let exchange = Exchange::begin(plane, view, origin, &parts, &message);
    exchange.content.begin(content, parts.version);
    let ready = if within_limit { shaped.and(handshake) } else { Err(Denial::Overloaded) };
    let granted = match ready {
        Ok(handshake) => {
            let authorized = unless_cut(&exchange, pin!(authorize(&exchange, &parts, screened))).await;
            authorized.map(|authorized| (authorized, handshake))
        }
        Err(denial) => Err(denial),
    };
    let forwarded = match granted {
        Ok((authorized, handshake)) => {
            unless_cut(&exchange, pin!(forward(authorized, &exchange, parts, handshake))).await
        }
        Err(denial) => Err(denial),
    };
    let (mut response, is_last) = match forwarded {
        Ok(Forwarded::Answer(head, mut content)) => {
            let is_last = is_early(&exchange.watch, &mut content, is_http2).await;
            (passed_on(head, content, exchange), is_last)
        }
        Ok(Forwarded::Tunnel(fields, opened)) => (switched(fields, opened, exchange), false),
        Err(denial) => {
            let is_last = is_left_over(&exchange, is_http2, awaits_leave).await;
            (refused(&denial, exchange, form), is_last)
        }
    };
    if is_last {
        say_close(&mut response);
    }
    response
}

/// Whether content is left that cannot be waited for, over HTTP/1.1: what follows on this connection could not be told from it.
async fn is_left_over(exchange: &Exchange, is_http2: bool, awaits_leave: bool) -> bool {
    if is_http2 {
        // The stream is reset when it has been answered (RFC 9113 §8.1), and its connection goes on.
        exchange.content.refuse();
        return false;
    }
    if !exchange.watch.has_content_open() {
        return false;
    }
    // A deadline that has passed would leave no turn.
    exchange.wait_within_bounds();
    // A peer that awaits leave to send its content (RFC 9110 §10.1.1) is not given any.
    awaits_leave || !exchange.content.rest_is_there(&exchange.watch).await
}

/// Whether content still comes although it has been answered, over HTTP/1.1, so that the connection ends with the answer.
async fn is_early(watch: &Watch, content: &mut UpstreamContent, is_http2: bool) -> bool {
    if is_http2 {
        content.take_ahead().await;
        return false;
    }
    // The end may be at hand.
    for _ in 0..TURNS {
        if !watch.has_content_open() {
            return false;
        }
        tokio::task::yield_now().await;
    }
    watch.has_content_open()
}

/// An upstream's answer.
fn passed_on(head: Response<()>, content: UpstreamContent, exchange: Exchange) -> Answer {
    let id = exchange.request_id.clone();
    let mut answer = head.map(|()| Box::new(AnswerContent::upstream(content, exchange)));
    answer.headers_mut().insert(REQUEST_ID, id);
    answer
}

/// The answer to a handshake, behind which a tunnel begins.
fn switched(fields: HeaderMap, opened: Opened, exchange: Exchange) -> Answer {
    let id = exchange.request_id.clone();
    let mut answer = Tunnel::begin(exchange, opened, fields).map(|()| Box::new(AnswerContent::lone_text(Bytes::new())));
    answer.headers_mut().insert(REQUEST_ID, id);
    answer
}

fn refused(denial: &Denial, exchange: Exchange, form: RefusalForm) -> Answer {
    exchange.denied(denial);
    let mut refusal = form.refuse(denial, &exchange.view.snapshot.realm, &exchange.request_id);
    refusal.headers_mut().insert(REQUEST_ID, exchange.request_id.clone());
    refusal.map(|text| Box::new(AnswerContent::text(text, exchange)))
}

fn say_close(answer: &mut Answer) {
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
}

/// Runs to its end what asks an upstream, unless the drain's time ends first.
async fn unless_cut<T>(
    exchange: &Exchange,
    mut forwarding: Pin<&mut impl Future<Output = Result<T, Denial>>>,
) -> Result<T, Denial> {
    poll_fn(|context| match forwarding.as_mut().poll(context) {
        Poll::Pending if exchange.plane.cutting.get() => Poll::Ready(Err(Denial::Draining)),
        polled @ (Poll::Pending | Poll::Ready(_)) => polled,
    })
    .await
}

/// Runs a future to its end or to its first panic.
async fn catch<T>(mut future: Pin<&mut impl Future<Output = T>>) -> Result<T, Box<dyn Any + Send>> {
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that a request's task takes, besides what it refers to.
    const REQUEST: usize = 8 * 1024;

    #[tokio::test]
    async fn a_panic_is_caught_where_it_happens() {
        assert_eq!(catch(pin!(async { 7 })).await.unwrap(), 7);
        let panicked = async {
            tokio::task::yield_now().await;
            panic!("on purpose")
        };
        assert!(catch(pin!(panicked)).await.is_err());
    }

    #[test]
    fn a_request_under_way_is_small() {
        fn size<A, B, C, F>(_: impl FnOnce(A, B, C) -> F) -> usize {
            size_of::<F>()
        }
        assert!(size(respond) <= REQUEST, "{}", size(respond));
    }
}
