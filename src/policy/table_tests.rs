//! Building: faults between routes, rewriting, fingerprints.

use http::{HeaderValue, Method, Uri};
use proptest::prelude::*;

use crate::policy::{Entry, Readings, RequestTarget, Route, RouteTable, TableFault, oracle};

const GET: (&str, Entry) = ("GET", Entry::Authenticated);

fn routes(templates: &[&str]) -> Vec<Route> {
    templates.iter().map(|template| oracle::route(None, template, &[GET])).collect()
}

fn build(routes: Vec<Route>) -> Result<RouteTable, Vec<TableFault>> {
    RouteTable::build(oracle::parts(Readings::default(), routes))
}

fn overlap(fault: TableFault) -> (usize, usize, String) {
    let TableFault::Overlap { first, second, example } = fault else { panic!("{fault:?}") };
    (first, second, example)
}

#[test]
fn templates_of_equal_rank_that_share_a_path_are_refused() {
    let faults = build(routes(&[
        "/a/{x}b",
        "/c",
        "/a/d{x}",
        "/a/{y}c",
        "/{x}b/a",
        "/{name}/z",
        "/{id}/z",
        "/a{x}/{y}b",
        "/{x}c/d{y}",
    ]));
    let mut pairs: Vec<_> = faults.unwrap_err().into_iter().map(overlap).collect();
    pairs.sort();
    let numbers: Vec<_> = pairs.iter().map(|(first, second, _)| (*first, *second)).collect();
    assert_eq!(numbers, [(0, 2), (2, 3), (5, 6), (7, 8)]);
    assert_eq!(pairs[0].2, "/a/db");
}

#[test]
fn hosts_do_not_meet() {
    let on = |host| oracle::route(host, "/a/{id}", &[GET]);
    assert!(build(vec![on(None), on(Some("a.test")), on(Some("*.a.test"))]).is_ok());
    assert!(build(vec![on(Some("a.test")), on(Some("A.test."))]).is_err());
}

#[test]
fn prefixes_are_checked() {
    let with = |template: &str, strip: Option<&str>, add: Option<&str>| {
        let mut route = oracle::route(None, template, &[GET]);
        route.strip_prefix = strip.map(str::to_owned);
        route.add_prefix = add.map(str::to_owned);
        build(vec![route]).err()
    };
    let strip = Some(vec![TableFault::StripPrefix { route: 0 }]);
    let add = Some(vec![TableFault::AddPrefix { route: 0 }]);
    for (template, prefix, expected) in [
        ("/api/v1/x", "/api/v1", &None),
        ("/api/v1/x", "/api/v1/", &None),
        ("/api/v1", "/api/v1", &None),
        ("/api/{v}", "/", &None),
        ("/api/v1/x", "/api/v", &strip),
        ("/api/{v}/x", "/api/v1", &strip),
        ("/api/v{n}/x", "/api/v", &strip),
        ("/api", "/api/v1", &strip),
        ("/api", "api", &strip),
        ("/api/{rest=**}", "/api/x", &strip),
        ("/api/", "/api//", &strip),
    ] {
        assert_eq!(with(template, Some(prefix), None), *expected, "{template} {prefix}");
    }
    for (prefix, expected) in [
        ("/v2", &None),
        ("/v2/x/", &None),
        ("/", &None),
        ("v2", &add),
        ("/a/../b", &add),
        ("//a", &add),
        ("/a%2fb", &add),
        ("/a?b", &add),
        ("/a\\b", &add),
        ("", &add),
    ] {
        assert_eq!(with("/a", None, Some(prefix)), *expected, "{prefix}");
    }
    let mut parts = oracle::parts(Readings::default(), routes(&["/a"]));
    parts.upstreams[0].base_path = "/x/..".to_owned();
    assert_eq!(RouteTable::build(parts).unwrap_err(), [TableFault::BasePath { upstream: 0 }]);
}

