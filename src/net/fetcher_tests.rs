use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::Uri;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

use super::{Content, FetchFault, FetchSettings, Fetcher, Sent};

/// A server that answers so many requests on each connection, and then closes it over the next.
struct Patient {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    _accepting: AbortOnDropHandle<()>,
}

impl Patient {
    async fn start(answers: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        let accepting = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, answers));
            }
        });
        Self { address, connections, _accepting: AbortOnDropHandle::new(accepting) }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    fn url(&self) -> Uri {
        format!("http://{}/introspect", self.address).parse().unwrap()
    }
}

async fn serve(mut stream: TcpStream, answers: usize) {
    for number in 0..=answers {
        let mut message = Vec::new();
        while !message.ends_with(b"token=x") {
            let mut byte = [0];
            match stream.read(&mut byte).await {
                Ok(1) => message.push(byte[0]),
                _ => return,
            }
        }
        if number < answers {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").await.unwrap();
        }
    }
}

async fn ask(fetcher: &Fetcher, url: &Uri) -> Result<usize, FetchFault> {
    let content = Content { media_type: "application/x-www-form-urlencoded", bytes: "token=x".into() };
    let sent = Sent { content: Some(content), ..Sent::default() };
    let settings = FetchSettings { url, accept: "application/json", timeout: Duration::from_secs(20), ca: None, sent };
    fetcher.fetch(settings).await.map(|answer| answer.body.len())
}

#[tokio::test]
async fn requests_that_follow_one_another_share_a_connection() {
    let (server, fetcher) = (Patient::start(100).await, Fetcher::default());
    for _ in 0..20 {
        assert_eq!(ask(&fetcher, &server.url()).await.unwrap(), 2);
    }
    assert_eq!(server.connections(), 1);
    let other = Patient::start(1).await;
    assert_eq!(ask(&fetcher, &other.url()).await.unwrap(), 2, "another address has connections of its own");
    assert_eq!((server.connections(), other.connections()), (1, 1));
}

#[tokio::test]
async fn a_connection_that_dies_between_two_requests_costs_nobody_an_answer() {
    let (server, fetcher) = (Patient::start(1).await, Fetcher::default());
    for number in 1..=10 {
        assert_eq!(ask(&fetcher, &server.url()).await.unwrap(), 2);
        assert_eq!(server.connections(), number);
    }
}

#[tokio::test]
async fn a_server_that_closes_over_a_first_request_is_not_asked_again() {
    let (server, fetcher) = (Patient::start(0).await, Fetcher::default());
    assert!(matches!(ask(&fetcher, &server.url()).await, Err(FetchFault::Protocol(_))));
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn the_number_of_unused_connections_is_bounded() {
    let (server, fetcher) = (Patient::start(100).await, Fetcher::default());
    let url = server.url();
    for _ in 0..2 {
        let answers = futures_util::future::join_all((0..20).map(|_| ask(&fetcher, &url))).await;
        assert!(answers.iter().all(Result::is_ok));
    }
    // Of the first twenty, eight were kept and used again.
    assert_eq!(server.connections(), 32);
}
