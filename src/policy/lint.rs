//! What a table has that nobody may have meant.
//!
//! Most questions about a template are asked of one path that stands for all of its paths: its placeholders are a
//! character that no literal holds. Whoever matches that path matches them all.

use std::collections::{HashMap, HashSet};

use http::Method;

use crate::policy::site::Site;
use crate::policy::{Entry, Requirement, Route, RouteIndex, RouteTable, Template};
use crate::scope::ScopeId;

/// A warning about a table that is in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// No route asks for the scope, nor for one that it implies.
    UnusedScope {
        /// The scope.
        scope: ScopeId,
    },
    /// Every path that the route matches is won by others.
    UnreachableRoute {
        /// The route.
        route: RouteIndex,
        /// One that wins some of its paths.
        by: RouteIndex,
    },
    /// A method that asks for no token.
    PublicMethod {
        /// The route.
        route: RouteIndex,
        /// The method.
        method: Method,
    },
    /// A method that only users, or only administrators, can use.
    OneSideOnly {
        /// The route.
        route: RouteIndex,
        /// The method.
        method: Method,
    },
    /// A route without host, on a host that has other routes but none for its paths.
    HostlessUnseen {
        /// The route.
        route: RouteIndex,
        /// The first such host.
        host: String,
    },
    /// Methods that the route lacks, and one that matches all of its paths has: such requests are refused all the same.
    BroaderHasMethods {
        /// The route.
        route: RouteIndex,
        /// The most specific one that has them.
        broader: RouteIndex,
        /// The methods, in the order of the broader route.
        methods: Vec<Method>,
    },
    /// Two templates that differ only in letter case or a slash at the end, on an upstream that may not tell them apart.
    FoldedCollision {
        /// The route that stands first.
        first: RouteIndex,
        /// The other one.
        second: RouteIndex,
        /// A path of the first.
        example: String,
    },
}

impl RouteTable {
    /// Returns what nobody may have meant, route by route and in the order of the table.
    pub fn warnings(&self) -> Vec<Warning> {
        let mut warnings = self.unused_scopes();
        for (position, route) in self.routes().iter().enumerate() {
            entry_warnings(RouteIndex::of(position), route, &mut warnings);
        }
        for site in &self.sites {
            for &index in &site.routes {
                let Some(route) = self.routes().get(index.position()) else { continue };
                match shadowed_by(site, index, &route.template) {
                    Some(by) => warnings.push(Warning::UnreachableRoute { route: index, by }),
                    None => warnings.extend(self.broader_methods(site, index, route)),
                }
            }
        }
        warnings.extend(self.unseen());
        warnings.extend(self.folded_collisions());
        warnings
    }

    fn unused_scopes(&self) -> Vec<Warning> {
        let mut named = HashSet::new();
        for (_, entry) in self.routes().iter().flat_map(|route| &route.methods) {
            if let Entry::Scoped(sides) = entry {
                sides.user.iter().chain(&sides.admin).for_each(|requirement| collect_scopes(requirement, &mut named));
            }
        }
        let unused =
            |id: &ScopeId| !named.contains(id) && !self.catalog().closure(*id).iter().any(|id| named.contains(&id));
        self.catalog().ids().filter(unused).map(|scope| Warning::UnusedScope { scope }).collect()
    }

    /// Methods that a broader route has and this one lacks, each with the most specific such route.
    fn broader_methods(&self, site: &Site, index: RouteIndex, route: &Route) -> Vec<Warning> {
        let mut warnings: Vec<Warning> = Vec::new();
        let mut named: HashSet<&Method> = HashSet::new();
        let candidates = site.all(self.routes(), &route.template.render(ANYTHING, ANYTHING));
        for (broader, other) in candidates.into_iter().filter(|(other, _)| *other != index) {
            if !covers(&other.template, &route.template) {
                continue;
            }
            let lacked = other.methods.iter().map(|(method, _)| method).filter(|&m| route.entry_position(m).is_none());
            let methods: Vec<Method> = lacked.filter(|method| named.insert(method)).cloned().collect();
            if !methods.is_empty() {
                warnings.push(Warning::BroaderHasMethods { route: index, broader, methods });
            }
        }
        warnings
    }

