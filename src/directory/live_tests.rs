//! A directory that changes, fails, grows old, and meets new tables.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{Directory, TableRoles};
use crate::clock::Clock;
use crate::net::fetch_testing::{Behaviour, Server};
use crate::net::{Credentials, Polled};
use crate::policy::{Ceilings, Presented, PresentedClient, RouteTable, Standing, TableParts};
use crate::scope::{Catalog, Scope, ScopeEntry, Uses};
use crate::telemetry::Metrics;

const MAX_STALE: Duration = Duration::from_secs(60);

fn table(scopes: &[&str]) -> Arc<RouteTable> {
    let entry = |name: &&str| ScopeEntry {
        name: Scope::parse(name).unwrap(),
        describe: String::new(),
        implies: vec![],
        twin: None,
        side: None,
        uses: Uses { token: true, role: true },
    };
    let catalog = Catalog::build(scopes.iter().map(entry).collect()).unwrap();
    let ceilings = Ceilings { roles: Some(Default::default()), directory: true, ..Ceilings::default() };
    Arc::new(RouteTable::build(TableParts { catalog, ceilings, ..TableParts::default() }).unwrap())
}

fn roles(scopes: &[&str]) -> String {
    json!({"roles": {"R": {"level": "user", "scopes": scopes}}}).to_string()
}

struct World {
    server: Server,
    clock: Clock,
    metrics: Arc<Metrics>,
}

impl World {
    async fn new(behaviour: Behaviour) -> Self {
        let clock = Clock::fixed(Duration::from_secs(1_000_000));
        Self { server: Server::start(behaviour).await, clock, metrics: Arc::new(Metrics::new()) }
    }

    fn polled(&self) -> Polled {
        Polled {
            url: self.server.url(),
            interval: Duration::from_millis(2),
            max_stale: MAX_STALE,
            timeout: Duration::from_millis(500),
            ca: None,
            credentials: Credentials::new("Bearer directory-token").unwrap(),
        }
    }

    fn start(&self, previous: Option<&Arc<Directory>>) -> Arc<Directory> {
        Directory::start(Some(self.polled()), previous, &self.clock, &self.metrics).unwrap()
    }

    /// What role `R` permits of `a b`, or `None` where the directory is not fresh.
    fn permitted(&self, table: &RouteTable, roles: &TableRoles) -> Option<String> {
        let fresh = roles.fresh(self.clock.now());
        let presented = Presented { scope: "a b", roles: vec!["R"], client: PresentedClient::Unnamed, alone: false };
        let standing = Standing::new(table, fresh.as_ref().and_then(|roles| roles.as_deref()), &presented);
        (!standing.lacks_roles()).then(|| standing.permitted_text(table.catalog()))
    }

    fn metric(&self, name: &str) -> Option<String> {
        let text = self.metrics.render(self.clock.now());
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned))
    }

    fn fetches(&self, result: &str) -> u64 {
        let name = format!("scopegate_role_directory_fetch_total{{result=\"{result}\"}}");
        self.metric(&name).map_or(0, |count| count.parse().unwrap())
    }
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn what_a_role_permits_changes_with_the_directory_and_with_the_table() {
    let world = World::new(Behaviour::status("500 Broken")).await;
    let directory = world.start(None);
    let first = table(&["a", "b"]);
    let of_first = directory.under(first.clone());
    assert_eq!((world.permitted(&first, &of_first), directory.state().was_read), (None, false));
    world.server.behave(Behaviour::ok(&roles(&["a"])));
    until("it is read", || world.permitted(&first, &of_first).as_deref() == Some("a")).await;
    world.server.behave(Behaviour::ok(&roles(&["a", "b"])));
    until("it changes", || world.permitted(&first, &of_first).as_deref() == Some("a b")).await;
    // Another catalogue, in which the same bits mean other scopes.
    let second = table(&["x", "b"]);
    let of_second = directory.under(second.clone());
    assert_eq!(world.permitted(&second, &of_second).as_deref(), Some("b"), "from its first moment");
    assert_eq!(world.permitted(&second, &of_first), None, "roles of another table are none");
    world.server.behave(Behaviour::ok(&roles(&["a", "x"])));
    until("both see the next", || {
        world.permitted(&first, &of_first).as_deref() == Some("a")
            && world.permitted(&second, &of_second).as_deref() == Some("")
    })
    .await;
}

#[tokio::test]
async fn what_was_worked_out_stays_in_force_while_the_directory_says_the_same() {
    let world = World::new(Behaviour::ok_with("ETag: \"1\"", &roles(&["a"]))).await;
    let (directory, table) = (world.start(None), table(&["a", "b"]));
    let of_table = directory.under(table.clone());
    until("it is read", || of_table.fresh(world.clock.now()).is_some()).await;
    let generation = || of_table.fresh(world.clock.now()).unwrap().as_ref().unwrap().generation();
    let first = generation();
    until("the next are asked for on a condition", || world.server.latest().contains("\"1\"")).await;
    world.server.behave(Behaviour::status("304 Not Modified"));
    let before = world.fetches("ok");
    until("304 confirms", || world.fetches("ok") > before + 1).await;
    world.clock.set(world.clock.now() + MAX_STALE * 2);
    until("it is fresh by 304 alone", || directory.state().fresh).await;
    assert_eq!(generation(), first);
    world.server.behave(Behaviour::ok(&roles(&["a"])));
    let before = world.fetches("ok");
    until("the same again", || world.fetches("ok") > before + 1).await;
    assert_eq!(generation(), first);
    world.server.behave(Behaviour::ok(&roles(&["b"])));
    until("another", || generation() != first).await;
}

