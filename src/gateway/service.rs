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
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;

use crate::gateway::authorize::authorize;
use crate::gateway::body::{AnswerContent, UpstreamContent};
use crate::gateway::data_plane::DataPlane;
use crate::gateway::exchange::{Exchange, Origin, REQUEST_ID};
use crate::gateway::forward::{Forwarded, forward};
use crate::gateway::http2_request;
use crate::gateway::message::Message;
use crate::gateway::refusal_form::RefusalForm;
use crate::gateway::tunnel::Tunnel;
use crate::gateway::upgrade::Handshake;
use crate::net::Watch;
use crate::policy::Denial;
use crate::telemetry::ConnectionError;

/// Turns that a request's content gets to end beside its answer.
const TURNS: usize = 4;

/// Answers one request. A panic on the way answers 500, counts, and touches no other request.
pub(super) async fn respond(
    plane: Rc<DataPlane>,
    origin: Origin,
    mut request: Request<Incoming>,
) -> Result<Response<AnswerContent>, Infallible> {
    // RFC 9113 §8.2.2: over HTTP/2 the connection says itself that it ends.
    let says_close = request.version() != Version::HTTP_2;
    let form = RefusalForm::of(&request);
    let handshake = Handshake::read(&mut request);
    // What the peer sends behind a handshake or a CONNECT could not be told from requests: the connection ends with a refusal.
    let is_last = !matches!(handshake, Ok(None)) || *request.method() == Method::CONNECT;
    let survivor = Rc::clone(&plane);
    let answered = catch(pin!(answer(plane, origin, request, handshake, form))).await;
    let response = answered.unwrap_or_else(|_| {
        survivor.shared.metrics.connection_error(ConnectionError::Panic);
        let realm = &survivor.view().snapshot.realm;
        form.refuse(&Denial::Internal, realm, &survivor.request_ids.choose(None)).map(AnswerContent::lone_text)
    });
    let goes_on = !(is_last || survivor.draining.get()) || response.status() == StatusCode::SWITCHING_PROTOCOLS;
    Ok(closing_if(says_close && !goes_on, response))
}

async fn answer(
    plane: Rc<DataPlane>,
    origin: Origin,
    request: Request<Incoming>,
    handshake: Result<Option<Handshake>, Denial>,
    form: RefusalForm,
) -> Response<AnswerContent> {
    let (mut parts, content) = request.into_parts();
    let view = plane.view();
    let within_limit = plane.shared.begin_request(view.snapshot.limits.requests_in_flight);
    let is_http2 = parts.version == Version::HTTP_2;
    let shaped = if is_http2 { http2_request::reshape(&mut parts) } else { Ok(()) };
    let message = Message::read(&parts);
    let (awaits_leave, screened) = (message.awaits_leave, message.screening.end());
    let exchange = Exchange::begin(plane, view, origin, &parts, &message);
    exchange.content.begin(content, parts.version);
    exchange.wait_within_bounds();
    let forwarding = async {
        if !within_limit {
            return Err(Denial::Overloaded);
        }
        shaped?;
        let handshake = handshake?;
        let authorized = authorize(&exchange, &parts, screened).await?;
        forward(authorized, &exchange, parts, handshake).await
    };
    let forwarded = unless_cut(&exchange, pin!(forwarding)).await;
    match forwarded {
        Ok(Forwarded::Answer(head, content)) => passed_on(head, content, exchange, is_http2).await,
        Ok(Forwarded::Tunnel(fields, opened)) => {
            let id = exchange.request_id.clone();
            let switching = Tunnel::begin(exchange, opened, fields);
            with_id(id, switching.map(|()| AnswerContent::lone_text(Bytes::new())))
        }
        Err(denial) => {
            if is_http2 {
                // The stream is reset when it has been answered (RFC 9113 §8.1), and its connection goes on.
                exchange.content.refuse();
            }
            let is_last = !is_http2 && is_left_over(&exchange, awaits_leave).await;
            closing_if(is_last, refused(&denial, exchange, form))
        }
    }
}

/// An upstream's answer. Over HTTP/1.1 the connection ends with one that comes before the content's end.
async fn passed_on(
    head: Response<()>,
    mut content: UpstreamContent,
    exchange: Exchange,
    is_http2: bool,
) -> Response<AnswerContent> {
    let is_last = if is_http2 {
        content.take_ahead().await;
        false
    } else {
        is_early(&exchange.watch).await
    };
    let id = exchange.request_id.clone();
    closing_if(is_last, with_id(id, head.map(|()| AnswerContent::upstream(content, exchange))))
}

/// Whether content is left that cannot be waited for, over HTTP/1.1: what follows on this connection could not be told from it.
async fn is_left_over(exchange: &Exchange, awaits_leave: bool) -> bool {
    if !exchange.watch.has_content_open() {
        return false;
    }
    // A deadline that has passed would leave no turn.
    exchange.wait_within_bounds();
    // A peer that awaits leave to send its content (RFC 9110 §10.1.1) is not given any.
    awaits_leave || !exchange.content.rest_is_there(&exchange.watch).await
}

fn closing_if(is_last: bool, mut response: Response<AnswerContent>) -> Response<AnswerContent> {
    if is_last {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn with_id(id: HeaderValue, mut response: Response<AnswerContent>) -> Response<AnswerContent> {
    response.headers_mut().insert(REQUEST_ID, id);
    response
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

/// Whether content still comes although it has been answered, over HTTP/1.1, so that the connection ends with the answer.
async fn is_early(watch: &Watch) -> bool {
    // The end may be at hand.
    for _ in 0..TURNS {
        if !watch.has_content_open() {
            return false;
        }
        tokio::task::yield_now().await;
    }
    watch.has_content_open()
}

fn refused(denial: &Denial, exchange: Exchange, form: RefusalForm) -> Response<AnswerContent> {
    exchange.denied(denial);
    let mut response = form.refuse(denial, &exchange.view.snapshot.realm, &exchange.request_id);
    response.headers_mut().insert(REQUEST_ID, exchange.request_id.clone());
    response.map(|text| AnswerContent::text(text, exchange))
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
