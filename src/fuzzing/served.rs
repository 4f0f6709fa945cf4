//! The table of an input's routes, kept as texts too, so that a path can be looked up without it.

use std::sync::Arc;

use http::Method;

use crate::policy::{
    Entry, HostPattern, Pattern, Readings, Requirement, Route, RouteTable, Sides, TableParts, Template, UpstreamRules,
    fold_case,
};
use crate::scope::ScopeId;

/// So many routes of an input are read.
const MOST_ROUTES: usize = 12;
/// The hosts that a route can have.
const HOSTS: [Option<&str>; 4] = [None, Some("api.test"), Some("*.test"), Some("*.api.test")];
/// What every path forwarded to the second upstream begins with.
const BASE: &str = "/base";
const ADDED: &str = "/added";
/// The query parameter by which an upstream takes another method.
pub(super) const METHOD_PARAMETER: &str = "_method";

/// A table, and each of its routes as it was written.
pub(super) struct Served {
    pub(super) table: RouteTable,
    routes: Vec<Written>,
    upstreams: [Readings; 2],
}

/// One route as written.
struct Written {
    host: Option<&'static str>,
    text: String,
    exact: Pattern,
    folded: Pattern,
}

impl Served {
    /// Reads one route a line: four digits (entry, host, upstream and prefixes, methods) and a template behind a space.
    ///
    /// Of two routes that one table cannot have the second is left out, and it is made sure that it cannot.
    pub(super) fn new<'b>(readings: Readings, lines: impl Iterator<Item = &'b [u8]>) -> Self {
        let upstreams = [readings, Readings::default()];
        let mut routes: Vec<Route> = Vec::new();
        for route in lines.filter_map(route).take(MOST_ROUTES) {
            let clashes =
                routes.iter().any(|other| other.host == route.host && must_clash(&other.template, &route.template));
            if !clashes {
                routes.push(route);
            }
        }
        let table = RouteTable::build(parts(upstreams, &routes)).unwrap_or_else(|faults| panic!("{faults:?}"));
        let written = routes.iter().map(|route| {
            let text = route.template.as_str().to_owned();
            let host =
                HOSTS.into_iter().flatten().find(|host| route.host.as_ref().is_some_and(|own| own.as_str() == *host));
            Written { host, exact: Pattern::new(&text), folded: Pattern::folded(&text), text }
        });
        Self { routes: written.collect(), table, upstreams }
    }

    /// The routes whose host is chosen before any path is looked at: the exact name's, the longest wildcard's, or nobody's.
    fn site(&self, host: &str) -> Vec<usize> {
        let below =
            |name: &str| host.strip_suffix(name).is_some_and(|before| before.ends_with('.') && before.len() > 1);
        let fits = |pattern: Option<&str>| match pattern {
            None => true,
            Some(pattern) => pattern.strip_prefix("*.").map_or(pattern == host, below),
        };
        let rank = |pattern: Option<&str>| {
            pattern.map_or(0, |pattern| if pattern.starts_with('*') { pattern.len() } else { 1_000 })
        };
        let fitting = self.routes.iter().map(|route| route.host).filter(|pattern| fits(*pattern));
        let Some(chosen) = fitting.max_by_key(|pattern| rank(*pattern)) else { return Vec::new() };
        (0..self.routes.len()).filter(|&n| self.routes[n].host == chosen).collect()
    }

    /// Which route of the host's the path leads to, by a look at all of them.
    pub(super) fn winner(&self, host: &str, path: &str) -> Option<usize> {
        self.best(host, |route| route.exact.matches(path)).into_iter().next()
    }

    /// How many routes of the host's match the path.
    pub(super) fn count(&self, host: &str, path: &str) -> usize {
        self.site(host).into_iter().filter(|&n| self.routes[n].exact.matches(path)).count()
    }

    /// The most specific of the host's routes that fit.
    fn best(&self, host: &str, fits: impl Fn(&Written) -> bool) -> Vec<usize> {
        let fitting: Vec<usize> = self.site(host).into_iter().filter(|&n| fits(&self.routes[n])).collect();
        let most = fitting.iter().map(|&n| &self.routes[n].exact.specificity).min();
        fitting.iter().copied().filter(|&n| Some(&self.routes[n].exact.specificity) == most).collect()
    }

    /// The readings of the route's upstream.
    pub(super) fn readings(&self, route: usize) -> Readings {
        self.upstreams[self.table.routes()[route].upstream]
    }

    /// Whether an upstream that takes `text` for the path ends at a route as good as the winner, whatever case it reads and
    /// whether it minds a slash at the end.
    pub(super) fn leads_to(&self, winner: usize, host: &str, method: &Method, text: &str) -> bool {
        let Some(exact) = self.winner(host, text).filter(|&n| self.is_as_good(winner, n, method)) else { return false };
        let readings = self.readings(winner);
        let fold = |text: &str| if readings.letter_case { fold_case(text) } else { text.to_owned() };
        let mut lookups = vec![(fold(text), false)];
        if readings.trailing_slash {
            lookups.extend(text.strip_suffix('/').filter(|text| !text.is_empty()).map(|text| (fold(text), false)));
            lookups.extend((!text.ends_with('/')).then(|| (fold(&format!("{text}/")), true)));
        }
        lookups.iter().all(|(text, closed)| {
            let pattern = |route: &Written| {
                let pattern = if readings.letter_case { &route.folded } else { &route.exact };
                (!closed || pattern.is_closed) && pattern.matches(text)
            };
            self.best(host, pattern)
                .into_iter()
                .all(|led| self.are_twins(led, exact) || self.is_as_good(winner, led, method))
        })
    }

    /// Whether two routes have one upstream, and ask the same for the method.
    fn is_as_good(&self, one: usize, other: usize, method: &Method) -> bool {
        let (one, other) = (&self.table.routes()[one], &self.table.routes()[other]);
        one.upstream == other.upstream && entry_of(one, method) == entry_of(other, method)
    }

    /// Whether two templates differ only in the names of placeholders, letter case or the slash at the end.
    fn are_twins(&self, one: usize, other: usize) -> bool {
        let shape = |n: usize| {
            let shape = fold_case(&self.table.routes()[n].template.shape());
            shape.strip_suffix('/').map_or(shape.clone(), str::to_owned)
        };
        shape(one) == shape(other)
    }

    /// What stands before a path of the route when it is forwarded, and the bytes of the path that do not.
    pub(super) fn prefixes(&self, route: usize) -> (String, usize) {
        let route = &self.table.routes()[route];
        let base = if route.upstream == 1 { BASE } else { "" };
        (
            format!("{base}{}", route.add_prefix.as_deref().unwrap_or("")),
            route.strip_prefix.as_ref().map_or(0, String::len),
        )
    }

    /// The template of a route.
    pub(super) fn text(&self, route: usize) -> &str {
        &self.routes[route].text
    }
}

