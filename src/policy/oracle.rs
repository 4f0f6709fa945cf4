//! What plain templates say of whole tables, and random templates and paths to compare with it.

use std::cmp::Ordering;
use std::sync::Arc;

use http::Method;
use proptest::prelude::*;

use crate::policy::{Entry, HostPattern, Pattern, Readings, Route, TableParts, Template, UpstreamRules};

/// Whether the template's text matches the path.
pub(super) fn matches(template: &str, path: &str) -> bool {
    Pattern::new(template).matches(path)
}

/// The order of precedence, from the template's text alone: `Less` wins.
pub(super) fn precedence(a: &str, b: &str) -> Ordering {
    Pattern::new(a).specificity.cmp(&Pattern::new(b).specificity)
}

/// The position of the template that wins the path, by a look at all of them.
pub(super) fn winner(templates: &[Template], path: &str) -> Option<usize> {
    let matching = (0..templates.len()).filter(|&n| matches(templates[n].as_str(), path));
    matching.min_by(|&a, &b| precedence(templates[a].as_str(), templates[b].as_str()))
}

/// Whether a path has a dot segment, so that it is never looked up.
pub(super) fn has_dot_segment(path: &str) -> bool {
    path.split('/').any(|segment| matches!(segment, "." | ".."))
}

/// Templates of few letters, so that they meet often.
pub(super) fn template() -> impl Strategy<Value = Template> {
    let segment = prop_oneof![
        6 => "[ab]{1,2}",
        2 => "[aB]{1,2}",
        3 => Just("{x}".to_owned()),
        2 => "[ab.]\\{x\\}",
        2 => "\\{x\\}[ab.]",
        1 => "[ab]\\{x\\}[ab]",
        1 => "\\{x\\}[ab]\\{y\\}",
        1 => "[ab]\\{x\\}[ab]\\{y\\}[ab]",
        1 => Just("{r=**}".to_owned()),
        1 => "\\{r=\\*\\*\\}[ab]",
        1 => "[ab]\\{r=\\*\\*\\}",
        1 => "\\{x\\}[ab]\\{r=\\*\\*\\}[ab]",
    ];
    let closed = prop::bool::weighted(0.25);
    (prop::collection::vec(segment, 1..5), closed).prop_filter_map("a second `**`", |(segments, closed)| {
        Template::parse(&format!("/{}{}", segments.join("/"), if closed { "/" } else { "" })).ok()
    })
}

/// Templates of literals and `{id}` alone.
pub(super) fn simple_template() -> impl Strategy<Value = Template> {
    let segment = prop_oneof![4 => "[ab]{1,3}", 1 => "[aB]{1,2}", 3 => Just("{x}".to_owned())];
    (prop::collection::vec(segment, 0..6), prop::bool::weighted(0.25)).prop_map(|(segments, closed)| {
        let slash = if closed && !segments.is_empty() { "/" } else { "" };
        Template::parse(&format!("/{}{slash}", segments.join("/"))).unwrap()
    })
}

/// Paths of the same letters.
pub(super) fn path() -> impl Strategy<Value = String> {
    let segment = prop_oneof![6 => "[ab]{1,3}", 1 => "[abAB.]{1,4}", 1 => Just(String::new())];
    prop::collection::vec(segment, 1..6).prop_map(|segments| format!("/{}", segments.join("/")))
}

/// Of these templates those that no earlier one makes ambiguous, as the table demands.
pub(super) fn compatible(templates: Vec<Template>) -> Vec<Template> {
    let mut kept: Vec<Template> = Vec::new();
    for template in templates {
        if kept.iter().all(|other| other.precedence(&template).is_ne() || other.overlap(&template).is_none()) {
            kept.push(template);
        }
    }
    kept
}

/// An upstream that reads paths in every way.
pub(super) fn upstream(name: &str, readings: Readings) -> UpstreamRules {
    UpstreamRules { name: name.into(), readings, refuse_query: vec!["_method".to_owned()], base_path: "/".to_owned() }
}

/// A route with an entry for each of the methods.
pub(super) fn route(host: Option<&str>, template: &str, methods: &[(&str, Entry)]) -> Route {
    let method = |(name, entry): &(&str, Entry)| (Method::from_bytes(name.as_bytes()).unwrap(), entry.clone());
    Route {
        id: Arc::from(format!("{}{template}", host.unwrap_or(""))),
        host: host.map(|host| HostPattern::parse(host).unwrap()),
        template: Template::parse(template).unwrap(),
        upstream: 0,
        methods: methods.iter().map(method).collect(),
        strip_prefix: None,
        add_prefix: None,
        timeout: None,
    }
}

/// A table's parts with one upstream and these routes.
pub(super) fn parts(readings: Readings, routes: Vec<Route>) -> TableParts {
    TableParts { upstreams: vec![upstream("api", readings)], routes, ..TableParts::default() }
}
