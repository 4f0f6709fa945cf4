//! The same steps as a decision, told.

use http::{HeaderValue, Method, Uri};

use super::challenge_set::ChallengeSet;
use super::explanation::{
    CeilingState, CeilingTrace, CeilingsTrace, DecisionTrace, DirectoryState, Explanation, Formula, Reading,
    RoleSource, RoleTrace, RouteTrace, SideTrace, TargetTrace, Term, TokenTrace,
};
use super::{
    Ceilings, Decision, Denial, DirectoryRoles, Entry, Found, Presented, PresentedClient, RequestTarget, Requirement,
    RouteIndex, RouteTable, Sides, Standing, decide,
};
use crate::scope::{Catalog, ScopeSet};

/// What a decision is made under.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// The table in force.
    pub table: &'a RouteTable,
    /// What the roles of its role directory permit; `None` where there is none, or none that can be relied on.
    pub directory: Option<&'a DirectoryRoles>,
}

/// Explains how the gateway would decide a request, and why; `presented` is `None` for a request without credentials.
///
/// The decision is that of [`decide()`] itself. The rest is told as far as the request comes: a target that cannot be
/// read has no candidates, a winner that lacks the method no formula.
pub fn explain(
    terms: Terms<'_>,
    method: &Method,
    uri: &Uri,
    host: &HeaderValue,
    presented: Option<&Presented<'_>>,
) -> Explanation {
    let Terms { table, directory } = terms;
    let catalog = table.catalog();
    let standing = presented.map(|presented| Standing::new(table, directory, presented));
    let way = Way::of(table, method, uri, host);
    let entry = way.entry.map(|found| table.entry(found));
    let sides = entry.and_then(sides_of);
    Explanation {
        method: method.to_string(),
        requirement: entry.map(|entry| entry.text(catalog)),
        token: presented
            .zip(standing.as_ref())
            .map(|(presented, standing)| token_trace(catalog, table.ceilings(), directory, presented, standing)),
        ceilings: ceilings_trace(catalog, table.ceilings(), standing.as_ref()),
        directory: directory_state(table.ceilings(), directory),
        sides: sides.map_or_else(Vec::new, |sides| side_traces(sides, catalog, standing.as_ref())),
        would_open: sides
            .and_then(|sides| ChallengeSet::choose(sides, catalog, standing.as_ref()))
            .map(|set| set.scope),
        decision: decision_trace(&match way.found {
            Ok(found) => decide(table, found, standing.as_ref()),
            Err(denial) => Decision::Deny(denial),
        }),
        target: way.target,
        route: way.candidates.first().cloned(),
        candidates: way.candidates,
        readings: way.readings,
    }
}

/// How far a request comes before anybody asks for its token.
struct Way {
    target: Option<TargetTrace>,
    candidates: Vec<RouteTrace>,
    readings: Vec<Reading>,
    found: Result<Found, Denial>,
    /// The winner's entry, also where another reading refuses the request.
    entry: Option<Found>,
}

impl Way {
    fn of(table: &RouteTable, method: &Method, uri: &Uri, host: &HeaderValue) -> Self {
        let target = match RequestTarget::read(uri, host) {
            Ok(target) => target,
            Err(denial) => return Self::refused(denial),
        };
        let known = if table.knows_method(method) { Ok(()) } else { Err(Denial::MethodUnknown) };
        let found = known.and_then(|()| table.find(&target, method));
        let candidates = table.candidates(&target);
        let entry = match &found {
            Ok(found) => Some(*found),
            Err(_) => candidates.first().and_then(|winner| entry_of(table, *winner, method)),
        };
        Self {
            target: Some(TargetTrace { host: target.host().to_owned(), path: target.path().to_owned() }),
            candidates: candidates.iter().map(|route| route_trace(table, *route)).collect(),
            readings: entry.map_or_else(Vec::new, |found| readings(table, &target, found)),
            found,
            entry,
        }
    }

    fn refused(denial: Denial) -> Self {
        Self { target: None, candidates: Vec::new(), readings: Vec::new(), found: Err(denial), entry: None }
    }
}

/// The winner's entry for `method`; `HEAD` is served by that of `GET` where it has none (RFC 9110 §9.3.2).
fn entry_of(table: &RouteTable, route: RouteIndex, method: &Method) -> Option<Found> {
    let methods = &table.route(route).methods;
    let position = |wanted: &Method| methods.iter().position(|(written, _)| written == wanted);
    let by_get = || position(&Method::GET).filter(|_| *method == Method::HEAD);
    position(method).or_else(by_get).map(|method| Found { route, method })
}

fn route_trace(table: &RouteTable, index: RouteIndex) -> RouteTrace {
    let route = table.route(index);
    RouteTrace {
        id: route.id.to_string(),
        host: route.host.as_ref().map(|host| host.as_str().to_owned()),
        template: route.template.as_str().to_owned(),
        upstream: table.upstreams().get(route.upstream).map(|upstream| upstream.name.to_string()).unwrap_or_default(),
    }
}

fn readings(table: &RouteTable, target: &RequestTarget<'_>, found: Found) -> Vec<Reading> {
    let readings = table.readings(target, found).into_iter().map(|trace| Reading {
        text: trace.text,
        how: trace.how,
        leads_to: trace.leads_to.map(|route| table.route(route).id.to_string()),
        agrees: trace.agrees,
    });
    readings.collect()
}

