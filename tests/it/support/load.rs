//! Busy connections: clients that ask again and again, and keep count.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use super::client::Client;

/// What became of the requests of one load.
#[derive(Debug, Default)]
pub struct Tally {
    /// Answered with 200.
    pub good: AtomicUsize,
    /// Answered with 200 and `Connection: close`.
    pub last: AtomicUsize,
    /// Begun on a connection that the gateway then closed without a byte of an answer.
    pub unread: AtomicUsize,
    /// Anything else: another status, or an answer that broke off.
    pub bad: AtomicUsize,
}

/// Connections that ask until they are stopped or can connect no more.
pub struct Load {
    pub tally: Arc<Tally>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    /// `connections` clients that send `request` (a whole `GET`) over and over.
    pub fn start(address: SocketAddr, connections: usize, request: &str) -> Self {
        let (tally, stop) = (Arc::<Tally>::default(), Arc::<AtomicBool>::default());
        let threads = (0..connections).map(|_| {
            let (tally, stop, request) = (Arc::clone(&tally), Arc::clone(&stop), request.to_owned());
            thread::spawn(move || ask(address, &request, &tally, &stop))
        });
        Self { threads: threads.collect(), tally, stop }
    }

    /// Stops after the answers that are due, and gives the counts.
    pub fn stop(self) -> Arc<Tally> {
        self.stop.store(true, Ordering::Relaxed);
        self.join()
    }

    /// Waits until no client can connect any more.
    pub fn join(self) -> Arc<Tally> {
        for thread in self.threads {
            thread.join().expect("a client");
        }
        self.tally
    }
}

fn ask(address: SocketAddr, request: &str, tally: &Tally, stop: &AtomicBool) {
    let mut client: Option<Client> = None;
    while !stop.load(Ordering::Relaxed) {
        let Some(connected) = client.take().or_else(|| Client::try_connect(address).ok()) else { return };
        client = exchange(connected, request, tally);
    }
}

/// One exchange; the client, if its connection goes on.
fn exchange(mut client: Client, request: &str, tally: &Tally) -> Option<Client> {
    if client.try_send(request).is_err() {
        tally.unread.fetch_add(1, Ordering::Relaxed);
        return None;
    }
    if !client.has_byte() {
        tally.unread.fetch_add(1, Ordering::Relaxed);
        return None;
    }
    match client.try_response_to("GET") {
        Ok(Some(response)) if response.status == 200 => {
            tally.good.fetch_add(1, Ordering::Relaxed);
            if response.field("connection") == Some("close") {
                tally.last.fetch_add(1, Ordering::Relaxed);
                return None;
            }
            Some(client)
        }
        Ok(_) | Err(_) => {
            tally.bad.fetch_add(1, Ordering::Relaxed);
            None
        }
    }
}