#[test]
fn what_is_forwarded_has_its_prefixes_exchanged() {
    let rewritten = |strip: Option<&str>, add: Option<&str>, base: &str, target: &str| {
        let mut route = oracle::route(None, "/api/v1/{rest=**}", &[GET]);
        route.strip_prefix = strip.map(str::to_owned);
        route.add_prefix = add.map(str::to_owned);
        let mut parts = oracle::parts(Readings::default(), vec![route]);
        parts.upstreams[0].base_path = base.to_owned();
        let table = RouteTable::build(parts).unwrap();
        let (uri, host): (Uri, _) = (target.parse().unwrap(), HeaderValue::from_static("h"));
        let target = RequestTarget::read(&uri, &host).unwrap();
        table.rewrite(table.find(&target, &Method::GET).unwrap(), &target)
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(rewritten(None, None, "/", "/api/v1/x?y"), None, "goes as sent");
    assert_eq!(rewritten(None, None, "/", "/api/v1/%78?y=%61"), some("/api/v1/x?y=%61"));
    assert_eq!(rewritten(Some("/api/v1"), None, "/", "/api/v1/x%20z?y"), some("/x%20z?y"));
    assert_eq!(rewritten(Some("/api/v1/"), Some("/v2"), "/base/", "/api/v1/x?"), some("/base/v2/x?"));
    assert_eq!(rewritten(Some("/api"), Some("/"), "/", "/api/v1/"), some("/v1/"));
    assert_eq!(rewritten(None, None, "/base", "/api/v1/x"), some("/base/api/v1/x"));

    let mut route = oracle::route(None, "/api", &[GET]);
    route.strip_prefix = Some("/api".to_owned());
    let table = build(vec![route]).unwrap();
    let target = RequestTarget::of("h", "/api");
    assert_eq!(
        table.rewrite(table.find(&target, &Method::GET).unwrap(), &target),
        some("/"),
        "an empty rest is the root"
    );
}

#[test]
fn a_fingerprint_is_of_what_has_an_effect() {
    let fingerprint = |routes| build(routes).unwrap().fingerprint().to_owned();
    let base = fingerprint(routes(&["/a/{id}", "/b"]));
    assert_eq!(base.len(), 64);
    assert_eq!(base, fingerprint(routes(&["/b", "/a/{name}"])), "order and names of placeholders");
    let mut named = routes(&["/a/{id}", "/b"]);
    named[0].id = "other".into();
    assert_eq!(base, fingerprint(named), "names of routes");
    assert_ne!(base, fingerprint(routes(&["/a/{id}"])));
    assert_ne!(base, fingerprint(routes(&["/a/{id=**}", "/b"])));
    let public = |n: usize| {
        let mut routes = routes(&["/a/{id}", "/b"]);
        routes[n].methods[0].1 = Entry::Public;
        fingerprint(routes)
    };
    assert!(public(0) != base && public(1) != base && public(0) != public(1));
    let mut parts = oracle::parts(Readings::default(), routes(&["/a/{id}", "/b"]));
    parts.upstreams[0].readings.letter_case = false;
    assert_ne!(base, RouteTable::build(parts).unwrap().fingerprint());
}

#[test]
fn generations_are_never_shared() {
    let (first, second) = (build(routes(&["/a"])).unwrap(), build(routes(&["/a"])).unwrap());
    assert_eq!(first.fingerprint(), second.fingerprint());
    assert_ne!(first.generation(), second.generation());
}

/// Tables whose templates look alike are built without comparing all with all; a bound on time would only show the
/// machine, so that one is built which takes minutes otherwise.
#[test]
fn large_tables_of_look_alikes_are_built() {
    let verbs = (0..4000).map(|n| format!("/v1/{{id}}:verb{n:05}"));
    let names = (0..4000).map(|n| format!("/v2/name{n:05}{{id}}"));
    let both = (0..4000).map(|n| format!("/v3/{:02}{{x}}-{{y}}:{:02}", n / 64, n % 64));
    let texts: Vec<String> = verbs.chain(names).chain(both).collect();
    let table = build(routes(&texts.iter().map(String::as_str).collect::<Vec<_>>())).unwrap();
    let target = RequestTarget::of("h", "/v1/7:verb00123");
    assert_eq!(table.find(&target, &Method::GET).unwrap().route.0, 123);
}

#[test]
fn tables_are_shared_between_threads() {
    fn is_shared<T: Send + Sync + 'static>() {}
    is_shared::<RouteTable>();
}

proptest! {
    #[test]
    fn a_table_is_refused_exactly_where_two_templates_tie(templates in prop::collection::vec(oracle::template(), 2..16)) {
        let distinct: std::collections::HashSet<_> = templates.into_iter().collect();
        let templates: Vec<_> = distinct.into_iter().collect();
        let mut expected = Vec::new();
        for (first, a) in templates.iter().enumerate() {
            for (second, b) in templates.iter().enumerate().skip(first + 1) {
                if a.precedence(b).is_eq() && a.overlap(b).is_some() {
                    expected.push((first, second));
                }
            }
        }
        let routes = templates.iter().map(|template| oracle::route(None, template.as_str(), &[GET])).collect();
        let faults = build(routes).err().unwrap_or_default().into_iter().map(overlap);
        let mut found: Vec<_> = faults.map(|(first, second, _)| (first, second)).collect();
        found.sort_unstable();
        prop_assert_eq!(found, expected);
    }
}
