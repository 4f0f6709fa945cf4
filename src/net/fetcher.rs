//! Fetches that follow one another closely: trust is kept for a while, and so are connections.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use http::uri::Authority;
use rustls::ClientConfig;
use tokio::time::timeout;

use super::fetch::{Answer, FetchFault, FetchSettings, trust};
use super::fetch_connection::Connection;
use super::fetch_request::{Sent, request};

/// Renewed certificates are seen after this long.
const TRUST_KEPT: Duration = Duration::from_secs(60);
/// An unused connection is closed after this long: sooner than servers close it from their side.
const IDLE_KEPT: Duration = Duration::from_secs(4);
/// So many unused connections are kept for one thread.
const MOST_IDLE: usize = 8;

/// A client for one service that is asked again and again. Its settings may name another URL each time, and one `ca`.
///
/// A connection is used again by the thread that opened it, whose runtime drives it. Locks are held for a look, never while
/// anything is waited for.
#[derive(Debug, Default)]
pub struct Fetcher {
    trust: Mutex<Option<Trust>>,
    idle: Mutex<Vec<Idle>>,
}

#[derive(Debug)]
struct Trust {
    config: Arc<ClientConfig>,
    since: Instant,
}

#[derive(Debug)]
struct Idle {
    connection: Connection,
    /// `https` and authority: what the connection was opened to.
    to: (bool, Authority),
    thread: ThreadId,
    since: Instant,
}

impl Fetcher {
    /// Fetches as [`fetch`](super::fetch()) does, on a connection of an earlier fetch where one is left.
    ///
    /// A request on such a connection that dies before it answers is sent once more on a new one: only requests that may be
    /// repeated are to be sent here.
    ///
    /// # Errors
    ///
    /// As [`fetch`](super::fetch()).
    pub async fn fetch(&self, settings: FetchSettings<'_>) -> Result<Answer, FetchFault> {
        let again = settings.sent.clone();
        self.fetch_renewing(settings, || Some(again)).await
    }

    /// The same, where what is sent holds something that is good for one use only: for a second time `renewed` makes it anew.
    /// If that makes nothing, the request is not sent again.
    ///
    /// # Errors
    ///
    /// As [`fetch`](super::fetch()).
    pub async fn fetch_renewing(
        &self,
        settings: FetchSettings<'_>,
        renewed: impl FnOnce() -> Option<Sent>,
    ) -> Result<Answer, FetchFault> {
        timeout(settings.timeout, self.fetch_unbounded(settings, renewed)).await.unwrap_or(Err(FetchFault::TimedOut))
    }

    async fn fetch_unbounded(
        &self,
        mut settings: FetchSettings<'_>,
        renewed: impl FnOnce() -> Option<Sent>,
    ) -> Result<Answer, FetchFault> {
        let FetchSettings { url, accept, timeout, .. } = settings;
        let authority = url.authority().ok_or(FetchFault::Url)?;
        let to = (url.scheme_str() == Some("https"), authority.clone());
        if let Some(mut connection) = self.take_idle(&to)
            && connection.ready().await
        {
            match connection.exchange(request(url, accept, &settings.sent, true)?).await {
                Err(FetchFault::Protocol(cause)) => settings.sent = renewed().ok_or(FetchFault::Protocol(cause))?,
                outcome => return self.keep(connection, to, outcome),
            }
        }
        let request = request(url, accept, &settings.sent, true)?;
        let mut connection = Connection::open(url, timeout, self.trust(&settings).await?).await?;
        let outcome = connection.exchange(request).await;
        self.keep(connection, to, outcome)
    }

    async fn trust(&self, settings: &FetchSettings<'_>) -> Result<Option<Arc<ClientConfig>>, FetchFault> {
        if let Some(trust) = &*lock(&self.trust)
            && trust.since.elapsed() < TRUST_KEPT
        {
            return Ok(Some(Arc::clone(&trust.config)));
        }
        let config = trust(settings.url, settings.ca).await?;
        *lock(&self.trust) = config.clone().map(|config| Trust { config, since: Instant::now() });
        Ok(config)
    }

    fn take_idle(&self, to: &(bool, Authority)) -> Option<Connection> {
        let mut idle = lock(&self.idle);
        idle.retain(|idle| idle.since.elapsed() < IDLE_KEPT && !idle.connection.is_closed());
        let here = thread::current().id();
        // The one used last is the least likely to be closed by now.
        let position = idle.iter().rposition(|idle| idle.thread == here && idle.to == *to)?;
        Some(idle.remove(position).connection)
    }

    fn keep(
        &self,
        connection: Connection,
        to: (bool, Authority),
        outcome: Result<Answer, FetchFault>,
    ) -> Result<Answer, FetchFault> {
        let answer = outcome?;
        let (mut idle, thread) = (lock(&self.idle), thread::current().id());
        if idle.iter().filter(|idle| idle.thread == thread).count() < MOST_IDLE {
            idle.push(Idle { connection, to, thread, since: Instant::now() });
        }
        Ok(answer)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
