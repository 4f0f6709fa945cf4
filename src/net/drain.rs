//! The signal to finish what is under way and take nothing new.

use tokio::sync::watch;

/// Tells every worker that the process drains. Clones share the signal.
#[derive(Clone, Debug)]
pub struct Drain {
    sender: watch::Sender<bool>,
}

/// A worker's end of the signal.
#[derive(Clone, Debug)]
pub struct Drained {
    receiver: watch::Receiver<bool>,
}

impl Default for Drain {
    fn default() -> Self {
        Self::new()
    }
}

impl Drain {
    /// A signal that has not been given yet.
    pub fn new() -> Self {
        Self { sender: watch::Sender::new(false) }
    }

    /// Gives the signal; it cannot be taken back.
    pub fn begin(&self) {
        self.sender.send_replace(true);
    }

    /// Whether the signal has been given.
    pub fn has_begun(&self) -> bool {
        *self.sender.borrow()
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
        let _ = self.receiver.wait_for(|begun| *begun).await;
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
}
