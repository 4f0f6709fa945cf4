//! The entries of `routes` of all policy files → routes: those with one host and one path are merged.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::policy::{Entry, HostFault, HostPattern, Route, Template};

use super::catalog::PlacedCatalog;
use super::faults::{Fault, Faults};
use super::lookalikes::foreign_segment;
use super::raw_policy::{RawPolicy, RawRoute};
use super::read::Subject;
use super::scalars::shown;
use super::source::{Place, Placed};
use super::suggest::did_you_mean;
use super::{entries, paths};

/// The label of requests without a route, which no route may take.
const UNMATCHED: &str = "_unmatched";

/// A route and where its parts are written.
#[derive(Debug)]
pub(super) struct PlacedRoute {
    pub(super) route: Route,
    pub(super) path: Place,
    pub(super) strip_prefix: Option<Place>,
    pub(super) add_prefix: Option<Place>,
    /// In the order of `route.methods`.
    pub(super) methods: Vec<Place>,
}

/// The upstreams that routes may name.
#[derive(Debug)]
pub(super) enum Upstreams {
    /// Those of the gateway file, in its order; and what routes name besides.
    Listed { names: Vec<String>, unknown: Vec<Unknown> },
    /// A policy checked alone: those that its routes name, in the order of being named.
    Named(Vec<String>),
}

/// A name that is not in the gateway file, and the routes that forward there.
#[derive(Debug)]
pub(super) struct Unknown {
    name: String,
    first: (Subject, Place),
    /// How many others.
    others: usize,
}

