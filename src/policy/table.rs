//! The compiled table: routes by host and template, with everything that a request needs computed beforehand.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{HeaderValue, Method};

use crate::policy::marks::Marks;
use crate::policy::rewrite::{self, Rewrite};
use crate::policy::site::{Hosts, Site};
use crate::policy::trie::Ranked;
use crate::policy::{Ceilings, Entry, HostPattern, Readings, Requirement, Sides, Template, conflict, fingerprint};
use crate::scope::Catalog;

/// The number of a route in its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteIndex(pub u32);

/// A route as the policy files say it: one host, one template, an entry for each method.
#[derive(Clone, Debug)]
pub struct Route {
    /// Unique in the table; the label in metrics and logs.
    pub id: Arc<str>,
    /// `None` for every host that has no routes of its own.
    pub host: Option<HostPattern>,
    /// What its paths look like.
    pub template: Template,
    /// Position in [`TableParts::upstreams`].
    pub upstream: usize,
    /// What each method asks for, in the order written; no method twice.
    pub methods: Vec<(Method, Entry)>,
    /// Whole leading literal segments that are taken off before forwarding.
    pub strip_prefix: Option<String>,
    /// What is put in front afterwards.
    pub add_prefix: Option<String>,
    /// How long the upstream may take to answer, where not its own bound holds.
    pub timeout: Option<Duration>,
}

/// What deciding must know of an upstream.
#[derive(Clone, Debug)]
pub struct UpstreamRules {
    /// Unique in the table.
    pub name: Arc<str>,
    /// How it might read a path.
    pub readings: Readings,
    /// Names of query parameters that it might take a method from.
    pub refuse_query: Vec<String>,
    /// What every forwarded path begins with: `/`, or whole segments.
    pub base_path: String,
}

/// What a table is built from. No two routes have the same host and template.
#[derive(Clone, Debug, Default)]
pub struct TableParts {
    /// The scopes that entries and ceilings name.
    pub catalog: Catalog,
    /// What roles and clients may do.
    pub ceilings: Ceilings,
    /// The upstreams, named by position.
    pub upstreams: Vec<UpstreamRules>,
    /// The routes; their positions are the numbers of the table.
    pub routes: Vec<Route>,
}

/// A fault between routes; numbers are positions in [`TableParts`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableFault {
    /// Two routes share a path and neither wins.
    #[error("both match `{example}` and neither is more specific")]
    Overlap {
        /// The route that stands first.
        first: usize,
        /// The other one.
        second: usize,
        /// A path that both match.
        example: String,
    },
    /// A prefix to take off that not every path of the route begins with.
    #[error("`strip_prefix` is not made of whole leading literal segments of the template")]
    StripPrefix {
        /// The route.
        route: usize,
    },
    /// A prefix to put in front that is no plain path.
    #[error("`add_prefix` is not made of whole segments without escapes, dot segments, `?`, `#` and `;`")]
    AddPrefix {
        /// The route.
        route: usize,
    },
    /// A base path that is no plain path.
    #[error("`base_path` is not made of whole segments without escapes, dot segments, `?`, `#` and `;`")]
    BasePath {
        /// The upstream.
        upstream: usize,
    },
}

/// The compiled table: immutable, and the same for everybody who asks.
#[derive(Debug)]
pub struct RouteTable {
    parts: TableParts,
    compiled: Vec<Compiled>,
    pub(super) sites: Vec<Site>,
    pub(super) hosts: Hosts,
    /// Methods that the table names, beside those that everybody knows.
    methods: HashSet<Method>,
    fingerprint: String,
    generation: u64,
}

/// What the table knows of a route beside what was written.
#[derive(Debug)]
pub(super) struct Compiled {
    /// The value of `Allow` where the method is not one of the route's.
    pub(super) allow: HeaderValue,
    /// The canonical text of each entry.
    required: Box<[Box<str>]>,
    pub(super) rewrite: Rewrite,
    pub(super) marks: Marks,
}