#[tokio::test]
async fn the_last_good_copy_serves_until_it_is_too_old() {
    let world = World::new(Behaviour::ok(&roles(&["a"]))).await;
    let (directory, table) = (world.start(None), table(&["a", "b"]));
    let of_table = directory.under(table.clone());
    until("it is read", || directory.state().fresh).await;
    for (behaviour, result) in [
        (Behaviour::status("500 Broken"), "failed"),
        (Behaviour::status("401 Unauthorized"), "failed"),
        (Behaviour::ok("<html>"), "malformed"),
        (Behaviour::ok("{\"roles\": {\"R\": {}}}"), "malformed"),
        (Behaviour::chunks(2 << 20), "too_large"),
    ] {
        let before = world.fetches(result);
        world.server.behave(behaviour);
        until(result, || world.fetches(result) > before + 1).await;
        assert_eq!(world.permitted(&table, &of_table).as_deref(), Some("a"), "{result}");
    }
    world.clock.set(world.clock.now() + MAX_STALE);
    assert_eq!(world.permitted(&table, &of_table).as_deref(), Some("a"));
    world.clock.set(world.clock.now() + Duration::from_secs(1));
    assert_eq!(world.permitted(&table, &of_table), None);
    assert_eq!(world.metric("scopegate_role_directory_age_seconds").as_deref(), Some("61"));
    let state = directory.state();
    assert_eq!((state.was_read, state.roles, state.age_seconds, state.fresh), (true, 1, Some(61), false));
    world.server.behave(Behaviour::ok(&roles(&["b"])));
    until("it comes back", || world.permitted(&table, &of_table).as_deref() == Some("b")).await;
}

#[tokio::test]
async fn a_reload_keeps_an_unchanged_directory_and_ends_any_other() {
    let world = World::new(Behaviour::ok(&roles(&["a"]))).await;
    let first = world.start(None);
    until("it is read", || first.state().fresh).await;
    let same = world.start(Some(&first));
    assert!(Arc::ptr_eq(&first, &same));
    let url = format!("{}&b=2", world.server.url()).parse().unwrap();
    let other = Polled { url, interval: Duration::from_secs(3_600), ..world.polled() };
    let second = Directory::start(Some(other), Some(&same), &world.clock, &world.metrics).unwrap();
    assert!(!Arc::ptr_eq(&first, &second) && !second.state().was_read);
    until("the second reads once", || second.state().fresh).await;
    let seen = world.server.requests();
    assert_eq!(world.metric("scopegate_role_directory_roles").as_deref(), Some("1"));
    assert!(Directory::start(None, Some(&second), &world.clock, &world.metrics).is_none());
    assert_eq!(world.metric("scopegate_role_directory_roles"), None);
    tokio::time::timeout(Duration::from_millis(50), std::future::pending::<()>()).await.unwrap_err();
    assert_eq!(world.server.requests(), seen, "nobody asks any more");
    assert!(first.state().fresh, "who began with it sees what it had");
}

#[tokio::test]
async fn a_reload_that_keeps_the_address_keeps_the_last_good_copy_as_old_as_it_is() {
    let world = World::new(Behaviour::ok_with("ETag: \"1\"", &roles(&["a"]))).await;
    let (first, table) = (world.start(None), table(&["a", "b"]));
    until("it is read", || first.state().fresh).await;
    world.server.behave(Behaviour::status("500 Broken"));
    let before = world.fetches("failed");
    until("it fails", || world.fetches("failed") > before).await;
    world.clock.set(world.clock.now() + Duration::from_secs(10));
    let max_stale = Duration::from_secs(20);
    let credentials = Credentials::new("Bearer another-token").unwrap();
    let other = Polled { interval: Duration::from_millis(3), max_stale, credentials, ..world.polled() };
    let second = Directory::start(Some(other), Some(&first), &world.clock, &world.metrics).unwrap();
    let state = second.state();
    assert_eq!((state.was_read, state.roles, state.age_seconds, state.fresh), (true, 1, Some(10), true));
    let of_second = second.under(table.clone());
    assert_eq!(world.permitted(&table, &of_second).as_deref(), Some("a"));
    world.clock.set(world.clock.now() + Duration::from_secs(11));
    assert_eq!(world.permitted(&table, &of_second), None, "too old by the new settings");
    until("the new token is shown", || world.server.latest().contains("another-token")).await;
    assert!(!world.server.latest().contains("\"1\""), "whoever shows another token may be told something else");
    world.server.behave(Behaviour::ok(&roles(&["b"])));
    until("it comes back", || world.permitted(&table, &of_second).as_deref() == Some("b")).await;
}
