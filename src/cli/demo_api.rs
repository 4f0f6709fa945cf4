//! The demo's sample API: a small HTTP/1.1 server on loopback, on a thread of its own.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::thread;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::runtime;

use super::demo_data;

/// Serves on `listener` until the process ends, and returns the address to be asked at.
///
/// # Errors
///
/// When the thread or its runtime cannot be started.
pub(super) fn start(listener: TcpListener) -> io::Result<SocketAddr> {
    let address = listener.local_addr()?;
    listener.set_nonblocking(true)?;
    let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
    thread::Builder::new().name("sample-api".into()).spawn(move || runtime.block_on(accept(listener)))?;
    Ok(address)
}

/// Ends only where the listener cannot be taken over; a connection that fails hurts nobody else.
async fn accept(listener: TcpListener) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer));
                tokio::spawn(connection);
            }
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, mut body) = request.into_parts();
    while let Some(Ok(_)) = body.frame().await {}
    let (status, answer) = demo_data::answer(&head.method, head.uri.path(), &head.headers);
    let mut response = Response::new(Full::from(format!("{answer:#}\n")));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn it_answers_over_a_socket_and_keeps_the_connection() {
        let address = start(TcpListener::bind("127.0.0.1:0").expect("a port")).expect("a server");
        let mut stream = TcpStream::connect(address).expect("a connection");
        let request = "POST /health HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc";
        let last = "GET /health HTTP/1.1\r\nhost: a\r\nscopegate-access: public\r\nconnection: close\r\n\r\n";
        stream.write_all(format!("{request}{last}").as_bytes()).expect("sent");
        let mut answers = String::new();
        stream.read_to_string(&mut answers).expect("both answers");
        assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 2, "{answers}");
        assert!(answers.contains(r#""scopegate-access": "public""#), "{answers}");
    }
}
