//! HTTP/1.1 (RFC 9112) on one connection, through hyper.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;

use http::Request;
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

use super::driver::{Driven, Driver, Rest};
use super::linger::linger;
use super::serve::{Application, ConnectionEnd, ServerLimits, Switched};
use super::{Metered, Rewind, Stream};

/// hyper's own bound on fields; with it the parser's table lies on the stack.
const FIELDS_ON_STACK: usize = 100;

/// How far a connection was served.
pub(super) enum Http1End {
    /// To its end.
    Ended(ConnectionEnd),
    /// To a pause: it rests between two exchanges, and nothing of either is held.
    Rested(Stream),
}

/// Serves exchanges until the connection ends or rests.
pub(super) async fn serve_http1<A: Application>(
    mut stream: Rewind<Stream>,
    driver: &mut Driver,
    limits: &ServerLimits,
    application: &A,
) -> Http1End {
    let watch = Rc::clone(&driver.watch);
    loop {
        let service = service_fn(|request: Request<Incoming>| {
            watch.begins_exchange(!request.body().is_end_stream());
            application.answer(request, Rc::clone(&watch))
        });
        let metered = TokioIo::new(Metered::watched(stream, Rc::clone(&watch)));
        let mut connection = parser(limits).serve_connection(metered, service);
        let polled =
            poll_fn(|context| driver.poll(context, Rest::Told, |context| Pin::new(&mut connection).poll(context)));
        match polled.await {
            // hyper ends its part without a shutdown where a 101 answers a request that asked for one.
            Driven::Ended(Ok(())) if watch.has_switched() => {
                let parts = connection.into_parts();
                let (stream, ahead) = parts.io.into_inner().into_inner().into_parts();
                debug_assert!(ahead.is_empty(), "hyper reads until nothing is left");
                let switched = Switched { stream, early: parts.read_buf };
                return Http1End::Ended(ConnectionEnd::Switched(switched));
            }
            // Of other faults no answer tells the peer.
            Driven::Ended(Err(fault)) if !fault.is_parse() => return Http1End::Ended(ConnectionEnd::Fault(fault)),
            Driven::Ended(ended) => {
                let parts = connection.into_parts();
                let (stream, _) = parts.io.into_inner().into_inner().into_parts();
                let expects = ended.is_err() || watch.has_content_open() || !parts.read_buf.is_empty();
                linger(stream, expects).await;
                return Http1End::Ended(ended.map_or_else(ConnectionEnd::Fault, |()| ConnectionEnd::Closed));
            }
            Driven::TimedOut(phase) => return Http1End::Ended(ConnectionEnd::TimedOut(phase)),
            Driven::Rested => {}
        }
        let parts = connection.into_parts();
        let (rested, ahead) = parts.io.into_inner().into_inner().into_parts();
        debug_assert!(ahead.is_empty(), "hyper reads until nothing is left");
        if parts.read_buf.is_empty() {
            return Http1End::Rested(rested);
        }
        // The beginning of a head came with the last of the exchange before it.
        watch.bytes_arrived();
        stream = Rewind::new(rested, parts.read_buf);
    }
}

fn parser(limits: &ServerLimits) -> http1::Builder {
    let mut parser = http1::Builder::new();
    // Two deadlines of our own stand in for hyper's: one until the first byte, one from it.
    parser.header_read_timeout(None);
    parser.max_buf_size(limits.head_bytes);
    if limits.fields > FIELDS_ON_STACK {
        parser.max_headers(limits.fields);
    }
    parser
}