/// A route and a method's entry, found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The route that won.
    pub route: RouteIndex,
    /// Position of the entry in [`Route::methods`].
    pub method: usize,
}

/// An entry that nothing satisfies.
static REFUSING: Entry = Entry::Scoped(Sides { user: None, admin: None });

impl RouteTable {
    /// Builds the lookup of each host, what can be said of each route beforehand, and the fingerprint.
    ///
    /// # Errors
    ///
    /// Every pair of routes of equal rank that share a path, up to 1000, and every prefix that cannot be applied.
    pub fn build(parts: TableParts) -> Result<Self, Vec<TableFault>> {
        let rewrites = rewrites(&parts)?;
        let ranks = ranks(&parts.routes);
        let (mut hosts, mut sites) = (Hosts::default(), Vec::new());
        let mut marks = vec![Marks::default(); parts.routes.len()];
        for (host, routes) in Hosts::group(&parts.routes) {
            let ranked =
                routes.iter().map(|&route| Ranked { rank: ranks.get(route.position()).copied().unwrap_or(0), route });
            let (site, found) = Site::new(&parts.routes, &ranked.collect::<Vec<_>>());
            hosts.insert(host, sites.len());
            sites.push(site);
            for (route, mark) in found {
                if let Some(place) = marks.get_mut(route.position()) {
                    *place = mark;
                }
            }
        }
        let compiled = parts.routes.iter().zip(rewrites).zip(marks).map(|((route, rewrite), marks)| {
            let required = route.methods.iter().map(|(_, entry)| required(entry, &parts.catalog).into());
            Compiled { allow: allow(route), required: required.collect(), rewrite, marks }
        });
        let compiled = compiled.collect();
        let methods = parts.routes.iter().flat_map(|route| &route.methods).map(|(method, _)| method.clone()).collect();
        let fingerprint = fingerprint::of(&parts);
        Ok(Self { compiled, sites, hosts, methods, fingerprint, generation: next_generation(), parts })
    }

    /// Says whether the method is one of RFC 9110 §9.3 but `CONNECT` and `TRACE`, `PATCH`, or one that the table names.
    pub fn knows_method(&self, method: &Method) -> bool {
        match *method {
            Method::GET
            | Method::HEAD
            | Method::POST
            | Method::PUT
            | Method::DELETE
            | Method::OPTIONS
            | Method::PATCH => true,
            Method::TRACE | Method::CONNECT => false,
            _ => self.methods.contains(method),
        }
    }

    /// Returns a route by a number that this table gave.
    #[expect(clippy::indexing_slicing, reason = "a number is only shown to the table that gave it")]
    pub fn route(&self, index: RouteIndex) -> &Route {
        // INVARIANT: numbers are made by `build`, which never drops a route, and a request keeps its table.
        &self.parts.routes[index.position()]
    }

    /// Returns every route; positions are numbers.
    pub fn routes(&self) -> &[Route] {
        &self.parts.routes
    }

    /// Returns what the found method asks for.
    pub fn entry(&self, found: Found) -> &Entry {
        let route = self.parts.routes.get(found.route.position());
        route.and_then(|route| route.methods.get(found.method)).map_or(&REFUSING, |(_, entry)| entry)
    }

    /// Returns the canonical text of what the found method asks for: the `required` label.
    pub fn required(&self, found: Found) -> &str {
        self.compiled(found.route).and_then(|compiled| compiled.required.get(found.method)).map_or("", |text| text)
    }

    /// Returns the upstreams; positions are those of [`Route::upstream`].
    pub fn upstreams(&self) -> &[UpstreamRules] {
        &self.parts.upstreams
    }

    /// Returns the scopes that the table knows.
    pub fn catalog(&self) -> &Catalog {
        &self.parts.catalog
    }

    /// Returns what roles and clients may do.
    pub fn ceilings(&self) -> &Ceilings {
        &self.parts.ceilings
    }

    /// Says whether the client is listed as one that may act without a user.
    pub fn acts_alone(&self, client: &str) -> bool {
        self.parts.ceilings.acts_alone.contains(client)
    }

