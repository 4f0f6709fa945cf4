//! Watches what a load read, and tells when the disk holds something else.
//!
//! Folders are watched, not files: an editor that renames a new file over the old one, and Kubernetes, which swaps the
//! symbolic link `..data`, both leave a watch on a file behind. Kinds of events mean nothing here: after any event and a
//! quiet time the contents are hashed and compared with what was loaded. A slow poll finds what no event tells, as on
//! network volumes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

use super::inputs::Inputs;

/// How long nothing may happen before the files are compared: writers write in several steps.
const QUIET: Duration = Duration::from_millis(200);
/// How often the files are compared without any event.
const POLL: Duration = Duration::from_secs(30);
/// After how many quiet times the files are compared even if events go on.
const PATIENCE: u32 = 10;

/// Watches the files of one load on a thread of its own; dropping it ends the thread.
#[derive(Debug)]
pub struct Watcher {
    orders: mpsc::Sender<Order>,
}

#[derive(Debug)]
enum Order {
    /// Something happened in a folder.
    Look,
    Watch(Inputs),
    Stop,
}

impl Watcher {
    /// Watches what a load read. The receiver gets one message for each time that the disk was found to differ, several
    /// at once counting as one; a difference that is there already counts.
    ///
    /// A folder that cannot be watched is logged, and polled. Without a thread, which is logged too, the receiver ends.
    pub fn start(inputs: impl Into<Inputs>) -> (Self, tokio::sync::mpsc::Receiver<()>) {
        Self::start_with(inputs.into(), QUIET, POLL)
    }

    /// Watches what another load read instead; what the disk holds is compared with that at once.
    pub fn set_files(&self, inputs: impl Into<Inputs>) {
        // A thread that has ended has nobody left to tell.
        let _ = self.orders.send(Order::Watch(inputs.into()));
    }

    pub(super) fn start_with(
        inputs: Inputs,
        quiet: Duration,
        poll: Duration,
    ) -> (Self, tokio::sync::mpsc::Receiver<()>) {
        let (orders, inbox) = mpsc::channel();
        let (changed, receiver) = tokio::sync::mpsc::channel(1);
        let events = events(orders.clone());
        let watch = Watch { inputs, quiet, poll, inbox, changed, events, folders: BTreeSet::new() };
        let thread = std::thread::Builder::new().name("scopegate-watch".to_owned());
        if let Err(error) = thread.spawn(move || watch.run()) {
            tracing::error!(%error, "files are not watched");
        }
        (Self { orders }, receiver)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.orders.send(Order::Stop);
    }
}

/// The system's notifications, if it has any left to give.
fn events(orders: mpsc::Sender<Order>) -> Option<RecommendedWatcher> {
    let started = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| is_read(event.kind)) {
            return;
        }
        let _ = orders.send(Order::Look);
    });
    started.map_err(|error| tracing::warn!(%error, "files are polled: the system gives no notifications")).ok()
}

/// Reading the files to compare them is itself an event; taking it for a change would never end.
fn is_read(kind: EventKind) -> bool {
    matches!(kind, EventKind::Access(access) if access != AccessKind::Close(AccessMode::Write))
}

/// The watching thread.
struct Watch {
    /// What the files held when they were last compared.
    inputs: Inputs,
    quiet: Duration,
    poll: Duration,
    inbox: mpsc::Receiver<Order>,
    changed: tokio::sync::mpsc::Sender<()>,
    events: Option<RecommendedWatcher>,
    /// Those that are watched.
    folders: BTreeSet<PathBuf>,
}

impl Watch {
    fn run(mut self) {
        self.watch_folders();
        self.compare();
        while !self.changed.is_closed() {
            let order = match self.inbox.recv_timeout(self.poll) {
                Ok(Order::Look) => self.wait_for_quiet(),
                Err(RecvTimeoutError::Timeout) => {
                    // A folder that was replaced has lost its watch without a word.
                    self.folders.clear();
                    None
                }
                Ok(order) => Some(order),
                Err(RecvTimeoutError::Disconnected) => return,
            };
            match order {
                Some(Order::Stop) => return,
                Some(Order::Watch(inputs)) => self.inputs = inputs,
                Some(Order::Look) | None => {}
            }
            self.watch_folders();
            self.compare();
        }
    }

    /// Waits until nothing has happened for the quiet time, or somebody orders something else.
    fn wait_for_quiet(&self) -> Option<Order> {
        let deadline = Instant::now() + self.quiet * PATIENCE;
        while Instant::now() < deadline {
            match self.inbox.recv_timeout(self.quiet) {
                Ok(Order::Look) => {}
                Ok(order) => return Some(order),
                Err(RecvTimeoutError::Timeout) => return None,
                Err(RecvTimeoutError::Disconnected) => return Some(Order::Stop),
            }
        }
        None
    }

    fn compare(&mut self) {
        let now = self.inputs.again();
        if now != self.inputs {
            self.inputs = now;
            self.watch_folders();
            // A message that waits to be taken stands for this change too.
            let _ = self.changed.try_send(());
        }
    }

    /// Watches every folder that holds a file, or may come to hold one.
    fn watch_folders(&mut self) {
        let Some(events) = &mut self.events else { return };
        let wanted = folders(&self.inputs);
        for gone in self.folders.difference(&wanted) {
            // It may be gone itself; then nothing is watched already.
            let _ = events.unwatch(gone);
        }
        self.folders.retain(|folder| wanted.contains(folder) && folder.is_dir());
        for folder in wanted {
            if self.folders.contains(&folder) {
                continue;
            }
            match events.watch(&folder, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    self.folders.insert(folder);
                }
                Err(error) => tracing::debug!(folder = %folder.display(), %error, "the folder is polled"),
            }
        }
    }
}

/// The folders of files and of what they are links to, and those where a glob begins.
fn folders(inputs: &Inputs) -> BTreeSet<PathBuf> {
    let targets = inputs.files().filter_map(|path| path.canonicalize().ok());
    let files = inputs.files().map(Path::to_owned).chain(targets);
    let globs = inputs.globs().map(|pattern| {
        let literal = pattern.split(['*', '?', '[']).next().unwrap_or_default();
        PathBuf::from(format!("{literal}-"))
    });
    let parents = files.chain(globs).filter_map(|path| path.parent().map(Path::to_owned));
    parents.map(|folder| if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder }).collect()
}