/// What the route asks for; a `HEAD` without an entry is a `GET` (RFC 9110 §9.3.2).
pub(super) fn entry_of<'r>(route: &'r Route, method: &Method) -> Option<&'r Entry> {
    let entry = |method: &Method| route.methods.iter().find(|(own, _)| own == method).map(|(_, entry)| entry);
    entry(method).or_else(|| entry(&Method::GET).filter(|_| *method == Method::HEAD))
}

/// Whether one table cannot have both, which is what the table must say as well.
fn must_clash(one: &Template, other: &Template) -> bool {
    let equal = Pattern::new(one.as_str()).specificity == Pattern::new(other.as_str()).specificity;
    assert_eq!(one.precedence(other).is_eq(), equal, "{} {}", one.as_str(), other.as_str());
    if !equal {
        return false;
    }
    let Some(example) = one.overlap(other) else { return false };
    for template in [one, other] {
        assert!(Pattern::new(template.as_str()).matches(&example), "{} and {example}", template.as_str());
    }
    true
}

fn parts(upstreams: [Readings; 2], routes: &[Route]) -> TableParts {
    let upstream = |(number, readings): (usize, Readings)| UpstreamRules {
        name: format!("upstream-{number}").into(),
        readings,
        refuse_query: vec![METHOD_PARAMETER.to_owned()],
        base_path: if number == 1 { BASE } else { "/" }.to_owned(),
    };
    let upstreams = upstreams.into_iter().enumerate().map(upstream).collect();
    TableParts { upstreams, routes: routes.to_vec(), ..TableParts::default() }
}

fn route(line: &[u8]) -> Option<Route> {
    let [entry, host, upstream, methods, b' ', template @ ..] = line else { return None };
    let template = Template::parse(std::str::from_utf8(template).ok()?).ok()?;
    let host = HOSTS[usize::from(host % 4)];
    let (get, post) = (self::entry(*entry), self::entry(entry.wrapping_add(1)));
    let methods = match methods % 4 {
        0 => vec![(Method::GET, get)],
        1 => vec![(Method::GET, get), (Method::POST, post)],
        2 => vec![(Method::POST, post)],
        _ => vec![(Method::HEAD, post), (Method::GET, get)],
    };
    Some(Route {
        id: Arc::from(format!("{}{}", host.unwrap_or_default(), template.as_str())),
        host: host.map(|host| HostPattern::parse(host).unwrap()),
        upstream: usize::from(upstream & 1),
        methods,
        strip_prefix: first_literal(&template).filter(|_| upstream & 2 != 0),
        add_prefix: (upstream & 4 != 0).then(|| ADDED.to_owned()),
        timeout: None,
        template,
    })
}

fn first_literal(template: &Template) -> Option<String> {
    let first = template.as_str().split('/').nth(1)?;
    (!first.is_empty() && !first.contains('{')).then(|| format!("/{first}"))
}

fn entry(digit: u8) -> Entry {
    match digit % 4 {
        0 => Entry::Public,
        1 => Entry::Authenticated,
        other => Entry::Scoped(Sides { user: Some(Requirement::Scope(ScopeId(u32::from(other)))), admin: None }),
    }
}
