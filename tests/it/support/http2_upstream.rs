//! An upstream that speaks HTTP/2 frame by frame, so that a test can have it do what no decent server does.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::thread;

use bytes::Bytes;
use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::mpsc;

/// What a connection is told to do by one of its streams.
#[derive(Debug)]
pub enum Order {
    /// `GOAWAY`, with the streams that are open going on.
    Drain,
    /// `GOAWAY` at once, with this reason.
    GoAway(Reason),
    /// Close the socket.
    Close,
}

/// One request, and the means to answer it.
pub struct Call {
    pub request: Request<()>,
    pub content: RecvStream,
    pub respond: SendResponse<Bytes>,
    /// The position of its connection among all that were accepted, from 1.
    pub connection: usize,
    orders: mpsc::UnboundedSender<Order>,
}

type Handling = Pin<Box<dyn Future<Output = ()> + Send>>;

/// An HTTP/2 server on a port of its own, in clear text by prior knowledge.
#[derive(Clone)]
pub struct Http2Upstream {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Request<()>>>>,
    connections: Arc<Mutex<usize>>,
}

impl Call {
    /// Reads the content to its end.
    pub async fn read(&mut self) -> (Vec<u8>, Option<HeaderMap>) {
        let mut content = Vec::new();
        while let Some(Ok(part)) = self.content.data().await {
            let _ = self.content.flow_control().release_capacity(part.len());
            content.extend(part);
        }
        (content, self.content.trailers().await.unwrap_or_default())
    }

    /// Sends the fields of an answer, and gives what its content is sent by.
    pub fn answer(&mut self, response: Response<()>) -> SendStream<Bytes> {
        self.respond.send_response(response, false).expect("sent")
    }

    /// Sends a whole answer with this content.
    pub fn ok(&mut self, content: &str) {
        let mut stream = self.answer(Response::new(()));
        stream.send_data(Bytes::from(content.to_owned()), true).expect("sent");
    }

    pub fn order(&self, order: Order) {
        let _ = self.orders.send(order);
    }

    /// Orders the connection's end, with nothing said of this stream.
    pub async fn end(self, order: Order) {
        self.order(order);
        std::future::pending().await
    }
}

impl Http2Upstream {
    /// Answers everything with 200 and the path.
    pub fn echo() -> Self {
        Self::answering(echo)
    }

    /// Handles every request by `handle`.
    pub fn answering<F>(handle: impl Fn(Call) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::with(Builder::new(), handle)
    }

    /// The same, with settings.
    pub fn with<F>(settings: Builder, handle: impl Fn(Call) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a socket");
        let upstream = Self::new(listener.local_addr().expect("an address"));
        upstream.clone().run(settings, handle, move || {
            let listener = TcpListener::from_std(listener).expect("a listener");
            async move || listener.accept().await.map(|(stream, _)| stream)
        });
        upstream
    }

    /// Answers at a unix socket everything with 200 and the path.
    pub fn at(path: &Path) -> Self {
        let listener = std::os::unix::net::UnixListener::bind(path).expect("a socket");
        listener.set_nonblocking(true).expect("a socket");
        let upstream = Self::new(SocketAddr::from(([0, 0, 0, 0], 0)));
        upstream.clone().run(Builder::new(), echo, move || {
            let listener = UnixListener::from_std(listener).expect("a listener");
            async move || listener.accept().await.map(|(stream, _)| stream)
        });
        upstream
    }

    fn new(address: SocketAddr) -> Self {
        Self { address, seen: Arc::default(), connections: Arc::default() }
    }

    /// Accepts and serves on a thread of its own, by what `listen` makes there.
    fn run<F, A, S>(
        self,
        settings: Builder,
        handle: impl Fn(Call) -> F + Send + Sync + 'static,
        listen: impl FnOnce() -> A + Send + 'static,
    ) where
        F: Future<Output = ()> + Send + 'static,
        A: AsyncFn() -> io::Result<S>,
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let handle: Arc<dyn Fn(Call) -> Handling + Send + Sync> = Arc::new(move |call| Box::pin(handle(call)));
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let accept = listen();
                while let Ok(stream) = accept().await {
                    tokio::spawn(self.clone().serve(stream, settings.clone(), Arc::clone(&handle)));
                }
            });
        });
    }

    async fn serve(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin,
        settings: Builder,
        handle: Arc<dyn Fn(Call) -> Handling + Send + Sync>,
    ) {
        let number = {
            let mut connections = self.connections.lock().expect("unpoisoned");
            *connections += 1;
            *connections
        };
        let Ok(mut connection) = settings.handshake::<_, Bytes>(stream).await else { return };
        let (orders, mut ordered) = mpsc::unbounded_channel();
        loop {
            tokio::select! {
                accepted = connection.accept() => {
                    let Some(Ok((request, respond))) = accepted else { return };
                    let (head, content) = request.into_parts();
                    self.seen.lock().expect("unpoisoned").push(Request::from_parts(head.clone(), ()));
                    let request = Request::from_parts(head, ());
                    tokio::spawn(handle(Call { request, content, respond, connection: number, orders: orders.clone() }));
                }
                Some(order) = ordered.recv() => match order {
                    Order::Drain => connection.graceful_shutdown(),
                    Order::GoAway(reason) => connection.abrupt_shutdown(reason),
                    Order::Close => return,
                },
            }
        }
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The heads of the requests since the last call.
    pub fn taken(&self) -> Vec<Request<()>> {
        std::mem::take(&mut *self.seen.lock().expect("unpoisoned"))
    }

    /// Connections that were ever accepted.
    pub fn connections(&self) -> usize {
        *self.connections.lock().expect("unpoisoned")
    }
}

async fn echo(mut call: Call) {
    let path = call.request.uri().path().to_owned();
    call.read().await;
    call.ok(&path);
}
