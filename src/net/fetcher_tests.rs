use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
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
    /// What was asked, whether or not it was answered.
    forms: Arc<Mutex<Vec<String>>>,
    _accepting: AbortOnDropHandle<()>,
}

impl Patient {
    async fn start(answers: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let forms = Arc::default();
        let (count, asked) = (Arc::clone(&connections), Arc::clone(&forms));
        let accepting = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, answers, Arc::clone(&asked)));
            }
        });
        Self { address, connections, forms, _accepting: AbortOnDropHandle::new(accepting) }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    fn url(&self) -> Uri {
        format!("http://{}/introspect", self.address).parse().unwrap()
    }
}

async fn serve(mut stream: TcpStream, answers: usize, forms: Arc<Mutex<Vec<String>>>) {
    for number in 0..=answers {
        let mut message = Vec::new();
        while !message.ends_with(b"token=x") {
            let mut byte = [0];
            match stream.read(&mut byte).await {
                Ok(1) => message.push(byte[0]),
                _ => return,
            }
        }
        let form = String::from_utf8(message).unwrap().rsplit('\n').next().unwrap().to_owned();
        forms.lock().unwrap().push(form);
        if number < answers {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").await.unwrap();
        }
    }
}

fn settings<'u>(url: &'u Uri, form: &'static str) -> FetchSettings<'u> {
    let content = Content { media_type: "application/x-www-form-urlencoded", bytes: form.into() };
    let sent = Sent { content: Some(content), ..Sent::default() };
    FetchSettings { url, accept: "application/json", timeout: Duration::from_secs(20), ca: None, sent }
}

async fn ask(fetcher: &Fetcher, url: &Uri) -> Result<usize, FetchFault> {
    fetcher.fetch(settings(url, "token=x")).await.map(|answer| answer.body.len())
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
async fn what_is_good_for_one_use_is_made_anew_or_not_sent_again() {
    let (server, fetcher) = (Patient::start(1).await, Fetcher::default());
    let url = server.url();
    let renewed = || Some(settings(&url, "jti=3&token=x").sent);
    fetcher.fetch_renewing(settings(&url, "jti=1&token=x"), || unreachable!("nothing died")).await.unwrap();
    fetcher.fetch_renewing(settings(&url, "jti=2&token=x"), renewed).await.unwrap();
    let forms = || server.forms.lock().unwrap().clone();
    assert_eq!(forms(), ["jti=1&token=x", "jti=2&token=x", "jti=3&token=x"]);
    let outcome = fetcher.fetch_renewing(settings(&url, "jti=4&token=x"), || None).await;
    assert!(matches!(outcome, Err(FetchFault::Protocol(_))));
    assert_eq!((forms().len(), server.connections()), (4, 2));
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
