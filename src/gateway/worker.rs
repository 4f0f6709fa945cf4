//! One worker: at its listeners, and in the drain.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::gateway::data_plane::DataPlane;
use crate::gateway::peers::accept;
use crate::gateway::snapshot::Shared;
use crate::net::{Acceptor, Drained, Listening};

/// How often idle upstream connections are looked at.
const REAP_EVERY: Duration = Duration::from_secs(5);
/// What answers may still take to leave once the drain's time is over.
const CUT_GRACE: Duration = Duration::from_secs(1);

/// What one worker is given to run with.
#[derive(Debug)]
pub struct WorkerStart {
    /// What all workers share.
    pub shared: Arc<Shared>,
    /// This worker's sockets, each with the position of its listener in the snapshot.
    pub listeners: Vec<(usize, Listening)>,
    /// The signal to drain.
    pub drained: Drained,
    /// How many workers there are: each has its share of what is bounded for the process.
    pub workers: usize,
    /// A random number, other for every worker.
    pub seed: u64,
}

/// A worker that could accept, and does not yet.
#[derive(Debug)]
pub struct Standing {
    plane: Rc<DataPlane>,
    acceptors: Vec<(usize, Acceptor)>,
    drained: Drained,
}

/// Makes a worker ready to accept, on the runtime of the present thread.
///
/// # Errors
///
/// What the system says when a listening socket cannot be watched or no descriptor can be kept spare.
pub fn stand(start: WorkerStart) -> io::Result<Standing> {
    let WorkerStart { shared, listeners, drained, workers, seed } = start;
    let acceptor = |(position, listener)| Ok((position, Acceptor::new(listener)?));
    let acceptors = listeners.into_iter().map(acceptor).collect::<io::Result<_>>()?;
    Ok(Standing { plane: DataPlane::new(shared, workers, seed), acceptors, drained })
}

impl Standing {
    /// Serves until the drain has ended.
    ///
    /// # Errors
    ///
    /// When by a defect of ours a listener is no longer accepted from, and the drain has not begun.
    pub async fn serve(self) -> io::Result<()> {
        let Self { plane, acceptors, mut drained } = self;
        let mut accepting = JoinSet::new();
        for (position, listener) in acceptors {
            accepting.spawn_local(accept(Rc::clone(&plane), listener, position, drained.clone()));
        }
        let reaping = tokio::task::spawn_local(reap(Rc::clone(&plane)));
        tokio::select! {
            biased;
            () = drained.begun() => {}
            // The drain may be known there before it is known here.
            Some(_) = accepting.join_next() => if !drained.has_begun() {
                return Err(io::Error::other("a listener is not accepted from any more"));
            },
        }
        plane.draining.set(true);
        plane.wake_all();
        // A listener's task ends by itself; if it panicked there is nothing left to accept.
        while accepting.join_next().await.is_some() {}
        drain(&plane, plane.view().snapshot.drain_timeout, drained).await;
        reaping.abort();
        Ok(())
    }
}

async fn reap(plane: Rc<DataPlane>) {
    let mut ticks = tokio::time::interval(REAP_EVERY);
    loop {
        ticks.tick().await;
        plane.reap(Instant::now());
    }
}

/// Waits until every connection has ended, for `timeout` at most and until the drain is cut; then refuses what is still unanswered.
async fn drain(plane: &Rc<DataPlane>, timeout: Duration, mut drained: Drained) {
    plane.connections.close();
    tokio::select! {
        biased;
        () = plane.connections.wait() => return,
        () = tokio::time::sleep(timeout) => {}
        () = drained.cut() => {}
    }
    plane.cutting.set(true);
    plane.cut.notify_waiters();
    plane.wake_all();
    let _ = tokio::time::timeout(CUT_GRACE, plane.connections.wait()).await;
}
