//! The directory in force, and what its roles permit under each table.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use arc_swap::{ArcSwapOption, Guard};
use tokio_util::task::AbortOnDropHandle;

use super::refresh::Refresh;
use crate::clock::Clock;
use crate::net::Polled;
use crate::policy::{DirectoryRoles, RoleDirectory, RouteTable};
use crate::telemetry::{FetchResult, Metrics};

/// The role directory of the gateway file, with the task that keeps it fresh. Dropping it ends the task.
#[derive(Debug)]
pub struct Directory {
    source: Arc<Source>,
    task: AbortOnDropHandle<()>,
    clock: Clock,
}

/// What the roles of the directory permit under one table.
#[derive(Debug)]
pub struct TableRoles {
    table: Arc<RouteTable>,
    /// `None` before the directory was ever read.
    roles: ArcSwapOption<DirectoryRoles>,
    directory: Arc<Directory>,
}

/// How the directory is, for `/readyz`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct DirectoryState {
    /// Whether it has been read once.
    pub was_read: bool,
    /// Its roles.
    pub roles: usize,
    /// Seconds since the beginning of the fetch that last confirmed it; `None` if it was never read.
    pub age_seconds: Option<u64>,
    /// Whether that is not too long ago.
    pub fresh: bool,
}

/// What the task and the tables share.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) polled: Polled,
    /// Milliseconds since the Unix epoch at which the fetch began that last confirmed the directory; 0 before any.
    confirmed: AtomicU64,
    latest: Mutex<Latest>,
    metrics: Arc<Metrics>,
}

/// No worker takes the lock of this.
#[derive(Debug, Default)]
struct Latest {
    directory: Option<RoleDirectory>,
    /// Those of tables that somebody holds.
    tables: Vec<Weak<TableRoles>>,
    /// Whether another directory, or none, is in force.
    retired: bool,
}

impl Directory {
    /// Starts fetching a directory on the current tokio runtime; one that `previous` asks for in the same way is taken over as it is.
    /// Any other `previous` ends at once, and requests that began with it see what it had last; what it read last from the same
    /// address stays in force, as old as it is.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, if there is a directory to be started.
    pub fn start(
        polled: Option<Polled>,
        previous: Option<&Arc<Self>>,
        clock: &Clock,
        metrics: &Arc<Metrics>,
    ) -> Option<Arc<Self>> {
        if let Some(same) = previous.filter(|previous| Some(&previous.source.polled) == polled.as_ref()) {
            return Some(Arc::clone(same));
        }
        if let Some(previous) = previous {
            previous.task.abort();
            previous.source.retire();
        }
        let polled = polled?;
        let same_address = previous.filter(|previous| previous.source.polled.url == polled.url);
        let (confirmed, directory) = same_address.map(|previous| previous.source.last_good()).unwrap_or_default();
        let latest = Mutex::new(Latest { directory, ..Latest::default() });
        let source =
            Arc::new(Source { polled, confirmed: AtomicU64::new(confirmed), latest, metrics: Arc::clone(metrics) });
        source.report(clock.now());
        let task = tokio::spawn(Refresh::new(Arc::clone(&source), clock.clone()).keep_fresh());
        Some(Arc::new(Self { source, task: AbortOnDropHandle::new(task), clock: clock.clone() }))
    }

    /// Compiles the directory for a table, now and whenever it changes.
    pub fn under(self: &Arc<Self>, table: Arc<RouteTable>) -> Arc<TableRoles> {
        // INVARIANT: compiled and entered under one lock, so that no answer passes a table by.
        let mut latest = self.source.latest();
        let roles = latest.directory.as_ref().map(|directory| Arc::new(DirectoryRoles::compile(directory, &table)));
        let roles = Arc::new(TableRoles { table, roles: ArcSwapOption::new(roles), directory: Arc::clone(self) });
        latest.tables.retain(|other| other.strong_count() > 0);
        latest.tables.push(Arc::downgrade(&roles));
        roles
    }

    /// Tells how it is.
    pub fn state(&self) -> DirectoryState {
        let (now, source) = (self.clock.now(), &self.source);
        let age = source.age(now);
        DirectoryState {
            was_read: age.is_some(),
            roles: source.latest().len(),
            age_seconds: age.map(|age| age.as_secs()),
            fresh: source.is_fresh(now),
        }
    }
}

impl TableRoles {
    /// Returns what the roles permit, as long as the directory was confirmed not too long before `now`, since the Unix epoch.
    pub fn fresh(&self, now: Duration) -> Option<Guard<Option<Arc<DirectoryRoles>>>> {
        self.directory.source.is_fresh(now).then(|| self.roles.load())
    }

    /// Returns the directory whose roles these are.
    pub fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }
}

impl Source {
    /// Puts an answer in force, for every table and every worker, as confirmed at `began`; whether it says anything new.
    pub(super) fn put(&self, directory: RoleDirectory, began: Duration) -> bool {
        let mut latest = self.latest();
        let is_new = latest.directory.as_ref() != Some(&directory);
        // One that says the same leaves everything that was worked out with it in force.
        if is_new {
            for table in latest.tables.iter().filter_map(Weak::upgrade) {
                table.roles.store(Some(Arc::new(DirectoryRoles::compile(&directory, &table.table))));
            }
            latest.directory = Some(directory);
        }
        drop(latest);
        self.confirm(began);
        is_new
    }

    /// Notes that the answer in force was still the server's at `began`.
    pub(super) fn confirm(&self, began: Duration) {
        let millis = u64::try_from(began.as_millis()).unwrap_or(u64::MAX);
        self.confirmed.store(millis.max(1), Ordering::Release);
    }

    /// The directory in force, and when it was confirmed, as `confirmed` has it.
    fn last_good(&self) -> (u64, Option<RoleDirectory>) {
        // INVARIANT: in the opposite order of the stores, so that no directory is taken for newer than it is.
        let confirmed = self.confirmed.load(Ordering::Acquire);
        (confirmed, self.latest().directory.clone())
    }

    fn age(&self, now: Duration) -> Option<Duration> {
        match self.confirmed.load(Ordering::Acquire) {
            0 => None,
            // A clock that was set back makes nothing fresh for longer than twice the time allowed.
            confirmed => Some(now.abs_diff(Duration::from_millis(confirmed))),
        }
    }

    pub(super) fn is_fresh(&self, now: Duration) -> bool {
        self.age(now).is_some_and(|age| age <= self.polled.max_stale)
    }

    /// Sets the metrics, unless they are another directory's by now.
    pub(super) fn report(&self, now: Duration) {
        let latest = self.latest();
        if !latest.retired {
            self.metrics.role_directory(latest.len(), self.age(now), now);
        }
    }

    /// Counts a fetch, under the same condition.
    pub(super) fn count(&self, result: FetchResult) {
        let latest = self.latest();
        if !latest.retired {
            self.metrics.role_directory_fetch(result);
        }
    }

    fn retire(&self) {
        let mut latest = self.latest();
        if !std::mem::replace(&mut latest.retired, true) {
            self.metrics.forget_role_directory();
        }
    }

    fn latest(&self) -> MutexGuard<'_, Latest> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Latest {
    fn len(&self) -> usize {
        self.directory.as_ref().map_or(0, RoleDirectory::len)
    }
}
