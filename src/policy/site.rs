//! The routes of one host: their lookup as spelled, their lookup folded, and their marks.

use std::collections::HashMap;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::policy::marks::Marks;
use crate::policy::matcher::Matcher;
use crate::policy::segment::{Segment, fold_case};
use crate::policy::trie::{Branch, Matches, Ranked, Trie};
use crate::policy::{HostPattern, Route, RouteIndex, Template};

/// The routes that one host pattern, or none, has.
#[derive(Debug)]
pub(super) struct Site {
    /// In the table's order.
    pub(super) routes: Vec<RouteIndex>,
    matcher: Matcher,
    /// The templates with their letters folded; the same trie as the matcher's where no literal has a capital.
    folded: Arc<Trie>,
    pub(super) has_capitals: bool,
    /// Whether some template is written with a slash at the end.
    pub(super) is_closed: bool,
    /// The most segments of a template.
    pub(super) height: usize,
}

impl Site {
    /// The site of these routes of a table, with the marks of each.
    pub(super) fn new(all: &[Route], routes: &[Ranked]) -> (Self, Vec<(RouteIndex, Marks)>) {
        let members: Vec<Member<'_>> = routes.iter().filter_map(|ranked| Member::of(all, *ranked)).collect();
        let has_capitals = members.iter().any(|member| member.folded.is_some());
        let is_closed = members.iter().any(|member| member.template.is_closed());
        let folded = Arc::new(Trie::new(members.iter().map(|member| member.branch(member.folded())).collect()));
        let exact = || Trie::new(members.iter().map(|member| member.branch(member.template.segments())).collect());
        let templates = members.iter().map(|member| (member.template, member.ranked.route));
        let matcher = Matcher::new(templates, || if has_capitals { Arc::new(exact()) } else { Arc::clone(&folded) });
        let twins = folded.twins();
        let marks = |member: &Member<'_>| {
            let route = member.ranked.route;
            let twin = twins.get(&route).copied().unwrap_or_default();
            (route, Marks::of(member.folded(), route, twin, &folded, is_closed))
        };
        let marks = members.iter().map(marks).collect();
        let height = members.iter().map(|member| member.template.segments().len()).max().unwrap_or(0);
        let routes = members.iter().map(|member| member.ranked.route).collect();
        (Self { routes, matcher, folded, has_capitals, is_closed, height }, marks)
    }

    /// The most specific route that matches the path as spelled.
    pub(super) fn best(&self, path: &str) -> Option<RouteIndex> {
        self.matcher.best(path)
    }

    /// The most specific routes that match a path whose letters are folded already.
    pub(super) fn best_folded(&self, folded: &str) -> Matches {
        self.folded.all_best(folded)
    }

    /// The same for a path with a slash at its end, among the templates that are written with one.
    pub(super) fn best_folded_closed(&self, folded: &str) -> Matches {
        self.folded.all_best_closed(folded)
    }

    /// Every route that matches the path as spelled, the most specific first.
    pub(super) fn all<'r>(&self, all: &'r [Route], path: &str) -> Vec<(RouteIndex, &'r Route)> {
        let matches = self.folded.all(&fold_case(path)).into_iter();
        let routes = matches.filter_map(|ranked| Some((ranked.route, all.get(ranked.route.position())?)));
        routes.filter(|(_, route)| route.template.matches(path)).collect()
    }
}

/// A route while its site is built.
struct Member<'r> {
    template: &'r Template,
    ranked: Ranked,
    /// The segments with their letters folded, where that makes a difference.
    folded: Option<Vec<Segment>>,
}

impl<'r> Member<'r> {
    fn of(all: &'r [Route], ranked: Ranked) -> Option<Self> {
        let template = &all.get(ranked.route.position())?.template;
        let folds = || template.segments().iter().map(Segment::folded).collect();
        Some(Self { template, ranked, folded: template.has_capitals().then(folds) })
    }

    fn folded(&self) -> &[Segment] {
        self.folded.as_deref().unwrap_or(self.template.segments())
    }

    fn branch<'s>(&self, segments: &'s [Segment]) -> Branch<'s> {
        Branch { segments, ranked: self.ranked }
    }
}

/// Sites by host: the exact name, then the longest wildcard, then none.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    exact: HashMap<Box<str>, usize>,
    /// By the name below which every name is meant.
    wildcards: HashMap<Box<str>, usize>,
    hostless: Option<usize>,
}

impl Hosts {
    /// The number of the site that a host chooses, before any path is looked at.
    pub(super) fn choose(&self, host: &str) -> Option<usize> {
        if let Some(site) = self.exact.get(host) {
            return Some(*site);
        }
        if self.wildcards.is_empty() {
            return self.hostless;
        }
        let mut name = host;
        while let Some((_, parent)) = name.split_once('.') {
            if let Some(site) = self.wildcards.get(parent) {
                return Some(*site);
            }
            name = parent;
        }
        self.hostless
    }

    pub(super) fn insert(&mut self, host: Option<&HostPattern>, site: usize) {
        match host.map(|host| (host, host.parent())) {
            None => self.hostless = Some(site),
            Some((_, Some(parent))) => {
                self.wildcards.insert(parent.into(), site);
            }
            Some((host, None)) => {
                self.exact.insert(host.as_str().into(), site);
            }
        }
    }

    pub(super) fn hostless(&self) -> Option<usize> {
        self.hostless
    }

    /// The routes of a table by host, each host's in the table's order; without host first, then by name.
    pub(super) fn group(routes: &[Route]) -> Vec<(Option<&HostPattern>, SmallVec<[RouteIndex; 4]>)> {
        let mut groups: HashMap<Option<&HostPattern>, SmallVec<[RouteIndex; 4]>> = HashMap::new();
        for (position, route) in routes.iter().enumerate() {
            groups.entry(route.host.as_ref()).or_default().push(RouteIndex::of(position));
        }
        let mut groups: Vec<_> = groups.into_iter().collect();
        groups.sort_unstable_by_key(|(host, _)| *host);
        groups
    }
}

impl RouteIndex {
    pub(super) fn of(position: usize) -> Self {
        Self(u32::try_from(position).unwrap_or(u32::MAX))
    }

    pub(super) fn position(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}
