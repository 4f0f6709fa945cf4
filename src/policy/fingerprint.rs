//! The canonical form of a table, and its digest.
//!
//! A line for each thing that has an effect; lines are sorted, and every text in them is quoted, so that no two tables
//! that differ have the same lines. What has no effect is left out: the order of routes and scopes, the names of routes
//! and placeholders, descriptions.

use std::collections::BTreeMap;
use std::fmt::Write;

use aws_lc_rs::digest::{SHA256, digest};

use crate::policy::table::formula;
use crate::policy::{Ceilings, Entry, HostPattern, Route, TableParts, UpstreamRules};
use crate::scope::{Catalog, ScopeSet};

/// SHA-256 over the canonical form, in lower-case hex.
pub(super) fn of(parts: &TableParts) -> String {
    let mut lines: Vec<String> = Vec::with_capacity(parts.routes.len() + parts.upstreams.len());
    lines.extend(parts.routes.iter().map(|route| route_line(route, parts)));
    lines.extend(parts.upstreams.iter().map(upstream_line));
    lines.extend(catalog_lines(&parts.catalog));
    lines.extend(ceiling_lines(&parts.ceilings, &parts.catalog));
    lines.sort_unstable();
    let mut hex = String::with_capacity(64);
    for byte in digest(&SHA256, lines.join("\n").as_bytes()).as_ref() {
        // Writing into a text cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

/// Tabs stand between the parts, none of which can hold one.
fn route_line(route: &Route, parts: &TableParts) -> String {
    let mut methods: Vec<_> = route.methods.iter().map(|(method, entry)| (method.as_str(), entry)).collect();
    methods.sort_unstable_by_key(|(method, _)| *method);
    let host = route.host.as_ref().map_or("", HostPattern::as_str);
    let mut line = ["route\t", host, "\t", &route.template.shape()].concat();
    let upstream = parts.upstreams.get(route.upstream).map(|upstream| &upstream.name);
    // Writing into a text cannot fail.
    let _ = write!(line, "\t{upstream:?}\t{:?}\t{:?}\t{:?}", route.strip_prefix, route.add_prefix, route.timeout);
    for (method, entry) in methods {
        line.push('\t');
        line.push_str(method);
        line.push('\t');
        push_entry(&mut line, entry, &parts.catalog);
    }
    line
}

fn push_entry(line: &mut String, entry: &Entry, catalog: &Catalog) {
    match entry {
        Entry::Public => line.push_str("public"),
        Entry::Authenticated => line.push_str("authenticated"),
        Entry::Scoped(sides) => {
            for (name, side) in [("user ", &sides.user), (" admin ", &sides.admin)] {
                line.push_str(name);
                line.push_str(&side.as_ref().map(|requirement| formula(requirement, catalog)).unwrap_or_default());
            }
        }
    }
}

fn upstream_line(upstream: &UpstreamRules) -> String {
    let mut refused = upstream.refuse_query.clone();
    refused.sort_unstable();
    format!("upstream {:?} {:?} {refused:?} {:?}", upstream.name, upstream.readings, upstream.base_path)
}

fn catalog_lines(catalog: &Catalog) -> impl Iterator<Item = String> + '_ {
    catalog.ids().map(|id| {
        let uses = catalog.entry(id).uses;
        format!("scope {:?} {} {} {:?}", catalog.name(id), uses.token, uses.role, names(catalog.closure(id), catalog))
    })
}

fn ceiling_lines(ceilings: &Ceilings, catalog: &Catalog) -> Vec<String> {
    let section = |kind: &str, sets: &Option<BTreeMap<String, ScopeSet>>| -> Vec<String> {
        let Some(sets) = sets else { return vec![format!("{kind} off")] };
        let lines = sets.iter().map(|(name, set)| format!("{kind} {name:?} {:?}", names(set, catalog)));
        lines.chain([format!("{kind} on")]).collect()
    };
    let mut lines = section("role", &ceilings.roles);
    lines.extend(ceilings.directory.then(|| "role directory".to_owned()));
    lines.extend(section("client", &ceilings.clients));
    lines.extend(ceilings.acts_alone.iter().map(|client| format!("alone {client:?}")));
    lines
}

fn names<'c>(set: &ScopeSet, catalog: &'c Catalog) -> Vec<&'c str> {
    let mut names: Vec<_> = set.iter().map(|id| catalog.name(id)).collect();
    names.sort_unstable();
    names
}