    /// Returns SHA-256 over the canonical form of the table, in lower-case hex: tables that decide alike but for the order
    /// of their routes and the names of routes and placeholders have one fingerprint.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Returns a number that no other table of this process has: what is kept as bits carries it.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) fn compiled(&self, index: RouteIndex) -> Option<&Compiled> {
        self.compiled.get(index.position())
    }
}

impl Route {
    /// The position of the entry that a method uses: its own, or for `HEAD` that of `GET` (RFC 9110 §9.3.2).
    pub(super) fn entry_position(&self, method: &Method) -> Option<usize> {
        let own = |wanted: &Method| self.methods.iter().position(|(method, _)| method == wanted);
        own(method).or_else(|| if *method == Method::HEAD { own(&Method::GET) } else { None })
    }
}

/// What is done to each route's paths, if the table has no fault.
fn rewrites(parts: &TableParts) -> Result<Vec<Rewrite>, Vec<TableFault>> {
    let mut faults = conflict::overlaps(&parts.routes);
    let mut bases = Vec::with_capacity(parts.upstreams.len());
    for (position, upstream) in parts.upstreams.iter().enumerate() {
        bases.push(rewrite::base_path(upstream, position).unwrap_or_else(|fault| {
            faults.push(fault);
            ""
        }));
    }
    let mut rewrites = Vec::with_capacity(parts.routes.len());
    for (position, route) in parts.routes.iter().enumerate() {
        let base = bases.get(route.upstream).copied().unwrap_or("");
        match Rewrite::of(route, position, base) {
            Ok(rewrite) => rewrites.push(rewrite),
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() { Ok(rewrites) } else { Err(faults) }
}

/// A number for each route that orders them as their templates' precedence does; equal for equal ranks.
fn ranks(routes: &[Route]) -> Vec<u32> {
    let chains: Vec<Vec<u32>> = routes.iter().map(|route| route.template.ranks().collect()).collect();
    let mut distinct: BTreeMap<&[u32], u32> = chains.iter().map(|chain| (chain.as_slice(), 0)).collect();
    for (number, rank) in (0..).zip(distinct.values_mut()) {
        *rank = number;
    }
    chains.iter().map(|chain| distinct.get(chain.as_slice()).copied().unwrap_or(u32::MAX)).collect()
}

/// RFC 9110 §10.2.1: the methods in the order written, each once; `HEAD` where `GET` answers it.
fn allow(route: &Route) -> HeaderValue {
    let mut names: Vec<&str> = Vec::with_capacity(route.methods.len() + 1);
    for (method, _) in &route.methods {
        if !names.contains(&method.as_str()) {
            names.push(method.as_str());
        }
    }
    if !names.contains(&"HEAD")
        && let Some(get) = names.iter().position(|name| *name == "GET")
    {
        names.insert(get + 1, "HEAD");
    }
    HeaderValue::from_str(&names.join(", ")).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// The canonical text of an entry.
fn required(entry: &Entry, catalog: &Catalog) -> String {
    match entry {
        Entry::Public => String::new(),
        Entry::Authenticated => "authenticated".to_owned(),
        Entry::Scoped(sides) => match (&sides.user, &sides.admin) {
            (Some(user), Some(admin)) => {
                format!("user: {}, admin: {}", formula(user, catalog), formula(admin, catalog))
            }
            (Some(user), None) => format!("user: {}", formula(user, catalog)),
            (None, Some(admin)) => format!("admin: {}", formula(admin, catalog)),
            (None, None) => String::new(),
        },
    }
}

/// A requirement's text; a table without catalogue has no names to write.
pub(super) fn formula(requirement: &Requirement, catalog: &Catalog) -> String {
    if catalog.ids().next().is_none() { format!("{requirement:?}") } else { requirement.text(catalog) }
}

fn next_generation() -> u64 {
    static GENERATIONS: AtomicU64 = AtomicU64::new(1);
    GENERATIONS.fetch_add(1, Ordering::Relaxed)
}
