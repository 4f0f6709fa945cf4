//! The lookup of one host: matchit where it can hold the templates, the trie elsewhere.

use std::sync::Arc;

use crate::policy::segment::Segment;
use crate::policy::trie::Trie;
use crate::policy::{RouteIndex, Template};

/// Finds the most specific template that matches a path as it stands.
#[derive(Debug)]
pub(super) enum Matcher {
    /// Only literals and `{id}`.
    Small(Router),
    Large(Arc<Trie>),
}

/// A matchit router with its Debug cut short.
pub(super) struct Router(matchit::Router<RouteIndex>);

impl std::fmt::Debug for Router {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Router(…)")
    }
}

/// matchit 0.9.2 names placeholders after the letters of the alphabet and panics past the last.
const MOST_PLACEHOLDERS: usize = 25;

impl Matcher {
    /// A matcher for these templates; `trie` makes theirs, which is not always needed.
    pub(super) fn new<'t>(
        templates: impl Iterator<Item = (&'t Template, RouteIndex)> + Clone,
        trie: impl FnOnce() -> Arc<Trie>,
    ) -> Self {
        if templates.clone().all(|(template, _)| is_simple(template)) {
            let mut router = matchit::Router::new();
            if templates.into_iter().try_for_each(|(template, route)| router.insert(notation(template), route)).is_ok()
            {
                return Self::Small(Router(router));
            }
        }
        Self::Large(trie())
    }

    /// The most specific route that matches the path.
    pub(super) fn best(&self, path: &str) -> Option<RouteIndex> {
        match self {
            Self::Small(Router(router)) => router.at(path).ok().map(|found| *found.value),
            Self::Large(trie) => trie.best(path),
        }
    }
}

/// Whether matchit decides between templates like this one as the rule of precedence does.
fn is_simple(template: &Template) -> bool {
    let placeholders = template.segments().iter().filter(|segment| **segment == Segment::Placeholder).count();
    let whole = |segment: &Segment| matches!(segment, Segment::Literal(_) | Segment::Placeholder);
    placeholders <= MOST_PLACEHOLDERS && template.segments().iter().all(whole)
}

/// The template as matchit writes it. A literal holds no brace, so that nothing has to be escaped.
fn notation(template: &Template) -> String {
    template.render("{id}", "")
}
