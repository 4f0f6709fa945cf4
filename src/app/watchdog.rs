//! The service manager's watchdog: it is told that the process is alive only while every worker, and the control runtime, answers.

use std::future::pending;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;

use super::notifier::Notifier;

/// Asks one worker whether its event loop turns.
#[derive(Clone, Debug)]
pub(super) struct Pulse {
    ask: mpsc::UnboundedSender<oneshot::Sender<()>>,
}

/// The worker's side of it.
#[derive(Debug)]
pub(super) struct Heart {
    asked: mpsc::UnboundedReceiver<oneshot::Sender<()>>,
}

/// Both sides for one worker.
pub(super) fn heart() -> (Heart, Pulse) {
    let (ask, asked) = mpsc::unbounded_channel();
    (Heart { asked }, Pulse { ask })
}

impl Heart {
    /// Answers, as a task of the worker, for as long as somebody may ask.
    pub(super) async fn beat(mut self) {
        while let Some(reply) = self.asked.recv().await {
            // Whoever asked may be gone.
            let _ = reply.send(());
        }
    }
}

/// Tells the service manager that the process is alive, twice in the time that it waits, and each time only when all of `workers` and the
/// control runtime have answered. Never ends; without a watchdog it does nothing.
pub(super) async fn feed(notifier: &Notifier, workers: &[Pulse]) {
    let Some(patience) = notifier.watchdog() else { return pending().await };
    let mut ticks = tokio::time::interval(patience / 2);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        all_answer(workers, patience / 2).await;
        notifier.alive();
    }
}

/// Ends when all have answered. Whoever takes longer than `time` is waited for nevertheless, and the log says who it is: there may be
/// nobody left to ask when the service manager has ended the process.
async fn all_answer(workers: &[Pulse], time: Duration) {
    // All are asked before one is waited for.
    let asked: Vec<_> = workers.iter().map(Pulse::ask).collect();
    let control = tokio::spawn(async {});
    for (worker, answer) in asked.into_iter().enumerate() {
        let mut answer = Box::pin(come(answer));
        if tokio::time::timeout(time, &mut answer).await.is_err() {
            tracing::error!(
                worker,
                "a worker does not answer, and the service manager is not told that the process is alive"
            );
            answer.await;
        }
    }
    // An empty task neither panics nor is it aborted.
    let _ = control.await;
}

/// Ends with the answer. A worker that has ended gives none: its end is told by other means.
async fn come(answer: oneshot::Receiver<()>) {
    if answer.await.is_err() {
        pending::<()>().await;
    }
}

impl Pulse {
    fn ask(&self) -> oneshot::Receiver<()> {
        let (reply, answer) = oneshot::channel();
        // Of a worker that has ended the answer is dropped here.
        let _ = self.ask.send(reply);
        answer
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::os::unix::net::UnixDatagram;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    /// What has been told since the last look.
    fn told(manager: &UnixDatagram) -> usize {
        let mut message = [0; 64];
        let mut count = 0;
        loop {
            match manager.recv(&mut message) {
                Ok(length) => assert_eq!(&message[..length], b"WATCHDOG=1"),
                Err(fault) => {
                    assert_eq!(fault.kind(), ErrorKind::WouldBlock);
                    return count;
                }
            }
            count += 1;
        }
    }

    fn manager() -> (tempfile::TempDir, UnixDatagram, Notifier) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        manager.set_nonblocking(true).unwrap();
        let notifier = Notifier::at(path.as_os_str()).unwrap().watched(Some(PATIENCE));
        (folder, manager, notifier)
    }

    #[tokio::test(start_paused = true)]
    async fn the_process_is_alive_while_every_worker_answers() {
        let (_folder, manager, notifier) = manager();
        let (one, first) = heart();
        let (mut other, second) = heart();
        tokio::spawn(one.beat());
        let feeding = tokio::spawn(async move { feed(&notifier, &[first, second]).await });
        let reply = other.asked.recv().await.unwrap();
        tokio::time::sleep(PATIENCE * 100).await;
        assert_eq!(told(&manager), 0, "one of two has not answered");
        reply.send(()).unwrap();
        let beating = tokio::spawn(other.beat());
        // Half a second more, so that the last tick is not a matter of luck.
        tokio::time::sleep(PATIENCE * 2 + Duration::from_millis(500)).await;
        let so_far = told(&manager);
        assert!((4..=6).contains(&so_far), "twice in the time: {so_far}");
        beating.abort();
        assert!(beating.await.unwrap_err().is_cancelled());
        tokio::time::sleep(PATIENCE).await;
        told(&manager);
        tokio::time::sleep(PATIENCE * 100).await;
        assert_eq!(told(&manager), 0, "a worker that has ended does not answer either");
        assert!(!feeding.is_finished());
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_watchdog_nothing_is_told() {
        let (_folder, manager, notifier) = manager();
        let notifier = notifier.watched(None);
        let fed = tokio::time::timeout(PATIENCE * 100, feed(&notifier, &[])).await;
        assert!(fed.is_err() && told(&manager) == 0);
    }
}
