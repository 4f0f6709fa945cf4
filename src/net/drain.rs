//! The signal to finish what is under way and take nothing new.

use std::sync::Arc;

use tokio::sync::watch;

/// Tells every worker that the process drains. Clones share the signal.
#[derive(Clone, Debug)]
pub struct Drain {
    sender: watch::Sender<Signal>,
}

/// A worker's end of the signal.
#[derive(Clone, Debug)]
pub struct Drained {
    receiver: watch::Receiver<Signal>,
}

#[derive(Clone, Debug, Default)]
struct Signal {
    begun: bool,
    cut: bool,
    /// By position of a listener: whether another process goes on accepting from its sockets.
    taken_over: Arc<[bool]>,
}

impl Default for Drain {
    fn default() -> Self {
        Self::new()
    }
}

impl Drain {
    /// A signal that has not been given yet.
    pub fn new() -> Self {
        Self { sender: watch::Sender::default() }
    }

    /// Gives the signal; it cannot be taken back.
    pub fn begin(&self) {
        self.begin_taken_over(&[]);
    }

    /// Gives the signal, and says of each listener whether another process goes on accepting from its sockets: connections that
    /// wait there are that process' own.
    pub fn begin_taken_over(&self, taken_over: &[bool]) {
        self.sender.send_modify(|signal| {
            signal.begun = true;
            signal.taken_over = taken_over.into();
        });
    }

    /// Says that nothing is to be waited for any longer; it cannot be taken back.
    pub fn cut(&self) {
        self.sender.send_modify(|signal| signal.cut = true);
    }

    /// Whether the signal has been given.
    pub fn has_begun(&self) -> bool {
        self.sender.borrow().begun
    }

    /// An end for one worker.
    pub fn listen(&self) -> Drained {
        Drained { receiver: self.sender.subscribe() }
    }
}

impl Drained {
    /// Waits for the signal; a signal already given is seen at once.
    pub async fn begun(&mut self) {
        // A dropped sender means that nobody is left to serve for, which is a drain as well.
        let _ = self.receiver.wait_for(|signal| signal.begun).await;
    }

    /// Whether the signal has been given.
    pub fn has_begun(&self) -> bool {
        self.receiver.borrow().begun
    }

    /// Waits until nothing is to be waited for any longer.
    pub async fn cut(&mut self) {
        let _ = self.receiver.wait_for(|signal| signal.cut).await;
    }

    /// Whether another process goes on accepting from the sockets of the listener at `position`.
    pub fn is_taken_over(&self, position: usize) -> bool {
        self.receiver.borrow().taken_over.get(position).copied().unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_signal_reaches_those_who_listen_before_and_after() {
        let drain = Drain::new();
        let mut early = drain.listen();
        assert!(!drain.has_begun());
        drain.begin();
        early.begun().await;
        drain.listen().begun().await;
        assert!(drain.has_begun());
    }

    #[tokio::test]
    async fn a_drain_that_is_cut_has_not_begun_by_that() {
        let drain = Drain::new();
        drain.cut();
        drain.listen().cut().await;
        assert!(!drain.has_begun());
    }

    #[tokio::test]
    async fn sockets_are_taken_over_one_by_one() {
        let drain = Drain::new();
        let mut drained = drain.listen();
        drain.begin_taken_over(&[true, false]);
        drained.begun().await;
        assert_eq!([0, 1, 2].map(|position| drained.is_taken_over(position)), [true, false, false]);
    }
}
