//! Warnings.

use http::Method;
use proptest::prelude::*;

use crate::policy::{Entry, Readings, Requirement, Route, RouteIndex, RouteTable, Sides, Template, Warning, oracle};
use crate::scope::ScopeId;

const GET: (&str, Entry) = ("GET", Entry::Authenticated);

fn warnings(routes: Vec<Route>) -> Vec<Warning> {
    RouteTable::build(oracle::parts(Readings::default(), routes)).unwrap().warnings()
}

fn of(templates: &[&str]) -> Vec<Warning> {
    warnings(templates.iter().map(|template| oracle::route(None, template, &[GET])).collect())
}

#[test]
fn routes_whose_paths_others_win_are_named() {
    let unreachable = |route, by| Warning::UnreachableRoute { route: RouteIndex(route), by: RouteIndex(by) };
    assert_eq!(of(&["/a/{x}", "/a/b", "/{r=**}"]), []);
    assert_eq!(of(&["/a{x}/{y}b", "/a{r=**}b"]), [unreachable(0, 1)], "by one");
    assert_eq!(of(&["/f/{r=**}", "/f/{x}", "/f/{x}/{r=**}"]), [], "the empty end is left");
    assert_eq!(of(&["/f/{r=**}", "/f/{x}", "/f/{x}/{r=**}", "/f/"]), [unreachable(0, 1)], "by several together");
    assert_eq!(of(&["/f/{r=**}/z", "/f/{x}/z", "/f/{x}/{y}/z", "/f/{x}/{y}/{r=**}"]), [unreachable(0, 1)]);
}

#[test]
fn entries_that_may_surprise_are_named() {
    let side = |user, admin| {
        let requirement = |yes: bool| yes.then_some(Requirement::Scope(ScopeId(0)));
        Entry::Scoped(Sides { user: requirement(user), admin: requirement(admin) })
    };
    let methods =
        [("GET", Entry::Public), ("POST", side(true, true)), ("PUT", side(true, false)), ("DELETE", side(false, true))];
    let route = RouteIndex(0);
    assert_eq!(
        warnings(vec![oracle::route(None, "/a", &methods)]),
        [
            Warning::PublicMethod { route, method: Method::GET },
            Warning::OneSideOnly { route, method: Method::PUT },
            Warning::OneSideOnly { route, method: Method::DELETE },
        ]
    );
}

#[test]
fn a_method_of_a_broader_route_is_named_once() {
    let methods = |names: &[&'static str]| -> Vec<(&'static str, Entry)> {
        names.iter().map(|name| (*name, Entry::Authenticated)).collect()
    };
    let found = warnings(vec![
        oracle::route(None, "/a/list", &methods(&["GET"])),
        oracle::route(None, "/a/{id}", &methods(&["GET", "HEAD", "DELETE"])),
        oracle::route(None, "/{r=**}", &methods(&["DELETE", "PUT"])),
        oracle::route(None, "/{x}/other", &methods(&["PATCH"])),
    ]);
    let expected = |route, broader, methods: &[Method]| Warning::BroaderHasMethods {
        route: RouteIndex(route),
        broader: RouteIndex(broader),
        methods: methods.to_vec(),
    };
    assert_eq!(
        found,
        [
            expected(0, 1, &[Method::DELETE]),
            expected(0, 2, &[Method::PUT]),
            expected(1, 2, &[Method::PUT]),
            expected(3, 2, &[Method::DELETE, Method::PUT]),
        ]
    );
}

#[test]
fn a_route_without_host_is_not_seen_on_hosts_with_routes() {
    let route = |host, template| oracle::route(host, template, &[GET]);
    let found = warnings(vec![
        route(Some("b.test"), "/x"),
        route(None, "/health"),
        route(Some("a.test"), "/health"),
        route(None, "/y"),
    ]);
    let unseen = |route, host: &str| Warning::HostlessUnseen { route: RouteIndex(route), host: host.to_owned() };
    assert_eq!(found, [unseen(1, "b.test"), unseen(3, "a.test")]);
}

#[test]
fn templates_that_folding_confuses_are_named() {
    let collision = |example: &str| Warning::FoldedCollision {
        first: RouteIndex(0),
        second: RouteIndex(1),
        example: example.to_owned(),
    };
    assert_eq!(of(&["/b/listAll", "/b/listall"]), [collision("/b/listAll")]);
    assert_eq!(of(&["/b/{id}/", "/b/{id}"]), [collision("/b/x/")]);
    assert_eq!(of(&["/b/list", "/b/{id}"]), []);
    let off = Readings { letter_case: false, ..Readings::default() };
    let routes = ["/b/A", "/b/a"].map(|template| oracle::route(None, template, &[GET])).to_vec();
    assert_eq!(RouteTable::build(oracle::parts(off, routes)).unwrap().warnings(), [], "the upstream tells them apart");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_route_that_wins_a_path_is_never_called_unreachable(
        templates in prop::collection::vec(oracle::template(), 1..10),
        paths in prop::collection::vec(oracle::path(), 64),
    ) {
        let templates = oracle::compatible(templates);
        let routes = templates.iter().map(|template| oracle::route(None, template.as_str(), &[GET])).collect();
        let warnings = warnings(routes);
        let is_called_so = |n: usize| {
            warnings.iter().any(|warning| matches!(warning, Warning::UnreachableRoute { route, .. } if route.position() == n))
        };
        for path in paths.into_iter().chain(templates.iter().map(Template::example)) {
            if let Some(winner) = oracle::winner(&templates, &path) {
                prop_assert!(!is_called_so(winner), "{} wins {path}", templates[winner].as_str());
            }
        }
    }
}