    /// Routes without host whose paths lead nowhere on some host that has routes.
    fn unseen(&self) -> Vec<Warning> {
        let Some(hostless) = self.hosts.hostless().and_then(|site| self.sites.get(site)) else { return Vec::new() };
        let host_of =
            |site: &Site| site.routes.first().and_then(|index| self.routes().get(index.position())?.host.as_ref());
        let others: Vec<_> = self.sites.iter().filter_map(|site| Some((host_of(site)?, site))).collect();
        let warning = |&route: &RouteIndex| {
            let path = self.routes().get(route.position())?.template.render(ANYTHING, ANYTHING);
            let (host, _) = others.iter().find(|(_, site)| site.best(&path).is_none())?;
            Some(Warning::HostlessUnseen { route, host: host.as_str().to_owned() })
        };
        hostless.routes.iter().filter_map(warning).collect()
    }

    fn folded_collisions(&self) -> Vec<Warning> {
        let mut warnings = Vec::new();
        for site in &self.sites {
            let mut firsts = HashMap::new();
            for &second in &site.routes {
                let Some((route, compiled)) = self.routes().get(second.position()).zip(self.compiled(second)) else {
                    continue;
                };
                let first = *firsts.entry(compiled.marks.twin).or_insert(second);
                let other = self
                    .routes()
                    .get(first.position())
                    .filter(|other| first != second && self.may_confuse(route, other));
                if let Some(other) = other {
                    warnings.push(Warning::FoldedCollision { first, second, example: other.template.example() });
                }
            }
        }
        warnings
    }

    /// Whether the upstream of either may not tell the two twins apart.
    fn may_confuse(&self, route: &Route, other: &Route) -> bool {
        let by_slash = route.template.is_closed() != other.template.is_closed();
        let readings = [route, other].into_iter().filter_map(|route| self.upstreams().get(route.upstream));
        readings
            .map(|upstream| upstream.readings)
            .any(|readings| if by_slash { readings.trailing_slash } else { readings.letter_case })
    }
}

fn entry_warnings(index: RouteIndex, route: &Route, warnings: &mut Vec<Warning>) {
    for (method, entry) in &route.methods {
        match entry {
            Entry::Public => warnings.push(Warning::PublicMethod { route: index, method: method.clone() }),
            Entry::Authenticated => {}
            Entry::Scoped(sides) => {
                if sides.user.is_some() != sides.admin.is_some() {
                    warnings.push(Warning::OneSideOnly { route: index, method: method.clone() });
                }
            }
        }
    }
}

fn collect_scopes(requirement: &Requirement, named: &mut HashSet<ScopeId>) {
    match requirement {
        Requirement::Scope(id) => {
            named.insert(*id);
        }
        Requirement::AnyOf(parts) | Requirement::AllOf(parts) => {
            parts.iter().for_each(|part| collect_scopes(part, named))
        }
    }
}

/// A text that no literal of a template holds.
const ANYTHING: &str = "\u{1}";

/// One that wins paths of a route none of whose paths the route itself wins.
///
/// A path of a template with `**` may have any number of segments. One more than the longest template of the host has is
/// enough: what lies in the middle beyond that can only be met by a `**`.
fn shadowed_by(site: &Site, index: RouteIndex, template: &Template) -> Option<RouteIndex> {
    let by = site.best(&template.render(ANYTHING, ANYTHING)).filter(|best| *best != index)?;
    let wins = |path: &str| site.best(path) == Some(index);
    (!instances(template, site.height + 1).iter().any(|path| wins(path))).then_some(by)
}

/// Whether every path of `narrower` is one of `broader`.
fn covers(broader: &Template, narrower: &Template) -> bool {
    instances(narrower, broader.segments().len() + 1).iter().all(|path| broader.matches(path))
}

/// The paths that stand for all of a template's: one, or with a `**` one for each number of segments up to `most`, and
/// where nothing follows the `**` also those with an empty segment at the end.
fn instances(template: &Template, most: usize) -> Vec<String> {
    let Some(spanning) = template.segments().iter().position(|segment| segment.has_rest()) else {
        return vec![template.render(ANYTHING, "")];
    };
    let mut paths: Vec<String> = Vec::new();
    for count in 1..=most {
        paths.push(template.render(ANYTHING, &vec![ANYTHING; count].join("/")));
    }
    if spanning + 1 == template.segments().len() {
        let longer = paths.iter().map(|path| format!("{path}/")).chain([template.render(ANYTHING, "")]);
        let longer: Vec<_> = longer.filter(|path| template.matches(path)).collect();
        paths.extend(longer);
    }
    paths
}
