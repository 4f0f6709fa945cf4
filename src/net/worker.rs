//! Threads of the data plane, each with a runtime of its own.

use std::future::Future;
use std::io;
use std::thread::JoinHandle;

use tokio::runtime::{Builder, LocalOptions};

/// One thread with a single-threaded runtime. What runs there need not be `Send`, takes no lock and shares no connection.
#[derive(Debug)]
pub struct Worker {
    thread: JoinHandle<()>,
}

impl Worker {
    /// Starts a thread that runs the future made by `main` to its end, and with it every task that it spawned locally.
    ///
    /// # Errors
    ///
    /// What the operating system says when it refuses the thread or the runtime's event queue.
    pub fn start<F>(name: String, main: impl FnOnce() -> F + Send + 'static) -> io::Result<Self>
    where
        F: Future<Output = ()>,
    {
        let (started, result) = std::sync::mpsc::sync_channel(1);
        let thread = std::thread::Builder::new().name(name).spawn(move || {
            match Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
                Ok(runtime) => {
                    let _ = started.send(Ok(()));
                    runtime.block_on(main());
                }
                Err(fault) => drop(started.send(Err(fault))),
            }
        })?;
        match result.recv() {
            Ok(Ok(())) => Ok(Self { thread }),
            Ok(Err(fault)) => Err(fault),
            Err(_) => Err(io::Error::other("the worker's thread ended before it started")),
        }
    }

    /// Blocks until the worker's future has ended; `false` if it panicked.
    pub fn join(self) -> bool {
        self.thread.join().is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_worker_runs_tasks_that_cannot_leave_their_thread() {
        let (told, hear) = mpsc::channel();
        let worker = Worker::start("test".into(), move || async move {
            let kept = Rc::new(7);
            let other = Rc::clone(&kept);
            let sum = tokio::task::spawn_local(async move { *other + 1 }).await.unwrap();
            told.send(sum + *kept).unwrap();
        })
        .unwrap();
        assert!(worker.join());
        assert_eq!(hear.recv().unwrap(), 15);
    }

    #[test]
    fn a_panic_is_reported_to_whoever_joins() {
        let worker = Worker::start("test".into(), || async { panic!("on purpose") }).unwrap();
        assert!(!worker.join());
    }
}