/// Compiles every route that has no fault.
pub(super) fn compile(
    policies: &[RawPolicy<'_>],
    catalog: &PlacedCatalog,
    upstreams: &mut Upstreams,
    faults: &Faults,
) -> Vec<PlacedRoute> {
    let parts: Vec<Part<'_, '_>> =
        policies.iter().flat_map(|policy| &policy.routes).filter_map(|raw| Part::read(raw, catalog, faults)).collect();
    let mut groups: Vec<Vec<&Part<'_, '_>>> = Vec::new();
    let mut by_path: HashMap<(Option<&str>, String), usize> = HashMap::with_capacity(parts.len());
    for part in &parts {
        let key = (part.host.as_ref().map(|(host, _)| host.as_str()), part.template.shape());
        let position = *by_path.entry(key).or_insert(groups.len());
        match groups.get_mut(position) {
            Some(group) => group.push(part),
            None => groups.push(vec![part]),
        }
    }
    let mut ids = HashMap::with_capacity(groups.len());
    let routes = groups.iter().filter_map(|group| merge(group, upstreams, &mut ids, faults)).collect();
    upstreams.refuse_unknown(faults);
    routes
}

/// One entry of `routes`, with everything that can be compiled by itself.
struct Part<'r, 'n> {
    raw: &'r RawRoute<'n>,
    host: Option<(HostPattern, Place)>,
    template: Template,
    path: Place,
    methods: Vec<(&'r Placed<http::Method>, Entry)>,
    /// Whether a part of it had a fault, so that the route cannot be compiled.
    whole: bool,
}

impl<'r, 'n> Part<'r, 'n> {
    fn read(raw: &'r RawRoute<'n>, catalog: &PlacedCatalog, faults: &Faults) -> Option<Self> {
        let compiled =
            raw.methods.iter().map(|method| (method, entries::compile(method, &raw.subject, catalog, faults)));
        let methods: Vec<_> = compiled.filter_map(|(raw, entry)| Some((&raw.method, entry?))).collect();
        let host = raw.host.map(|host| (parse_host(raw, host, faults), host.place));
        let template = raw.path.map(|path| (parse_template(raw, path, faults), path.place));
        let prefixes = [("strip_prefix", raw.strip_prefix), ("add_prefix", raw.add_prefix)];
        let fit = prefixes.map(|(key, prefix)| prefix.is_none_or(|prefix| is_prefix(raw, key, prefix, faults)));
        let whole = methods.len() == raw.methods.len() && !raw.lacks_methods && fit == [true; 2];
        let (template, path) = template?;
        let host = match host {
            Some((host, place)) => Some((host?, place)),
            None => None,
        };
        Some(Self { raw, host, template: template?, path, methods, whole })
    }
}

fn parse_host(raw: &RawRoute<'_>, host: Placed<&str>, faults: &Faults) -> Option<HostPattern> {
    let refuse = |fault: HostFault| {
        let message = raw.subject.say("host", format_args!("`{}`: {fault}", shown(host.value)));
        faults.push(Fault::error(host.place, message).hint_if(fault.hint));
    };
    HostPattern::parse(host.value).map_err(refuse).ok()
}

fn parse_template(raw: &RawRoute<'_>, path: Placed<&str>, faults: &Faults) -> Option<Template> {
    match Template::parse(path.value) {
        Ok(template) => {
            if let Some(at) = template.unmatchable_literal() {
                let message = raw.subject.tell("a literal with `?`, `#` or `;` never matches");
                let hint = "a path ends before `?` and `#`, and what follows `;` is read as a parameter";
                faults.push(Fault::warning(inside(path, at), message).hint(hint));
            }
            if let Some((at, what, hint)) = foreign_segment(path.value) {
                faults.push(Fault::warning(inside(path, at), raw.subject.tell(what)).hint(hint));
            }
            Some(template)
        }
        Err(fault) => {
            let message = raw.subject.tell(&fault);
            faults.push(Fault::error(inside(path, fault.at), message).hint_if(fault.hint));
            None
        }
    }
}

/// The place of a byte of a text, where it is written as it is, with quotes or without.
fn inside(text: Placed<&str>, at: usize) -> Place {
    let width = (text.place.end - text.place.start) as usize;
    match width.checked_sub(text.value.len()) {
        Some(0) => text.place.after(at),
        Some(2) => text.place.after(at + 1),
        _ => text.place,
    }
}

fn is_prefix(raw: &RawRoute<'_>, key: &str, prefix: Placed<&str>, faults: &Faults) -> bool {
    let parsed = paths::prefix(prefix.value);
    if let Err(fault) = &parsed {
        let message = raw.subject.say(key, format_args!("must be {}, not `{}`", fault.expected, prefix.value));
        faults.push(Fault::error(prefix.place, message).hint_if(fault.hint.clone()));
    }
    parsed.is_ok()
}

/// Makes one route of all entries with one host and path; `None` after a fault.
fn merge<'r>(
    group: &[&Part<'r, '_>],
    upstreams: &mut Upstreams,
    ids: &mut HashMap<Arc<str>, Place>,
    faults: &Faults,
) -> Option<PlacedRoute> {
    let first = *group.first()?;
    let once = Once { group, faults };
    let id = once.text("id", |raw| raw.id);
    let strip_prefix = once.text("strip_prefix", |raw| raw.strip_prefix);
    let add_prefix = once.text("add_prefix", |raw| raw.add_prefix);
    let timeout = once.value("timeout", |raw| raw.timeout, |value| super::units::written(*value));
    let upstream = once.text("upstream", |raw| raw.upstream);
    if upstream.is_none() {
        let message = first.raw.subject.say("upstream", "is missing");
        faults.push(Fault::error(first.raw.place, message));
    }
    let (methods, places) = merge_methods(group, faults);
    let id = name(first, id, ids, faults);
    let upstream = upstreams.find(first.raw, upstream?);
    let whole = group.iter().all(|part| part.whole) && !methods.is_empty();
    let route = Route {
        id: id?,
        host: first.host.as_ref().map(|(host, _)| host.clone()),
        template: first.template.clone(),
        upstream: upstream?,
        methods,
        strip_prefix: strip_prefix.map(|prefix| prefix.value.to_owned()),
        add_prefix: add_prefix.map(|prefix| prefix.value.to_owned()),
        timeout: timeout.map(|timeout| timeout.value),
    };
    let (strip_prefix, add_prefix) = (strip_prefix.map(|prefix| prefix.place), add_prefix.map(|prefix| prefix.place));
    whole.then_some(PlacedRoute { route, path: first.path, strip_prefix, add_prefix, methods: places })
}

fn merge_methods(group: &[&Part<'_, '_>], faults: &Faults) -> (Vec<(http::Method, Entry)>, Vec<Place>) {
    let mut methods: Vec<(http::Method, Entry)> = Vec::new();
    let mut places: Vec<Place> = Vec::new();
    for part in group {
        for (method, entry) in &part.methods {
            let earlier = methods.iter().zip(&places).find(|((other, _), _)| *other == method.value);
            if let Some((_, place)) = earlier {
                let message = part.raw.subject.tell(format_args!("method `{}` is given twice", method.value));
                faults.push(Fault::error(method.place, message).related(*place, "first given here"));
                continue;
            }
            methods.push((method.value.clone(), entry.clone()));
            places.push(method.place);
        }
    }
    if let Some(first) = group.first().filter(|_| group.iter().all(|part| part.raw.methods.is_empty() && part.whole)) {
        let message = first.raw.subject.tell("no method is given");
        faults.push(Fault::error(first.raw.place, message).hint("write `methods: {GET: …}`"));
    }
    (methods, places)
}

/// The route's id, which no other route has; by default host and path.
fn name(
    first: &Part<'_, '_>,
    written: Option<Placed<&str>>,
    ids: &mut HashMap<Arc<str>, Place>,
    faults: &Faults,
) -> Option<Arc<str>> {
    let host = first.host.as_ref().map_or("", |(host, _)| host.as_str());
    let default = || Arc::from(format!("{host}{}", first.template.as_str()));
    let (id, place): (Arc<str>, Place) =
        written.map_or_else(|| (default(), first.path), |id| (Arc::from(id.value), id.place));
    let fault = match ids.get(&id) {
        Some(earlier) => {
            let message = first.raw.subject.tell(format_args!("id `{id}` is taken by another route"));
            Fault::error(place, message).related(*earlier, "taken here").hint("an id is unique")
        }
        None if &*id == UNMATCHED => {
            Fault::error(place, first.raw.subject.tell(format_args!("id `{id}` stands for requests without a route")))
        }
        None if written.is_some() && !is_label(&id) => {
            let message = first.raw.subject.say("id", "must be 1 to 200 letters of printable ASCII");
            Fault::error(place, message)
        }
        None => {
            ids.insert(Arc::clone(&id), place);
            return Some(id);
        }
    };
    faults.push(fault);
    None
}

/// An id is a metric's label and a field's value.
fn is_label(id: &str) -> bool {
    (1..=200).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') && id.trim() == id
}

impl Upstreams {
    /// The names, in the order of their positions.
    pub(super) fn names(&self) -> &[String] {
        match self {
            Self::Listed { names, .. } | Self::Named(names) => names,
        }
    }

    fn find(&mut self, raw: &RawRoute<'_>, name: Placed<&str>) -> Option<usize> {
        if let Some(position) = self.names().iter().position(|listed| listed == name.value) {
            return Some(position);
        }
        match self {
            Self::Named(names) => {
                names.push(name.value.to_owned());
                names.len().checked_sub(1)
            }
            Self::Listed { unknown, .. } => {
                match unknown.iter_mut().find(|unknown| unknown.name == name.value) {
                    Some(unknown) => unknown.others += 1,
                    None => {
                        let first = (raw.subject.clone(), name.place);
                        unknown.push(Unknown { name: name.value.to_owned(), first, others: 0 });
                    }
                }
                None
            }
        }
    }

    /// Each name that is not listed is one fault, however many routes have it; of a file that lists none, that has been said.
    fn refuse_unknown(&self, faults: &Faults) {
        let Self::Listed { names, unknown } = self else { return };
        for Unknown { name, first: (subject, place), others } in unknown.iter().filter(|_| !names.is_empty()) {
            let others = match others {
                0 => String::new(),
                1 => ", and one more route names it".to_owned(),
                _ => format!(", and {others} more routes name it"),
            };
            let message = subject.tell(format_args!("upstream `{name}` is not in the gateway file{others}"));
            let hint = did_you_mean(name, names.iter().map(String::as_str));
            faults.push(Fault::error(*place, message).hint_if(hint));
        }
    }
}

/// Reads a key that the entries of one route may write once, or several times alike.
struct Once<'g, 'r, 'n> {
    group: &'g [&'g Part<'r, 'n>],
    faults: &'g Faults,
}

impl<'r, 'n> Once<'_, 'r, 'n> {
    fn text(&self, key: &str, of: impl Fn(&'r RawRoute<'n>) -> Option<Placed<&'n str>>) -> Option<Placed<&'n str>> {
        self.value(key, of, |value| (*value).to_owned())
    }

    fn value<T: PartialEq + Copy, S: fmt::Display>(
        &self,
        key: &str,
        of: impl Fn(&'r RawRoute<'n>) -> Option<Placed<T>>,
        show: impl Fn(&T) -> S,
    ) -> Option<Placed<T>> {
        let mut written = self.group.iter().filter_map(|part| Some((part.raw, of(part.raw)?)));
        let (_, first) = written.next()?;
        for (raw, other) in written.filter(|(_, other)| other.value != first.value) {
            let what = format!(
                "is `{}` here and `{}` in another entry of the same path",
                show(&other.value),
                show(&first.value)
            );
            let fault = Fault::error(other.place, raw.subject.say(key, what)).related(first.place, "the other entry");
            self.faults.push(fault.hint("write it once, or alike"));
        }
        Some(first)
    }
}