fn sides_of(entry: &Entry) -> Option<&Sides> {
    match entry {
        Entry::Scoped(sides) => Some(sides),
        Entry::Public | Entry::Authenticated => None,
    }
}

fn decision_trace(decision: &Decision) -> DecisionTrace {
    match decision {
        Decision::Forward(grant) => DecisionTrace::Allow { allow: grant.access() },
        Decision::Deny(denial) => DecisionTrace::of(denial),
    }
}

pub(super) fn token_trace(
    catalog: &Catalog,
    ceilings: &Ceilings,
    directory: Option<&DirectoryRoles>,
    presented: &Presented<'_>,
    standing: &Standing,
) -> TokenTrace {
    let is_held = |name: &str| catalog.id(name).is_some_and(|id| catalog.entry(id).uses.token);
    let role =
        |name: &&str| RoleTrace { name: (*name).to_owned(), scopes_from: role_source(ceilings, directory, name) };
    let mut ignored: Vec<String> = Vec::new();
    for name in presented.names().filter(|name| !name.is_empty() && !is_held(name)) {
        if !ignored.iter().any(|seen| seen == name) {
            ignored.push(name.to_owned());
        }
    }
    TokenTrace {
        held: names(catalog, standing.held()),
        permitted: names(catalog, standing.permitted()),
        ignored,
        client: match presented.client {
            PresentedClient::Named(client) => Some(client.to_owned()),
            PresentedClient::Unnamed | PresentedClient::Unlimited => None,
        },
        roles: presented.roles.iter().map(role).collect(),
        alone: presented.alone,
    }
}

/// Where the scopes of a role come from: the policy file wins on a name that the directory has too.
fn role_source(ceilings: &Ceilings, directory: Option<&DirectoryRoles>, role: &str) -> RoleSource {
    let is_in_file = ceilings.roles.as_ref().is_some_and(|roles| roles.contains_key(role));
    match directory {
        _ if ceilings.roles.is_none() => RoleSource::Unlimited,
        _ if is_in_file => RoleSource::Policy,
        Some(directory) if ceilings.directory && directory.permitted_by(role).is_some() => RoleSource::Directory,
        None if ceilings.directory => RoleSource::Unavailable,
        Some(_) | None => RoleSource::Unknown,
    }
}

pub(super) fn directory_state(ceilings: &Ceilings, directory: Option<&DirectoryRoles>) -> Option<DirectoryState> {
    let state = directory.map_or(DirectoryState::Unavailable, |_| DirectoryState::Read);
    ceilings.directory.then_some(state)
}

pub(super) fn ceilings_trace(catalog: &Catalog, ceilings: &Ceilings, standing: Option<&Standing>) -> CeilingsTrace {
    let trace = |is_on: bool, limit: fn(&Standing) -> Option<&ScopeSet>| {
        let state = match standing {
            _ if !is_on => CeilingState::Off,
            Some(standing) if limit(standing).is_none() => CeilingState::Lifted,
            Some(_) | None => CeilingState::On,
        };
        let cut = standing.and_then(|standing| limit(standing).map(|limit| standing.held().without(limit)));
        CeilingTrace { state, cuts: names(catalog, &cut.unwrap_or_default()) }
    };
    CeilingsTrace {
        clients: trace(ceilings.clients.is_some(), Standing::client_ceiling),
        roles: trace(ceilings.roles.is_some(), Standing::role_ceiling),
    }
}

pub(super) fn side_traces(sides: &Sides, catalog: &Catalog, standing: Option<&Standing>) -> Vec<SideTrace> {
    let nothing = ScopeSet::default();
    let within_client = standing.map(Standing::within_client).unwrap_or_default();
    let sets = Sets {
        held: standing.map_or(&nothing, Standing::held),
        within_client: &within_client,
        permitted: standing.map_or(&nothing, Standing::permitted),
    };
    sides.each().map(|(side, formula)| SideTrace { side, formula: term(formula, catalog, &sets) }).collect()
}

/// What a formula is tried on, from the widest to the narrowest.
struct Sets<'a> {
    held: &'a ScopeSet,
    within_client: &'a ScopeSet,
    permitted: &'a ScopeSet,
}

fn term(requirement: &Requirement, catalog: &Catalog, sets: &Sets<'_>) -> Term {
    let terms = |children: &[Requirement]| children.iter().map(|child| term(child, catalog, sets)).collect();
    let is_true_of = |set: &ScopeSet| requirement.is_satisfied(&|id| set.contains(id));
    Term {
        formula: match requirement {
            Requirement::Scope(id) => Formula::Scope(catalog.name(*id).to_owned()),
            Requirement::AnyOf(any) => Formula::AnyOf(terms(any)),
            Requirement::AllOf(all) => Formula::AllOf(terms(all)),
        },
        held: is_true_of(sets.held),
        within_client_ceiling: is_true_of(sets.within_client),
        permitted: is_true_of(sets.permitted),
    }
}

fn names(catalog: &Catalog, set: &ScopeSet) -> Vec<String> {
    set.iter().map(|id| catalog.name(id).to_owned()).collect()
}
